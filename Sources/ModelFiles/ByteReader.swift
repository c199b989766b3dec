// ByteReader: a cursor over untrusted little-endian bytes that never reads beyond their end.

import Faults

/// A cursor over untrusted little-endian bytes. The owner must keep the bytes alive while it is used.
struct ByteReader {
    /// The bytes that are read.
    let bytes: UnsafeRawBufferPointer
    /// The file's name for faults.
    let path: String
    /// The next byte to read; at most `bytes.count`.
    private(set) var offset = 0

    /// Starts at the first byte.
    init(_ bytes: UnsafeRawBufferPointer, path: String) {
        self.bytes = bytes
        self.path = path
    }

    /// Bytes not read yet.
    var remaining: Int { bytes.count - offset }

    /// The range of the next `count` bytes, which are skipped. Throws `model.truncated` where there are fewer.
    mutating func take(_ count: UInt64, _ what: String) throws(Fault) -> Range<Int> {
        guard count <= UInt64(remaining) else {
            let (end, overflow) = UInt64(offset).addingReportingOverflow(count)
            throw Fault.modelTruncated(path, what, needs: overflow ? .max : end, has: bytes.count)
        }
        let start = offset
        offset += Int(count)
        return start..<offset
    }

    /// A fixed-width integer. Throws `model.truncated`.
    mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type, _ what: String) throws(Fault) -> T {
        let range = try take(UInt64(MemoryLayout<T>.size), what)
        return T(littleEndian: bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: T.self))
    }

    /// UTF-8 text after its 64-bit length. Throws `model.truncated`, `model.malformed`.
    mutating func string(_ what: String) throws(Fault) -> String {
        let range = try take(try integer(UInt64.self, what), what)
        guard let text = String(validating: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self) else {
            throw Fault.modelMalformed(path, "\(what) at byte \(range.lowerBound) is not UTF-8")
        }
        return text
    }

    /// Skips a string without checking its text. Throws `model.truncated`.
    mutating func skipString(_ what: String) throws(Fault) {
        _ = try take(try integer(UInt64.self, what), what)
    }
}
