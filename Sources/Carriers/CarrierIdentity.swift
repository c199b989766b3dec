// CarrierIdentity: with what a mailbox on another machine is opened: a key or a token, and by what its host is known.

import Faults
import Foundation

/// What proves the one to the other. All of it is names of files and a public fingerprint, so that it can be handed to another process.
public struct CarrierIdentity: Sendable, Equatable {
    /// The private key for ssh; nil for the keys that an ssh-agent holds.
    public var sshKey: String?
    /// The socket of the ssh-agent that holds the key, where `sshKey` is nil; nil for the one that the environment names.
    public var agent: String?
    /// The file of host keys; nil for none.
    public var knownHosts: String?
    /// The host's key as a person pinned it: `SHA256:` and 43 characters of base64, as ssh-keygen prints it.
    public var hostKey: String?
    /// The file of the token for https: `USER:TOKEN` or a token alone, in one line.
    public var tokenFile: String?
    /// A file of certificates that https servers are checked against; nil for the system's.
    public var certificates: String?

    /// Makes an identity.
    public init(
        sshKey: String? = nil, agent: String? = nil, knownHosts: String? = nil, hostKey: String? = nil,
        tokenFile: String? = nil, certificates: String? = nil
    ) {
        self.sshKey = sshKey
        self.agent = agent
        self.knownHosts = knownHosts
        self.hostKey = hostKey
        self.tokenFile = tokenFile
        self.certificates = certificates
    }

    /// Throws `mailbox.host-key` for a pinned key that is no fingerprint.
    package func check(at place: Place?) throws(Fault) {
        guard let hostKey else { return }
        let base = hostKey.dropFirst(7)
        guard hostKey.hasPrefix("SHA256:"), base.utf8.count == 43, Data(base64Encoded: base + "=") != nil else {
            throw Fault(
                .workflow, "mailbox.host-key", "the pinned host key is no SHA-256 fingerprint of ssh", at: place,
                mend: "Write what ssh-keygen -lf prints of the host's public key: SHA256: and 43 characters.")
        }
    }
}
