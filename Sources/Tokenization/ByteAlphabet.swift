// ByteAlphabet: the byte-level alphabet of GPT-2, in which every byte is a printable scalar.

/// The byte-level alphabet: printable Latin-1 characters are themselves, the other 68 bytes are U+0100 and up, in order.
enum ByteAlphabet {
    /// The scalar of each byte.
    static let scalars: [Unicode.Scalar] = {
        var next: UInt32 = 0x100
        return (UInt32(0)..<256).map { byte in
            let printable = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
            if !printable { next += 1 }
            guard let scalar = Unicode.Scalar(printable ? byte : next - 1) else {
                preconditionFailure("no scalar below U+0200 is a surrogate")
            }
            return scalar
        }
    }()

    /// The byte of each scalar below U+0180; nil for scalars outside the alphabet.
    private static let bytes: [UInt8?] = {
        var bytes = [UInt8?](repeating: nil, count: 0x180)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = UInt8(byte) }
        return bytes
    }()

    /// Appends the bytes of a token; false where it holds a scalar outside the alphabet.
    static func append(_ token: String, to out: inout [UInt8]) -> Bool {
        for scalar in token.unicodeScalars {
            guard scalar.value < 0x180, let byte = bytes[Int(scalar.value)] else { return false }
            out.append(byte)
        }
        return true
    }
}
