// SSHPrivateKey: reads and writes an Ed25519 key without a passphrase in OpenSSH's own format (openssh-key-v1). KeyOpener
// opens those with one.

import Digests
import Faults
import Federation
import Foundation
import LocalFiles

/// An Ed25519 key pair of OpenSSH. It never enters the ledger.
public struct SSHPrivateKey: Sendable {
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

    /// Reads a key file without a passphrase. Throws `keys.missing`, `keys.open` for a file of the user that others may read or write (OpenSSH
    /// refuses it too), `keys.encrypted` for a key with a passphrase, and `keys.bad-key` for another kind of key or a damaged one.
    public init(reading path: String) throws(Fault) { try self.init(SSHKeyFile(reading: path), path) }

    init(_ file: SSHKeyFile, _ path: String) throws(Fault) {
        guard !file.isEncrypted else { throw .encryptedKey(path, file.cipher, "this command reads no encrypted key") }
        guard file.count == 1, let publicKey = SSHPublicKey(blob: file.publicBlob) else {
            throw .badKey(path, "the file does not hold one Ed25519 key")
        }
        var inner = SSHReader(file.secret)
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
            SSHKeyFile.magic + SSHWire.string("none") + SSHWire.string("none") + SSHWire.string([]) + SSHWire.word(1)
            + SSHWire.string(publicKey.blob) + SSHWire.string(secret)
        try LocalFile.write(Array(SSHWire.armoured(blob, SSHKeyFile.label).utf8), to: path)
        try LocalFile.write(Array("\(publicKey.line) \(comment)\n".utf8), to: path + ".pub", for: .everyone)
    }
}
