// SHA-256 and HMAC-SHA-256 over swift-crypto. Digests is the only target that links it, so that a clean build waits for it only once.

import Crypto
import Federation

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Federation.Digest {
    /// The SHA-256 of the bytes.
    public static func sha256(_ bytes: [UInt8]) -> Federation.Digest {
        bytes.withUnsafeBytes { sha256($0) }
    }

    /// The SHA-256 of a region of memory, for mapped files.
    public static func sha256(_ bytes: UnsafeRawBufferPointer) -> Federation.Digest {
        var hasher = SHA256()
        hasher.update(bufferPointer: bytes)
        return finished(hasher)
    }

    /// The SHA-256 of the text's UTF-8.
    public static func sha256(_ text: String) -> Federation.Digest { sha256(Array(text.utf8)) }

    /// HMAC-SHA-256 of the bytes under the key (RFC 2104), for dataset commitments.
    public static func hmac(_ bytes: [UInt8], key: [UInt8]) -> Federation.Digest {
        let code = HMAC<SHA256>.authenticationCode(for: bytes, using: SymmetricKey(data: key))
        guard let digest = Federation.Digest(bytes: code) else { preconditionFailure("HMAC-SHA-256 has 32 bytes") }
        return digest
    }

    fileprivate static func finished(_ hasher: SHA256) -> Federation.Digest {
        guard let digest = Federation.Digest(bytes: hasher.finalize()) else {
            preconditionFailure("SHA-256 has 32 bytes")
        }
        return digest
    }
}

/// An incremental SHA-256, for data that does not fit in memory at once.
public struct DigestBuilder: Sendable {
    private var hasher = SHA256()

    /// Starts with nothing hashed.
    public init() {}

    /// Adds bytes.
    public mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { hasher.update(bufferPointer: $0) } }
    /// Adds the UTF-8 of a text.
    public mutating func update(_ text: String) { update(Array(text.utf8)) }
    /// The digest of everything added so far.
    public func digest() -> Federation.Digest { Federation.Digest.finished(hasher) }
}
