// medrounds keys: who may sign. Private keys stay in a folder on this machine; the ledger holds the allowed signers alone.

import AuditCommands
import ArgumentParser
import Faults
import Federation
import Foundation
import GitLedger
import Identities
import RunRecords

struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Make, allow, replace and revoke the keys that sign commits.",
        subcommands: [New.self, Allow.self, Rotate.self, Revoke.self, List.self])

    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key and, where the coordinator's key is here, allow it in the ledger.")
        @Argument(help: ArgumentHelp("coordinator, site:NAME or approver:NAME.", valueName: "role"))
        var role: String
        @Option(help: "For how many days the key may sign (default: without an end).")
        var days: Int?
        @OptionGroup var place: KeyPlace

        func run() throws {
            let role = try signerRole(role)
            let path = "\(place.folder)/\(role.fileName)"
            // A coordinator's key that cannot be opened is told before a new key exists.
            let other = role == .coordinator ? nil : try place.coordinator()
            let key = SSHPrivateKey()
            try key.write(to: path, comment: role.description)
            Console.result("\(path): \(key.publicKey.fingerprint)")
            guard let coordinator = role == .coordinator ? SSHSigner(key) : other else {
                Console.result("not allowed yet: the coordinator runs medrounds keys allow \(role) \(path).pub")
                return
            }
            try place.allow(key.publicKey, role, days: days, by: coordinator)
        }
    }

    struct Allow: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Allow a public key that somebody sent.")
        @Argument(help: ArgumentHelp("coordinator, site:NAME or approver:NAME.", valueName: "role"))
        var role: String
        @Argument(help: ArgumentHelp("The .pub file.", valueName: "path"))
        var file: String
        @Option(help: "For how many days the key may sign (default: without an end).")
        var days: Int?
        @OptionGroup var place: KeyPlace

        func run() throws {
            let role = try signerRole(role)
            let key = try SSHPublicKey(reading: file)
            // The first signer of a ledger is a coordinator, whose own key has to be here to sign for it.
            let coordinator = try KeyAccess.opener().open(place.coordinatorFile)
            try place.allow(key, role, days: days, by: coordinator)
        }
    }

    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Replace a role's key: the old one ends now, and what it signed stays good.")
        @Argument(help: ArgumentHelp("coordinator, site:NAME or approver:NAME.", valueName: "role"))
        var role: String
        @OptionGroup var place: KeyPlace

        func run() throws {
            let role = try signerRole(role)
            let path = "\(place.folder)/\(role.fileName)"
            let opener = KeyAccess.opener()
            let old = try opener.publicKey(path)
            let coordinator = try opener.open(place.coordinatorFile)
            let now = Int64(Date().timeIntervalSince1970)
            let key = SSHPrivateKey()
            // The new pair waits beside the old one until the ledger allows it, so that a kill loses neither.
            let fresh = "\(path).new"
            try? FileManager.default.removeItem(atPath: fresh)
            try? FileManager.default.removeItem(atPath: fresh + ".pub")
            try key.write(to: fresh, comment: role.description)
            let ledger = try Ledger.create(path: place.ledger)
            var signers = try Identities.read(ledger)?.signers ?? AllowedSigners([])
            try signers.end(old, role, at: now + 1)
            signers.signers.append(AllowedSigner(role: role, key: key.publicKey, validAfter: now))
            let commit = try Identities.commit(
                signers, by: coordinator, to: ledger)
            for ending in ["", ".pub"] {
                let ended = "\(path).ended-\(now)\(ending)"
                // Of a key that an agent holds, the public half alone is here.
                if FileManager.default.fileExists(atPath: path + ending) {
                    try FileManager.default.moveItem(atPath: path + ending, toPath: ended)
                }
                try FileManager.default.moveItem(atPath: fresh + ending, toPath: path + ending)
            }
            Console.result("\(commit.hex.prefix(9)) \(role) signs with \(key.publicKey.fingerprint)")
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End a key: nothing it signs from now on, or from an earlier time on, is accepted.")
        @Argument(help: ArgumentHelp("The key's fingerprint, SHA256:...", valueName: "fingerprint"))
        var fingerprint: String
        @Option(help: ArgumentHelp("From when on, such as 2026-11-25T08:00:00Z (default: now).", valueName: "time"))
        var from: String?
        @OptionGroup var place: KeyPlace

        func run() throws {
            var end = Int64(Date().timeIntervalSince1970)
            if let from {
                guard let date = ISO8601DateFormatter().date(from: from) else {
                    throw ValidationError("--from takes a time such as 2026-11-25T08:00:00Z.")
                }
                end = Int64(date.timeIntervalSince1970)
            }
            let ledger = try Ledger.open(path: place.ledger)
            var signers = try Identities.read(ledger)?.signers ?? AllowedSigners([])
            guard let signer = signers.signers.first(where: { $0.key.fingerprint == fingerprint }) else {
                throw ValidationError("\(fingerprint) is no allowed signer; medrounds keys list shows them.")
            }
            for role in Set(signers.signers.filter { $0.key == signer.key }.map(\.role)) {
                try signers.end(signer.key, role, at: end)
            }
            let commit = try Identities.commit(
                signers, by: KeyAccess.opener().open(place.coordinatorFile), to: ledger)
            Console.result("\(commit.hex.prefix(9)) \(signer.role) no longer signs with \(fingerprint)")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List who may sign; --file prints the file that git and ssh-keygen read.")
        @Flag(help: "Print the allowed signers as OpenSSH reads them.")
        var file = false
        @OptionGroup var place: KeyPlace

        func run() throws {
            let ledger = try Ledger.open(path: place.ledger)
            let signers = try Identities.read(ledger)?.signers ?? AllowedSigners([])
            if file {
                Console.result(raw: signers.bytes)
                return
            }
            guard !signers.signers.isEmpty else {
                Console.result("the ledger names no signers: its runs are not signed")
                return
            }
            var table = Table("role", "valid from", "until", "key")
            for signer in signers.signers {
                table.add(
                    signer.role.description, LogCommand.utc(signer.validAfter),
                    signer.validBefore.map(LogCommand.utc) ?? "-", signer.key.fingerprint)
            }
            table.lines.forEach(Console.result)
        }
    }
}

