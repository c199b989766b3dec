// Identities: the ledger's line of allowed signers. It only grows: a key is added or gets an end; nothing is rewritten.

import Faults
import Federation
import Foundation
import GitLedger

/// The allowed signers of a ledger, and their history.
public struct Identities: Sendable {
    /// The file in the tree of the line.
    static let file = RunPath.signers

    /// The commit that the line's ref names.
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

    /// Commits changed signers, signed by a coordinator's key. The first commit allows the coordinator who signs it. A new key is allowed
    /// from the commit's own time on, so that nobody can be allowed for the past.
    public static func commit(
        _ signers: AllowedSigners, by coordinator: SSHSigner, to ledger: Ledger
    ) throws(Fault) -> CommitID {
        let before = try read(ledger)
        var time = Int64(Date().timeIntervalSince1970)
        if let before { time = max(time, try ledger.read(before.tip).time) }
        var signers = signers
        for index in signers.signers.indices.dropFirst(before?.signers.signers.count ?? 0) {
            signers.signers[index].validAfter = max(signers.signers[index].validAfter, time)
        }
        if let flaw = (before?.signers ?? signers).flaw(of: coordinator.publicKey, for: [.coordinator], at: time) {
            throw .notAllowed(flaw)
        }
        if let flaw = Self.flaw(of: signers, after: before?.signers, at: time) { throw .notAllowed(flaw) }
        var draft = CommitDraft(
            line: .identities, expectedTip: before?.tip, parents: [before?.tip].compactMap { $0 }, base: before?.tip,
            changes: [FileChange(path: file, bytes: signers.bytes)],
            subject: Self.subject(of: signers, after: before?.signers),
            trailers: [Trailer("Step", StepKind.identities.rawValue)],
            author: CommitAuthor(name: "MedRounds", email: "medrounds@localhost"), time: time)
        draft.signer = coordinator.signer
        return try ledger.commit(draft)
    }

    /// What a change did, computed from the two lists alone: a subject cannot say anything else.
    package static func subject(of now: AllowedSigners, after before: AllowedSigners?) -> String {
        let old = before?.signers ?? []
        let added = Array(now.signers.dropFirst(old.count))
        let ended = zip(old, now.signers).filter { $0.validBefore != $1.validBefore }.map(\.1)
        switch (added.count, ended.count) {
        case (1, 0): return "allow \(added[0].role) \(added[0].key.fingerprint)"
        case (1, 1) where added[0].role == ended[0].role:
            return "rotate \(added[0].role) to \(added[0].key.fingerprint)"
        case (0, 1...): return "revoke \(ended[0].role) \(ended[0].key.fingerprint)"
        default: return "change \(added.count + ended.count) signers"
        }
    }

    /// Changes that a list of signers must not make to the list before it: remove or rewrite a line, give a key more time, allow a key for
    /// the past, or allow a key again whose time has ended. Nil where nothing is wrong.
    package static func flaw(of now: AllowedSigners, after before: AllowedSigners?, at time: Int64) -> String? {
        let old = before?.signers ?? []
        for (index, signer) in old.enumerated() {
            guard index < now.signers.count else { return "the signer \(signer.role) \(signer.key) was removed" }
            var ended = now.signers[index]
            let isEarlier = (ended.validBefore ?? .max) <= (signer.validBefore ?? .max)
            ended.validBefore = signer.validBefore
            if ended != signer || !isEarlier { return "the signer \(signer.role) \(signer.key) was rewritten" }
        }
        for signer in now.signers.dropFirst(old.count) {
            if signer.validAfter < time {
                return "the signer \(signer.role) \(signer.key) is allowed from a time before its commit"
            }
            if old.contains(where: { $0.key == signer.key && $0.validBefore != nil }) {
                return "the key \(signer.key) is allowed again after its time ended"
            }
        }
        return nil
    }

    /// What is wrong with the line: a commit that no coordinator of its time signed, that the program did not write, that is dated before
    /// its parent, or that changed what an earlier one said.
    package func faults(_ ledger: Ledger) throws(Fault) -> (commits: Int, faults: [Fault]) {
        var faults: [Fault] = []
        let line = try ledger.firstParents(from: tip)
        var before: (signers: AllowedSigners, commit: CommitRecord)?
        for commit in line {
            func add(_ what: String) {
                faults.append(
                    Fault(
                        .mismatch, "verify.identities", what, at: Place(file: Self.file, commit: commit.id.hex),
                        mend: "Compare with the allowed signers that you keep elsewhere: medrounds verify --trust FILE."
                    ))
            }
            let now = try Self.signers(of: commit.id, ledger)
            for what in try SharedCommit.flaws(
                of: commit, .identities, after: [before?.commit].compactMap { $0 }, ledger: ledger)
            {
                add(what)
            }
            if try ledger.file(Self.file, of: commit.id) != now.bytes {
                add("the file is not written as this program writes it")
            }
            if commit.subject != Self.subject(of: now, after: before?.signers) {
                add("the subject is not what the change did")
            }
            if let flaw = try SignedCommit.flaw(of: commit, for: [.coordinator], before?.signers ?? now, ledger) {
                add(flaw)
            }
            if let flaw = Self.flaw(of: now, after: before?.signers, at: commit.time) { add(flaw) }
            before = (now, commit)
        }
        return (line.count, faults)
    }
}

