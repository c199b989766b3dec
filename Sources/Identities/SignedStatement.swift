// SignedStatement: a statement in a DSSE envelope (Dead Simple Signing Envelope, version 1.0.2), signed with an Ed25519 key of OpenSSH.
// The signature is a plain Ed25519 one over the envelope's own encoding (PAE), so that other programs check it without OpenSSH.

import Digests
import Faults
import Federation
import Foundation

/// A payload with the key that signed it.
public struct SignedStatement: Sendable, Equatable {
    /// What an in-toto statement calls itself in an envelope.
    public static let inToto = "application/vnd.in-toto+json"

    /// The type of the payload.
    public let type: String
    /// The payload.
    public let payload: [UInt8]
    /// The fingerprint of the signing key, as ssh-keygen prints it; a hint, not a proof.
    public let keyID: String
    /// The 64 bytes of the signature.
    public let signature: [UInt8]

    /// Signs a payload. Throws `keys.not-signed` and `keys.agent`.
    public init(_ payload: [UInt8], type: String = Self.inToto, by key: SSHSigner) throws(Fault) {
        let signature = try key.signature(of: Self.encoding(payload, type: type))
        self.type = type
        self.payload = payload
        self.keyID = key.publicKey.fingerprint
        self.signature = signature
    }

    /// Reads an envelope of one signature; nil for anything else.
    public init?(envelope bytes: [UInt8]) {
        guard let json = try? JSONValue(parsing: bytes, at: Place(file: "envelope")),
            let type = json["payloadType"]?.text, let payload = Self.bytes(json["payload"]),
            let signatures = json["signatures"]?.elements, signatures.count == 1,
            let signature = Self.bytes(signatures[0]["sig"]), signature.count == 64
        else { return nil }
        self.type = type
        self.payload = payload
        self.keyID = signatures[0]["keyid"]?.text ?? ""
        self.signature = signature
    }

    private static func bytes(_ json: JSONValue?) -> [UInt8]? {
        json?.text.flatMap { Data(base64Encoded: $0) }.map { Array($0) }
    }

    /// The envelope as one line of JSON, which is a file of type `.intoto.jsonl`. Nothing in it needs to be escaped.
    public var envelope: [UInt8] {
        func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
        return Array(
            (#"{"payloadType":"\#(type)","payload":"\#(base64(payload))","#
                + #""signatures":[{"keyid":"\#(keyID)","sig":"\#(base64(signature))"}]}"# + "\n").utf8)
    }

    /// Whether the signature is that of the payload by the key.
    public func isSigned(by key: SSHPublicKey) -> Bool {
        SigningKey.accepts(signature, of: Self.encoding(payload, type: type), by: key.bytes)
    }

    /// What is signed, the pre-authentication encoding: `DSSEv1`, then type and payload, each after its length in bytes.
    package static func encoding(_ payload: [UInt8], type: String) -> [UInt8] {
        Array("DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8) + payload
    }
}

extension SSHPublicKey {
    /// The key as other programs read it: SubjectPublicKeyInfo (RFC 8410) in PEM.
    public var pem: String {
        // SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes }
        let header: [UInt8] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]
        return "-----BEGIN PUBLIC KEY-----\n\(Data(header + bytes).base64EncodedString())\n-----END PUBLIC KEY-----\n"
    }
}
