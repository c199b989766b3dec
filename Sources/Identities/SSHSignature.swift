// SSHSignature: makes and checks the detached signature of OpenSSH (SSHSIG version 1, SHA-512). git's gpgsig header holds it armoured.

import Digests
import Faults
import Federation

/// A signature and its parts.
package struct SSHSignature: Equatable {
    private static let label = "SSH SIGNATURE"
    private static let magic = Array("SSHSIG".utf8)
    private static let hash = "sha512"
    /// The namespace of commits: a signature made for a commit proves nothing elsewhere.
    static let commits = "git"
    /// The namespace of witness statements.
    package static let witness = "medrounds-witness"

    /// The key that signed.
    package let key: SSHPublicKey
    /// The namespace it was made for.
    package let namespace: String
    private let signature: [UInt8]

    /// Reads an armoured signature; nil for anything but Ed25519 over SHA-512 in the only form that we write.
    package init?(armoured text: String) {
        guard let bytes = SSHWire.unarmoured(text, Self.label) else { return nil }
        var reader = SSHReader(bytes)
        guard reader.take(6) == Self.magic, reader.word() == 1, let blob = reader.string(),
            let key = SSHPublicKey(blob: blob), let namespace = reader.text(), reader.string() == [],
            reader.text() == Self.hash, let inner = reader.string(), reader.isAtEnd
        else { return nil }
        var signed = SSHReader(inner)
        guard signed.text() == SSHWire.algorithm, let signature = signed.string(), signature.count == 64,
            signed.isAtEnd
        else { return nil }
        self.key = key
        self.namespace = namespace
        self.signature = signature
    }

    /// Whether it was made for a commit.
    package var isOfCommits: Bool { namespace == Self.commits }

    /// Whether the signature is that of the message.
    package func covers(_ message: [UInt8]) -> Bool {
        SigningKey.accepts(signature, of: Self.statement(message, namespace), by: key.bytes)
    }

    /// Signs a message; the armour ends without a line end, since a line end before git's next header would end the headers.
    package static func sign(_ message: [UInt8], with key: SSHSigner, for namespace: String) throws(Fault) -> String {
        let signature = try key.signature(of: statement(message, namespace))
        let inner = SSHWire.string(SSHWire.algorithm) + SSHWire.string(signature)
        let bytes =
            magic + SSHWire.word(1) + SSHWire.string(key.publicKey.blob) + SSHWire.string(namespace)
            + SSHWire.string([]) + SSHWire.string(hash) + SSHWire.string(inner)
        return String(SSHWire.armoured(bytes, label).dropLast())
    }

    /// The bytes that Ed25519 signs: the namespace and the hash, never the message itself.
    private static func statement(_ message: [UInt8], _ namespace: String) -> [UInt8] {
        magic + SSHWire.string(namespace) + SSHWire.string([]) + SSHWire.string(hash)
            + SSHWire.string(SigningKey.sha512(message))
    }
}