/// The rules for each commit of a line that is a plain chain: answers, allowed signers, pruned contents.
package enum SharedCommit {
    /// What is wrong with a commit of the kind that must have exactly these parents, none where it is the root; the text says
    /// nothing of the commit's content.
    package static func flaws(
        of commit: CommitRecord, _ kind: StepKind, after parents: [CommitRecord], ledger: Ledger
    ) throws(Fault) -> [String] {
        var flaws: [String] = []
        let rules = kind.rules
        if commit.parents != parents.map(\.id) {
            flaws.append("the commit has other parents than the one before it")
        }
        if parents.contains(where: { $0.time > commit.time }) { flaws.append("the commit is dated before its parent") }
        if commit.trailers.map(\.key) != rules.trailers || commit.trailer("Step") != kind.rawValue
            || commit.author != CommitAuthor(name: "MedRounds", email: "medrounds@localhost") || !commit.body.isEmpty
        {
            flaws.append("the commit has another body, other trailers or people than the program writes")
        }
        if try !ledger.isAsWritten(commit.id) {
            flaws.append("the commit is not byte for byte what the program writes")
        }
        if try ledger.files(of: commit.id).map(\.path) != rules.files.map(\.name).sorted() {
            flaws.append("the tree holds other files")
        }
        if try ledger.stateDigest(of: commit.id).hex != commit.trailer("State-SHA256") {
            flaws.append("State-SHA256 is not that of the tree")
        }
        return flaws
    }
}

/// Checks the signature of a commit.
package enum SignedCommit {
    /// What is wrong with a commit's signature; nil where it was made by an allowed key of one of the roles, at a time when the key was
    /// valid.
    package static func flaw(
        of commit: CommitRecord, for roles: [SignerRole], _ signers: AllowedSigners, _ ledger: Ledger
    ) throws(Fault) -> String? {
        guard let (content, text) = try ledger.signedContent(of: commit.id) else { return "the commit is not signed" }
        guard let signature = SSHSignature(armoured: text), signature.namespace == SSHSignature.commits else {
            return "the signature is not an Ed25519 signature of OpenSSH for git"
        }
        guard signature.covers(content) else { return "the signature is not that of the commit" }
        return signers.flaw(of: signature.key, for: roles, at: commit.time)
    }

    /// The key that signed a commit; nil where none did, or where the signature is not that of the commit.
    package static func key(of commit: CommitID, _ ledger: Ledger) throws(Fault) -> SSHPublicKey? {
        guard let (content, text) = try ledger.signedContent(of: commit),
            let signature = SSHSignature(armoured: text), signature.isOfCommits, signature.covers(content)
        else { return nil }
        return signature.key
    }
}

/// The keys that sign on this machine.
public struct SigningKeys: Sendable {
    private let keys: [SignerRole: SSHSigner]

    /// Opens the keys of the coordinator and the sites that a folder names; nil where it names none of the coordinator, so that the run is
    /// not signed.
    ///
    /// Throws what `KeyOpener.open` does, `keys.missing` where a site has none although the coordinator has one (half a signature proves nothing), and
    /// `keys.not-allowed` for a key that the ledger does not allow now.
    public static func load(
        from folder: String, sites: [SiteID], ledger: Ledger?, opener: KeyOpener
    ) throws(Fault) -> SigningKeys? {
        guard opener.isThere("\(folder)/\(SignerRole.coordinator.fileName)") else { return nil }
        // A ledger that is not made yet allows nobody.
        var allowed = AllowedSigners([])
        if let ledger, let identities = try Identities.read(ledger) { allowed = identities.signers }
        let now = Int64(Date().timeIntervalSince1970)
        var keys: [SignerRole: SSHSigner] = [:]
        let missing = sites.map(SignerRole.site).filter { !opener.isThere("\(folder)/\($0.fileName)") }
        if missing.count > 1 {
            throw Fault(
                .data, "keys.missing", "the keys of \(missing.map(\.description).joined(separator: ", ")) are not here",
                at: Place(file: folder), mend: "Make each with medrounds keys new, or name the right --keys.")
        }
        for role in [.coordinator] + sites.map(SignerRole.site) {
            let key = try opener.open("\(folder)/\(role.fileName)")
            if let flaw = allowed.flaw(of: key.publicKey, for: [role], at: now) { throw .notAllowed(flaw) }
            keys[role] = key
        }
        return SigningKeys(keys: keys)
    }

    package func signer(of role: SignerRole) -> CommitDraft.Signer? { keys[role]?.signer }
}

extension Fault {
    package static func notAllowed(_ flaw: String) -> Fault {
        Fault(
            .usage, "keys.not-allowed", flaw,
            mend: "See medrounds keys list; a coordinator allows a key by medrounds keys allow ROLE FILE.pub.")
    }
    static func badKey(_ path: String, _ fact: String) -> Fault {
        Fault(
            .data, "keys.bad-key", fact, at: Place(file: path),
            mend: "Use an Ed25519 key of OpenSSH: medrounds keys new makes one, and so does ssh-keygen -t ed25519.")
    }
    /// `keys.encrypted`: why the key's passphrase could not be asked for either.
    static func encryptedKey(_ path: String, _ cipher: String, _ why: String) -> Fault {
        Fault(
            .data, "keys.encrypted", "the key is encrypted (\(cipher)): \(why)", at: Place(file: path),
            mend:
                "Run ssh-add with the file in an ssh-agent that this command reaches by SSH_AUTH_SOCK, or start the command on a terminal."
        )
    }
}
