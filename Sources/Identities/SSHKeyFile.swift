// SSHKeyFile: what a private key file of OpenSSH says without its passphrase: whether it is encrypted, and its public half.

import Faults
import Foundation
import LocalFiles

/// The outer layer of openssh-key-v1.
struct SSHKeyFile {
    static let label = "OPENSSH PRIVATE KEY"
    static let magic = Array("openssh-key-v1\0".utf8)

    /// `none` for a key without a passphrase.
    let cipher: String
    /// How the cipher's key is made from the passphrase; `none` without one.
    let derivation: String
    /// How many keys the file holds.
    let count: UInt32
    /// The public half as ssh sends it, of whatever kind of key; nobody has checked that it belongs to the private half.
    let publicBlob: [UInt8]
    /// The private half, encrypted or not.
    let secret: [UInt8]

    var isEncrypted: Bool { cipher != "none" || derivation != "none" }

    /// Nil for a file of another form.
    init?(parsing bytes: [UInt8]) {
        guard let blob = SSHWire.unarmoured(String(decoding: bytes, as: UTF8.self), Self.label) else { return nil }
        var outer = SSHReader(blob)
        guard outer.take(Self.magic.count) == Self.magic, let cipher = outer.text(), let derivation = outer.text(),
            outer.string() != nil, let count = outer.word(), let publicBlob = outer.string(),
            let secret = outer.string()
        else { return nil }
        self.cipher = cipher
        self.derivation = derivation
        self.count = count
        self.publicBlob = publicBlob
        self.secret = secret
    }

    /// Reads a key file. Throws `keys.missing`, `keys.open` and `keys.bad-key`.
    init(reading path: String) throws(Fault) {
        let bytes = try LocalFile.read(
            path, kind: .data, code: "keys.missing", mend: "Make it with medrounds keys new, or name the right --keys.")
        try Self.requireOwnerAlone(path)
        guard let file = Self(parsing: bytes) else {
            throw .badKey(path, "the file is not a private key of OpenSSH, or it is cut short")
        }
        self = file
    }

    /// Throws `keys.open` for a file of the user that others may read or write. OpenSSH's own rule: it asks this of the user's own files alone.
    static func requireOwnerAlone(_ path: String) throws(Fault) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_uid == getuid(), status.st_mode & 0o077 != 0 else { return }
        throw Fault(
            .data, "keys.open",
            "the private key has the permissions 0\(String(status.st_mode & 0o777, radix: 8)): others can read or write it",
            at: Place(file: path),
            mend: "chmod 600 the file; if others had access to it, replace the key with medrounds keys rotate.")
    }
}
