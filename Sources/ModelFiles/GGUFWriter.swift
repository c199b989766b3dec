// GGUFWriter: whole GGUF files of version 3, tensor by tensor, so that no more than one tensor is in memory at a time.

import Faults
import Glibc

/// A setting to write.
enum GGUFSetting {
    case text(String)
    case u32(UInt32)
    case f32(Float)
}

/// A tensor to write; `bytes` is called once, in order.
struct GGUFItem {
    var name: String
    /// Rows first.
    var shape: [Int]
    /// The type's number in ggml.
    var type: UInt32
    /// How many bytes there are.
    var count: Int
    var bytes: () throws(Fault) -> [UInt8]
}

/// Writes GGUF files: the same settings and tensors always give the same bytes.
enum GGUFWriter {
    private static let alignment = 32

    /// The bytes of a key-value pair.
    static func pair(_ key: String, _ value: GGUFSetting) -> [UInt8] {
        var out = string(key)
        switch value {
        case .u32(let number): out += little(UInt32(4)) + little(number)
        case .f32(let number): out += little(UInt32(6)) + little(number.bitPattern)
        case .text(let text): out += little(UInt32(8)) + string(text)
        }
        return out
    }

    /// Writes a file in one step: a reader sees either the old file or the new one. `pairs` holds `pairCount` key-value pairs in the form
    /// that a file has. Throws `file.write` and what `bytes` throws.
    static func write(pairs: [UInt8], pairCount: Int, items: [GGUFItem], to path: String) throws(Fault) {
        var header = Array("GGUF".utf8) + little(UInt32(3)) + little(UInt64(items.count)) + little(UInt64(pairCount))
        header += pairs
        var offset = 0
        for item in items {
            header += string(item.name) + little(UInt32(item.shape.count))
            for dimension in item.shape.reversed() { header += little(UInt64(dimension)) }
            header += little(item.type) + little(UInt64(offset))
            offset += (item.count + alignment - 1) / alignment * alignment
        }
        pad(&header)
        let file = try OutputFile(path)
        do {
            try file.append(header)
            for item in items {
                var bytes = try item.bytes()
                precondition(bytes.count == item.count, "\(item.name): \(bytes.count) bytes of \(item.count)")
                pad(&bytes)
                try file.append(bytes)
            }
            try file.finish()
        } catch {
            file.abandon()
            throw error
        }
    }

    private static func pad(_ bytes: inout [UInt8]) {
        bytes += [UInt8](repeating: 0, count: (alignment - bytes.count % alignment) % alignment)
    }

    private static func string(_ text: String) -> [UInt8] { little(UInt64(text.utf8.count)) + text.utf8 }

    private static func little(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
}

/// A file that is renamed to its path when it is complete.
final class OutputFile {
    private let path: String
    private let temporary: String
    private var descriptor: Int32

    /// Opens a file beside the path. Throws `file.write`.
    init(_ path: String) throws(Fault) {
        self.path = path
        temporary = "\(path).partial-\(getpid())"
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Fault.fileWrite(path, "open", errno) }
    }

    /// Throws `file.write`.
    func append(_ bytes: [UInt8]) throws(Fault) {
        var done = 0
        while done < bytes.count {
            let step = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done) }
            if step < 0 && errno == EINTR { continue }
            guard step > 0 else { throw Fault.fileWrite(path, "write", errno) }
            done += step
        }
    }

    /// Puts the file in place. Throws `file.write`.
    func finish() throws(Fault) {
        guard fsync(descriptor) == 0 else { throw Fault.fileWrite(path, "fsync", errno) }
        let closed = close(descriptor)
        descriptor = -1
        guard closed == 0, rename(temporary, path) == 0 else { throw Fault.fileWrite(path, "rename", errno) }
    }

    /// Removes what was written.
    func abandon() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        unlink(temporary)
    }
}