/// Where keys and the ledger are.
struct KeyPlace: ParsableArguments {
    @Option(help: ArgumentHelp("The folder of private keys (default: keys in the work folder).", valueName: "path"))
    var keys: String?
    @OptionGroup var place: PlaceOptions

    var ledger: String { place.ledger }
    var folder: String { keys ?? place.workspace.keys }
    var coordinatorFile: String { "\(folder)/\(SignerRole.coordinator.fileName)" }

    /// The coordinator's key; nil where the folder names none.
    func coordinator() throws -> SSHSigner? {
        let opener = KeyAccess.opener()
        return opener.isThere(coordinatorFile) ? try opener.open(coordinatorFile) : nil
    }

    func allow(_ key: SSHPublicKey, _ role: SignerRole, days: Int?, by coordinator: SSHSigner) throws {
        if let days, !(1...36500).contains(days) { throw ValidationError("--days takes a number from 1 to 36500.") }
        let ledger = try Ledger.create(path: ledger)
        var signers = try Identities.read(ledger)?.signers ?? AllowedSigners([])
        let now = Int64(Date().timeIntervalSince1970)
        signers.signers.append(
            AllowedSigner(role: role, key: key, validAfter: now, validBefore: days.map { now + Int64($0) * 86400 }))
        let commit = try Identities.commit(
            signers, by: coordinator, to: ledger)
        Console.result("\(commit.hex.prefix(9)) \(role) may sign with \(key.fingerprint)")
    }
}

func signerRole(_ text: String) throws -> SignerRole {
    guard let role = SignerRole(text) else {
        throw ValidationError("\"\(text)\" is no role; roles are coordinator, site:NAME and approver:NAME.")
    }
    return role
}
