// CoordinatorPin: the coordinator's keys as a hospital wrote them into site.yaml: what anybody else published is refused.

import Faults
import Federation
import Foundation
import GitLedger
import Identities
import RunRecords

/// The keys of the coordinator that a site trusts. With none, the site trusts the first list of allowed signers that it receives.
struct CoordinatorPin {
    private let fingerprints: [String]

    /// Whether site.yaml names a key.
    var isSet: Bool { !fingerprints.isEmpty }

    /// Takes public key lines and fingerprints as site.yaml has them. Throws `keys.bad-pin`.
    init(_ texts: [String], file: String) throws(Fault) {
        var fingerprints: [String] = []
        for text in texts {
            let base = text.dropFirst(7)
            if let key = SSHPublicKey(line: text) {
                fingerprints.append(key.fingerprint)
            } else if text.hasPrefix("SHA256:"), base.utf8.count == 43, Data(base64Encoded: base + "=") != nil {
                fingerprints.append(text)
            } else {
                throw Fault(
                    .workflow, "keys.bad-pin", "coordinator_key is no Ed25519 public key and no SHA256: fingerprint",
                    at: Place(file: file),
                    mend: "Write the line of the coordinator's .pub file, or what ssh-keygen -lf prints of it.")
            }
        }
        self.fingerprints = fingerprints
    }

    /// What is wrong with what was published in a run: a commit that none of the keys signed. Nil where nothing is, and where no key is named.
    func fault(_ run: RunName, _ ledger: Ledger) throws(Fault) -> Fault? {
        guard isSet, let line = try PublishedLine(of: run, in: ledger) else { return nil }
        for commit in [line.call] + line.publishes {
            let key = try SignedCommit.key(of: commit.id, ledger)
            if let key, fingerprints.contains(key.fingerprint) { continue }
            let kind = commit.kind == .call ? "the call" : "what is published"
            let signed = key.map { "signed by \($0)" } ?? "not signed"
            return Fault(
                .mismatch, "keys.other-coordinator",
                "\(kind) is \(signed), and coordinator_key in site.yaml is \(fingerprints.joined(separator: ", "))",
                at: Place(commit: commit.id.hex),
                mend: "Ask the coordinator by another way than the mailbox; add the key there only if it is theirs.")
        }
        return nil
    }

    /// The line about the coordinator's key that a person is shown before approving; nil for a run that is not signed.
    func question(_ call: CommitID, _ ledger: Ledger) throws(Fault) -> String? {
        guard let key = try SignedCommit.key(of: call, ledger) else { return nil }
        let trust =
            isSet
            ? ", as site.yaml says"
            : "; site.yaml names no coordinator_key: the first list of signers that came is trusted"
        return "the coordinator signs with \(key)\(trust)"
    }
}
