// Identities: the ledger's line of allowed signers. It only ever grows: a key is added, or gets an end; nothing is rewritten.

import Faults
import Federation
import Foundation
import GitLedger

/// The allowed signers of a ledger, with their own history.
public struct Identities: Sendable {
    /// The file in the tree of the line.
    static let file = "allowed_signers"

    /// The commit the line stands at.
    public let tip: CommitID
    /// The signers as they are now.
    public let signers: AllowedSigners

    /// Reads the line; nil where the ledger has none, so that its runs are not signed. Throws `keys.bad-signers` and the ledger's faults.
    public static func read(_ ledger: Ledger) throws(Fault) -> Identities? {
        guard let tip = try ledger.tip(.identities) else { return nil }
        return Identities(tip: tip, signers: try signers(of: tip, ledger))
    }

    private static func signers(of commit: CommitID, _ ledger: Ledger) throws(Fault) -> AllowedSigners {
        guard let bytes = try ledger.file(file, of: commit) else { throw .missingFile(file, commit.hex) }
        return try AllowedSigners(parsing: bytes, file: file, commit: commit.hex)
    }

    /// Commits changed signers, signed by a coordinator's key. The first commit allows the coordinator who signs it.
    public static func commit(
        _ signers: AllowedSigners, subject: String, by coordinator: SSHPrivateKey, to ledger: Ledger
    ) throws(Fault) -> CommitID {
        let before = try read(ledger)
        var time = Int64(Date().timeIntervalSince1970)
        if let before { time = max(time, try ledger.read(before.tip).time) }
        if let flaw = (before?.signers ?? signers).flaw(of: coordinator.publicKey, for: [.coordinator], at: time) {
            throw .notAllowed(flaw)
        }
        var draft = CommitDraft(
            line: .identities, expectedTip: before?.tip, parents: [before?.tip].compactMap { $0 }, base: before?.tip,
            changes: [FileChange(path: file, bytes: signers.bytes)], subject: subject,
            trailers: [Trailer("Step", "identities")],
            author: CommitAuthor(name: "MedRounds", email: "medrounds@localhost"), time: time)
        draft.signer = coordinator.signer
        return try ledger.commit(draft)
    }

    /// What is wrong with the line: a commit that no coordinator of its time signed, or that took back what an earlier one said.
    func faults(_ ledger: Ledger) throws(Fault) -> (commits: Int, faults: [Fault]) {
        var faults: [Fault] = []
        let line = try ledger.firstParents(from: tip)
        var before: AllowedSigners?
        for commit in line {
            func add(_ what: String) {
                faults.append(
                    Fault(
                        .mismatch, "verify.identities", what, at: Place(file: Self.file, commit: commit.id.hex),
                        mend: "Compare with the allowed signers that you keep elsewhere: medrounds verify --trust FILE."
                    ))
            }
            let now = try Self.signers(of: commit.id, ledger)
            if try ledger.files(of: commit.id).map(\.path) != [Self.file] { add("the tree holds other files") }
            if commit.parents.count > 1 { add("the commit merges another history") }
            let trusted = before ?? now
            if let flaw = try SignedCommit.flaw(of: commit, for: [.coordinator], trusted, ledger) { add(flaw) }
            if try ledger.stateDigest(of: commit.id).hex != commit.trailer("State-SHA256") {
                add("State-SHA256 is not that of the tree")
            }
            for (index, signer) in (before?.signers ?? []).enumerated() {
                guard index < now.signers.count else {
                    add("the signer \(signer.role) \(signer.key) was taken away")
                    continue
                }
                var ended = now.signers[index]
                let isEarlier = (ended.validBefore ?? .max) <= (signer.validBefore ?? .max)
                ended.validBefore = signer.validBefore
                if ended != signer || !isEarlier { add("the signer \(signer.role) \(signer.key) was rewritten") }
            }
            before = now
        }
        return (line.count, faults)
    }
}

extension SSHPrivateKey {
    /// Signs commits.
    package var signer: CommitDraft.Signer {
        { (bytes: [UInt8]) throws(Fault) -> String in
            try SSHSignature.sign(bytes, with: self, for: SSHSignature.commits)
        }
    }
}

/// Checks the signature of a commit.
enum SignedCommit {
    /// What is wrong with a commit's signature; nil where it was made by an allowed key of one of the roles at a time it was valid.
    static func flaw(
        of commit: CommitRecord, for roles: [SignerRole], _ signers: AllowedSigners, _ ledger: Ledger
    ) throws(Fault) -> String? {
        guard let (content, text) = try ledger.signedContent(of: commit.id) else { return "the commit is not signed" }
        guard let signature = SSHSignature(armoured: text), signature.namespace == SSHSignature.commits else {
            return "the signature is no Ed25519 signature of OpenSSH for git"
        }
        guard signature.covers(content) else { return "the signature is not that of the commit" }
        return signers.flaw(of: signature.key, for: roles, at: commit.time)
    }
}

/// The private keys that are on this machine.
public struct SigningKeys: Sendable {
    private let keys: [SignerRole: SSHPrivateKey]

    /// Reads the keys of the coordinator and the sites from a folder; nil where the coordinator has none, so that the run is not signed.
    ///
    /// Throws `keys.missing` where a site has none then (half a signature proves nothing) and `keys.not-allowed` for a key that the
    /// ledger does not allow now.
    public static func load(
        from folder: String, sites: [SiteID], ledger: Ledger
    ) throws(Fault) -> SigningKeys? {
        guard FileManager.default.fileExists(atPath: "\(folder)/\(SignerRole.coordinator.fileName)") else { return nil }
        let allowed = try Identities.read(ledger)?.signers ?? AllowedSigners([])
        let now = Int64(Date().timeIntervalSince1970)
        var keys: [SignerRole: SSHPrivateKey] = [:]
        for role in [.coordinator] + sites.map(SignerRole.site) {
            let key = try SSHPrivateKey(reading: "\(folder)/\(role.fileName)")
            if let flaw = allowed.flaw(of: key.publicKey, for: [role], at: now) { throw .notAllowed(flaw) }
            keys[role] = key
        }
        return SigningKeys(keys: keys)
    }

    func signer(of role: SignerRole) -> CommitDraft.Signer? { keys[role]?.signer }
}

extension Fault {
    static func notAllowed(_ flaw: String) -> Fault {
        Fault(
            .usage, "keys.not-allowed", flaw,
            mend: "See medrounds keys list; a coordinator allows a key by medrounds keys allow ROLE FILE.pub.")
    }
    static func badKey(_ path: String, _ fact: String) -> Fault {
        Fault(
            .data, "keys.bad-key", fact, at: Place(file: path),
            mend: "Use an Ed25519 key of OpenSSH without a passphrase: medrounds keys new makes one.")
    }
}
