// SSHSigner: an Ed25519 key that signs, wherever its private half is: in a file of this machine, or in an ssh-agent.

import Digests
import Faults
import GitLedger

/// A key that can sign.
public struct SSHSigner: Sendable {
    /// The public half.
    public let publicKey: SSHPublicKey
    private let sign: @Sendable ([UInt8]) throws(Fault) -> [UInt8]

    /// Signs with a key that is in this process.
    public init(_ key: SSHPrivateKey) {
        publicKey = key.publicKey
        sign = { (message: [UInt8]) throws(Fault) -> [UInt8] in
            guard let signature = key.key.signature(of: message) else {
                throw Fault(
                    .failed, "keys.not-signed", "the crypto library did not sign",
                    mend: "Make a new key with medrounds keys rotate.")
            }
            return signature
        }
    }

    /// Signs with a key that an agent holds; its private half never enters this process.
    package init(_ key: SSHPublicKey, in agent: SSHAgent) {
        publicKey = key
        sign = { (message: [UInt8]) throws(Fault) -> [UInt8] in try agent.sign(message, by: key) }
    }

    /// The 64 bytes of a signature. Throws `keys.not-signed`, and `keys.agent` for an agent that does not answer or refuses.
    package func signature(of message: [UInt8]) throws(Fault) -> [UInt8] { try sign(message) }

    /// Signs commits.
    package var signer: CommitDraft.Signer {
        { (bytes: [UInt8]) throws(Fault) -> String in
            try SSHSignature.sign(bytes, with: self, for: SSHSignature.commits)
        }
    }
}

extension SSHPrivateKey {
    /// Signs commits.
    package var signer: CommitDraft.Signer { SSHSigner(self).signer }
}
