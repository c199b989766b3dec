// SSHWire: what the SSH formats have in common: length-prefixed strings (RFC 4251), base64 in armour, and a public key on one line.

import Digests
import Faults
import Federation
import Foundation
import LocalFiles

/// Reads a buffer of length-prefixed fields; every read after the end gives nil.
struct SSHReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var isAtEnd: Bool { rest.isEmpty }
    var remaining: [UInt8] { Array(rest) }

    mutating func take(_ count: Int) -> [UInt8]? {
        guard count >= 0, rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func word() -> UInt32? { take(4)?.reduce(0) { $0 << 8 | UInt32($1) } }

    mutating func string() -> [UInt8]? {
        guard let length = word(), length <= UInt32(rest.count) else { return nil }
        return take(Int(length))
    }

    package mutating func text() -> String? { string().flatMap { String(validating: $0, as: UTF8.self) } }
}

/// Writes the same fields.
enum SSHWire {
    static let algorithm = "ssh-ed25519"

    static func word(_ value: Int) -> [UInt8] {
        let value = UInt32(truncatingIfNeeded: value)
        return (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
    }
    static func string(_ bytes: [UInt8]) -> [UInt8] { word(bytes.count) + bytes }
    static func string(_ text: String) -> [UInt8] { string(Array(text.utf8)) }

    /// Base64 of the bytes between `-----BEGIN label-----` and `-----END label-----`, 70 columns wide as ssh-keygen writes it, with a line
    /// end after each line.
    static func armoured(_ bytes: [UInt8], _ label: String) -> String {
        var text = "-----BEGIN \(label)-----\n"
        var rest = Data(bytes).base64EncodedString()[...]
        while !rest.isEmpty {
            text += rest.prefix(70) + "\n"
            rest = rest.dropFirst(70)
        }
        return text + "-----END \(label)-----\n"
    }

    /// The bytes inside an armour with that label; nil for any other text.
    static func unarmoured(_ text: String, _ label: String) -> [UInt8]? {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        while lines.last == "" { lines.removeLast() }
        guard lines.count > 2, lines.first == "-----BEGIN \(label)-----", lines.last == "-----END \(label)-----" else {
            return nil
        }
        let body = lines.dropFirst().dropLast().joined()
        guard let data = Data(base64Encoded: body), data.base64EncodedString() == body else { return nil }
        return Array(data)
    }
}

/// An Ed25519 public key as SSH writes it.
public struct SSHPublicKey: Hashable, Sendable, CustomStringConvertible {
    /// The key's 32 bytes.
    public let bytes: [UInt8]

    /// Takes 32 bytes; nil for another count.
    init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// Reads the blob `string "ssh-ed25519", string key`; nil for anything else.
    init?(blob: [UInt8]) {
        var reader = SSHReader(blob)
        guard reader.text() == SSHWire.algorithm, let key = reader.string(), key.count == 32, reader.isAtEnd else {
            return nil
        }
        bytes = key
    }

    /// Reads the base64 field of a public key line.
    init?(base64: String) {
        guard let data = Data(base64Encoded: base64) else { return nil }
        self.init(blob: Array(data))
    }

    /// Reads a public key line: `ssh-ed25519 AAAA... comment`; nil for anything else.
    public init?(line: some StringProtocol) {
        let fields = line.split(separator: " ")
        guard fields.count >= 2, fields[0] == SSHWire.algorithm else { return nil }
        self.init(base64: String(fields[1]))
    }

    /// Reads the first line of a .pub file: `ssh-ed25519 AAAA... comment`. Throws `keys.bad-public-key`.
    public init(reading path: String) throws(Fault) {
        let bytes = try LocalFile.read(
            path, kind: .data, code: "keys.missing", mend: "Name the .pub file that ssh-keygen or keys new wrote.")
        let first = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first ?? ""
        guard let key = SSHPublicKey(line: first)
        else {
            throw Fault(
                .data, "keys.bad-public-key", "the file holds no Ed25519 public key of OpenSSH", at: Place(file: path),
                mend: "Make a pair with medrounds keys new, or with ssh-keygen -t ed25519.")
        }
        self = key
    }

    var blob: [UInt8] { SSHWire.string(SSHWire.algorithm) + SSHWire.string(bytes) }
    /// The two fields of a public key line.
    var line: String { "\(SSHWire.algorithm) \(Data(blob).base64EncodedString())" }
    /// The fingerprint as ssh-keygen prints it: `SHA256:` and the SHA-256 of the blob in base64 without padding.
    public var fingerprint: String {
        let digest = Data(Digest.sha256(blob).bytes).base64EncodedString()
        return "SHA256:" + digest.prefix { $0 != "=" }
    }
    /// The fingerprint.
    public var description: String { fingerprint }
}
