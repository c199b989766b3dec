// SSHPrivateKey: reads and writes an unencrypted Ed25519 key in OpenSSH's own format (openssh-key-v1). docs/ledger.md gives the layout.

import Digests
import Faults
import Federation
import Foundation
import LocalFiles

/// An Ed25519 key pair of OpenSSH. It never enters the ledger.
public struct SSHPrivateKey: Sendable {
    private static let label = "OPENSSH PRIVATE KEY"
    private static let magic = Array("openssh-key-v1\0".utf8)

    package let key: SigningKey
    /// The public half.
    public let publicKey: SSHPublicKey

    /// Makes a new key.
    public init() {
        let key = SigningKey()
        guard let publicKey = SSHPublicKey(bytes: key.publicKey) else {
            preconditionFailure("an Ed25519 public key has 32 bytes")
        }
        self.key = key
        self.publicKey = publicKey
    }

    /// Reads a key file. Throws `keys.missing`, `keys.open` for a file of the user that others may read or write (OpenSSH refuses it too),
    /// `keys.encrypted` for a key with a passphrase, and `keys.bad-key` for another kind of key or
    /// a damaged one.
    public init(reading path: String) throws(Fault) {
        let bytes = try LocalFile.read(
            path, kind: .data, code: "keys.missing", mend: "Make it with medrounds keys new, or name the right --keys.")
        // OpenSSH's own rule: it asks this of the user's own files alone.
        var status = stat()
        if stat(path, &status) == 0, status.st_uid == getuid(), status.st_mode & 0o077 != 0 {
            throw Fault(
                .data, "keys.open",
                "the private key has the permissions 0\(String(status.st_mode & 0o777, radix: 8)): others can read or write it",
                at: Place(file: path),
                mend: "chmod 600 the file; if others had access to it, replace the key with medrounds keys rotate.")
        }
        guard let blob = SSHWire.unarmoured(String(decoding: bytes, as: UTF8.self), Self.label) else {
            throw .badKey(path, "the file is not a private key of OpenSSH")
        }
        var outer = SSHReader(blob)
        guard outer.take(Self.magic.count) == Self.magic, let cipher = outer.text(), let derivation = outer.text(),
            outer.string() != nil, let count = outer.word(), let publicBlob = outer.string(),
            let secret = outer.string()
        else { throw .badKey(path, "the key is cut short or damaged") }
        guard cipher == "none", derivation == "none" else {
            throw Fault(
                .data, "keys.encrypted", "the key is encrypted (\(cipher)); this program asks for no passphrase",
                at: Place(file: path),
                mend: "Use a key without a passphrase, kept readable by its owner alone: medrounds keys new makes one.")
        }
        guard count == 1, let publicKey = SSHPublicKey(blob: publicBlob) else {
            throw .badKey(path, "the file does not hold one Ed25519 key")
        }
        var inner = SSHReader(secret)
        guard let first = inner.word(), let second = inner.word(), first == second,
            inner.text() == SSHWire.algorithm, inner.string() == publicKey.bytes, let pair = inner.string(),
            pair.count == 64, inner.string() != nil,
            inner.remaining == (0..<inner.remaining.count).map({ UInt8(truncatingIfNeeded: $0 + 1) }),
            inner.remaining.count < 8, let key = SigningKey(seed: Array(pair.prefix(32))),
            key.publicKey == publicKey.bytes
        else { throw .badKey(path, "the two halves of the key do not belong together") }
        self.key = key
        self.publicKey = publicKey
    }

    /// Writes the pair: the private key readable only by its owner, the public one beside it as `.pub`. Throws `keys.exists` where either
    /// exists, since a key that is overwritten is lost.
    public func write(to path: String, comment: String) throws(Fault) {
        for taken in [path, path + ".pub"] where FileManager.default.fileExists(atPath: taken) {
            throw Fault(
                .usage, "keys.exists", "a key is already there", at: Place(file: taken),
                mend: "Rotate it with medrounds keys rotate, or choose another folder with --keys.")
        }
        // Both halves of the check word are equal by definition; the value matters only for encrypted keys.
        var secret = SSHWire.word(0x6d72_6b79) + SSHWire.word(0x6d72_6b79) + SSHWire.string(SSHWire.algorithm)
        secret += SSHWire.string(publicKey.bytes) + SSHWire.string(key.seed + publicKey.bytes) + SSHWire.string(comment)
        var padding: UInt8 = 1
        while secret.count % 8 != 0 {
            secret.append(padding)
            padding += 1
        }
        let blob =
            Self.magic + SSHWire.string("none") + SSHWire.string("none") + SSHWire.string([]) + SSHWire.word(1)
            + SSHWire.string(publicKey.blob) + SSHWire.string(secret)
        try LocalFile.write(Array(SSHWire.armoured(blob, Self.label).utf8), to: path)
        try LocalFile.write(Array("\(publicKey.line) \(comment)\n".utf8), to: path + ".pub", for: .everyone)
    }
}
