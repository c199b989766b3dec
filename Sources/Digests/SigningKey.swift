// SigningKey: Ed25519 (RFC 8032) and SHA-512 over swift-crypto. Identities holds the SSH formats around them.

import Crypto

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// An Ed25519 private key.
public struct SigningKey: Sendable {
    private let key: Curve25519.Signing.PrivateKey

    /// Makes a new key from the system's random numbers, so that nobody can guess it.
    public init() { key = Curve25519.Signing.PrivateKey() }

    /// Takes the 32 bytes of a stored key; nil for any other count.
    public init?(seed: [UInt8]) {
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) else { return nil }
        self.key = key
    }

    /// The 32 bytes to store.
    public var seed: [UInt8] { Array(key.rawRepresentation) }
    /// The 32 bytes of the public key.
    public var publicKey: [UInt8] { Array(key.publicKey.rawRepresentation) }

    /// The 64 bytes of a signature; nil where the crypto library refuses.
    public func signature(of message: [UInt8]) -> [UInt8]? {
        (try? key.signature(for: message)).map { Array($0) }
    }

    /// Whether 64 bytes are the signature that the owner of a public key made of a message.
    public static func accepts(_ signature: [UInt8], of message: [UInt8], by publicKey: [UInt8]) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey) else { return false }
        return key.isValidSignature(signature, for: message)
    }

    /// The 64 bytes of the message's SHA-512; SSH signatures cover this digest, not the message itself.
    public static func sha512(_ message: [UInt8]) -> [UInt8] { Array(SHA512.hash(data: message)) }
}
