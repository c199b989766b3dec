// Safetensors: reader and writer of the container format. Models and adapters give the tensors their meaning.

import Faults
import Federation

/// The safetensors format: a 64-bit header length, a JSON header, then the tensors' bytes without a gap.
public enum Safetensors {
    /// The element types of the format that are known here.
    public enum ElementType: String, Sendable, CaseIterable {
        case f64 = "F64"
        case f32 = "F32"
        case f16 = "F16"
        case bf16 = "BF16"
        case i64 = "I64"
        case i32 = "I32"
        case i16 = "I16"
        case i8 = "I8"
        case u64 = "U64"
        case u32 = "U32"
        case u16 = "U16"
        case u8 = "U8"
        case bool = "BOOL"

        /// Bytes for each element.
        public var bytes: Int {
            switch self {
            case .f64, .i64, .u64: 8
            case .f32, .i32, .u32: 4
            case .f16, .bf16, .i16, .u16: 2
            case .i8, .u8, .bool: 1
            }
        }
    }

    /// One tensor of a file, of any type.
    public struct Entry: Sendable {
        /// The name in the file.
        public let name: String
        /// Rows first.
        public let shape: [Int]
        /// The element type.
        public let type: ElementType
        /// The elements, little-endian and row-major, aligned for the type; valid while this entry lives.
        ///
        /// Unchecked because a raw pointer is not Sendable: the memory is never written after the storage is made.
        public nonisolated(unsafe) let bytes: UnsafeRawBufferPointer
        private let storage: Storage

        init(name: String, shape: [Int], type: ElementType, bytes: UnsafeRawBufferPointer, storage: Storage) {
            self.name = name
            self.shape = shape
            self.type = type
            let address = UInt(bitPattern: bytes.baseAddress)
            if address % UInt(type.bytes) == 0 {
                self.bytes = bytes
                self.storage = storage
            } else {
                let copy = Storage(count: bytes.count) { $0.copyMemory(from: bytes) }
                self.bytes = copy.bytes
                self.storage = copy
            }
        }

        /// The same tensor under another name.
        func renamed(_ name: String) -> Entry {
            Entry(name: name, shape: shape, type: type, bytes: bytes, storage: storage)
        }

        /// The values as float32; nil where the type is not F32, F16 or BF16.
        public var floats: [Float]? {
            withExtendedLifetime(storage) {
                switch type {
                case .f32: Array(bytes.bindMemory(to: Float.self))
                case .f16: bytes.bindMemory(to: UInt16.self).map { HalfPrecision.float(fromHalf: $0) }
                case .bf16: bytes.bindMemory(to: UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
                default: nil
                }
            }
        }

        /// The values of an F64 tensor; nil for any other type.
        public var doubles: [Double]? {
            withExtendedLifetime(storage) { type == .f64 ? Array(bytes.bindMemory(to: Double.self)) : nil }
        }

        /// The values of an I64 or I32 tensor; nil for any other type.
        public var integers: [Int64]? {
            withExtendedLifetime(storage) {
                switch type {
                case .i64: Array(bytes.bindMemory(to: Int64.self))
                case .i32: bytes.bindMemory(to: Int32.self).map { Int64($0) }
                default: nil
                }
            }
        }

        /// The tensor as model weights. Throws `model.unsupported-type` where it is not F32, F16 or BF16.
        func stored(_ path: String) throws(Fault) -> StoredTensor {
            let stored: StoredType
            switch type {
            case .f32: stored = .f32
            case .f16: stored = .f16
            case .bf16: stored = .bf16
            default: throw Fault.modelUnsupportedType(path, type.rawValue, tensor: name)
            }
            return StoredTensor(name: name, shape: shape, type: stored, bytes: bytes, storage: storage)
        }
    }

    /// The longest header that is read, in bytes: the limit of the format's own implementation.
    static let headerLimit = 100_000_000

    // MARK: Reading

    /// Reads a file by mapping it; entries are sorted by name. Throws `model.not-found` and similar, `model.truncated`, `model.malformed`,
    /// `model.unsupported-type`.
    public static func read(path: String) throws(Fault) -> [Entry] {
        try read(try Storage(mapping: path), path: path)
    }

    /// Reads bytes in memory; the path is for faults.
    public static func read(_ bytes: [UInt8], path: String) throws(Fault) -> [Entry] {
        guard !bytes.isEmpty else { throw Fault.modelEmpty(path) }
        return try read(Storage(copying: bytes), path: path)
    }

    static func read(_ storage: Storage, path: String) throws(Fault) -> [Entry] {
        defer { withExtendedLifetime(storage) {} }
        var reader = ByteReader(storage.bytes, path: path)
        if storage.bytes.starts(with: Array("GGUF".utf8)) {
            throw Fault.modelMalformed(path, "this is a GGUF file under the name of a safetensors file")
        }
        if storage.bytes.starts(with: [0x50, 0x4b, 3, 4]) {
            throw Fault.modelMalformed(path, "this is a file of PyTorch (zip) under the name of a safetensors file")
        }
        let length = try reader.integer(UInt64.self, "the header length")
        guard length <= UInt64(headerLimit) else {
            throw Fault.modelMalformed(path, "a header of \(length) bytes; at most \(headerLimit) are possible")
        }
        let range = try reader.take(length, "the header")
        let header = Array(storage.bytes[range])
        guard header.first == 0x7b else { throw Fault.modelMalformed(path, "the header is not a JSON object") }
        let json: JSONValue
        do {
            json = try JSONValue(parsing: header)
        } catch {
            throw Fault.modelMalformed(path, "the header is not JSON: \(error.what)")
        }
        guard let members = json.members else { throw Fault.modelMalformed(path, "the header is not a JSON object") }
        let data = UnsafeRawBufferPointer(rebasing: storage.bytes[range.upperBound...])
        var found: [(start: Int, entry: Entry)] = []
        for (name, value) in members {
            if name == "__metadata__" {
                guard let pairs = value.members, pairs.values.allSatisfy({ $0.text != nil }) else {
                    throw Fault.modelMalformed(path, "__metadata__ is not an object of strings")
                }
                continue
            }
            found.append(try entry(name, value, data: data, storage: storage, path: path))
        }
        // An empty tensor starts where the next one starts: the end decides the order, then the name.
        found.sort {
            ($0.start, $0.start + $0.entry.bytes.count, $0.entry.name)
                < ($1.start, $1.start + $1.entry.bytes.count, $1.entry.name)
        }
        var end = 0
        for (start, entry) in found {
            guard start == end else {
                throw Fault.modelMalformed(
                    path, "data starts at \(start), not at \(end): tensors overlap or leave a gap",
                    tensor: entry.name)
            }
            end = start + entry.bytes.count
        }
        guard end == data.count else {
            throw Fault.modelMalformed(path, "the tensors take \(end) bytes of \(data.count) bytes of data")
        }
        return found.map(\.entry).sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    private static func entry(
        _ name: String, _ value: JSONValue, data: UnsafeRawBufferPointer, storage: Storage, path: String
    ) throws(Fault) -> (start: Int, entry: Entry) {
        guard let dtype = value["dtype"]?.text, let dimensions = value["shape"]?.elements,
            let offsets = value["data_offsets"]?.elements, offsets.count == 2, let start = offsets[0].int,
            let end = offsets[1].int
        else { throw Fault.modelMalformed(path, "dtype, shape or data_offsets is missing or wrong", tensor: name) }
        guard let type = ElementType(rawValue: dtype) else {
            throw Fault.modelUnsupportedType(path, dtype, tensor: name)
        }
        guard dimensions.count <= 8 else {
            throw Fault.modelMalformed(path, "\(dimensions.count) dimensions; at most 8 are possible", tensor: name)
        }
        var shape: [Int] = []
        // A dimension of 0 must not hide others whose product does not fit an integer.
        var bound = type.bytes
        for dimension in dimensions {
            guard let size = dimension.int, size >= 0 else {
                throw Fault.modelMalformed(path, "a dimension is not a count", tensor: name)
            }
            let (product, overflow) = bound.multipliedReportingOverflow(by: max(size, 1))
            guard !overflow else { throw Fault.modelMalformed(path, "the shape is beyond 64 bits", tensor: name) }
            bound = product
            shape.append(size)
        }
        let bytes = shape.contains(0) ? 0 : bound
        guard start >= 0, start <= end else {
            throw Fault.modelMalformed(path, "data offsets \(start) to \(end)", tensor: name)
        }
        guard end <= data.count else {
            throw Fault.modelTruncated(path, "the data", needs: UInt64(end), has: data.count, tensor: name)
        }
        guard end - start == bytes else {
            throw Fault.modelMalformed(
                path, "\(end - start) bytes where shape \(shape) of \(dtype) takes \(bytes)", tensor: name)
        }
        let range = UnsafeRawBufferPointer(rebasing: data[start..<end])
        return (start, Entry(name: name, shape: shape, type: type, bytes: range, storage: storage))
    }

    // MARK: Writing

    /// A tensor to write.
    public struct Item: Sendable {
        /// The name in the file.
        public var name: String
        /// Rows first.
        public var shape: [Int]
        /// The element type.
        public var type: ElementType
        /// The elements, little-endian and row-major.
        public var bytes: [UInt8]

        /// Makes an item; the count of bytes must be that of the shape and type.
        public init(name: String, shape: [Int], type: ElementType, bytes: [UInt8]) {
            precondition(
                shape.reduce(type.bytes, *) == bytes.count, "\(name): \(bytes.count) bytes for shape \(shape)")
            self.name = name
            self.shape = shape
            self.type = type
            self.bytes = bytes
        }
    }

    /// The file's bytes: the same items always give the same bytes.
    ///
    /// Tensors are in the order of their names' UTF-8, the metadata is exactly PEFT's `{"format":"pt"}`, and the header is padded with
    /// spaces to 8 bytes: for tensors of one type these are the bytes that PEFT writes. Names must differ.
    public static func write(_ items: [Item]) -> [UInt8] {
        let sorted = items.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        for (first, second) in zip(sorted, sorted.dropFirst()) {
            precondition(first.name != second.name, "two tensors are called \(first.name)")
        }
        var out = header(sorted.map { (name: $0.name, shape: $0.shape, type: $0.type) })
        for item in sorted { out += item.bytes }
        return out
    }

    /// Writes a file tensor by tensor, so that only one is in memory; tensors are written in the given order, which must be that of their
    /// names' UTF-8, and `bytes` is called for each in turn. A reader sees either the old file or the new one. Throws `file.write` and what
    /// `bytes` throws.
    package static func write(
        _ items: [(name: String, shape: [Int], type: ElementType)], to path: String,
        bytes: (Int) throws(Fault) -> [UInt8]
    ) throws(Fault) {
        let output = try OutputFile(path)
        do {
            try output.append(header(items))
            for (index, item) in items.enumerated() {
                let bytes = try bytes(index)
                precondition(bytes.count == item.shape.reduce(item.type.bytes, *), "\(item.name): \(bytes.count) bytes")
                try output.append(bytes)
            }
            try output.finish()
        } catch {
            output.abandon()
            throw error
        }
    }

    /// The bytes before the tensors' own, for tensors in the order of their names' UTF-8.
    static func header(_ items: [(name: String, shape: [Int], type: ElementType)]) -> [UInt8] {
        var header = Array("{\"__metadata__\":{\"format\":\"pt\"}".utf8)
        var offset = 0
        for (name, shape, type) in items {
            let end = offset + shape.reduce(type.bytes, *)
            let dimensions = shape.map(String.init).joined(separator: ",")
            header += ",".utf8
            header += quoted(name)
            header +=
                ":{\"dtype\":\"\(type.rawValue)\",\"shape\":[\(dimensions)],\"data_offsets\":[\(offset),\(end)]}".utf8
            offset = end
        }
        header += "}".utf8
        while header.count % 8 != 0 { header.append(0x20) }
        return (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) } + header
    }

    /// The name as a JSON string.
    private static func quoted(_ name: String) -> [UInt8] {
        var line = JSONValue.string(name).canonical
        line.removeLast()
        return line
    }
}

/// The 16-bit number formats.
enum HalfPrecision {
    /// IEEE 754 binary16 to float32, exactly.
    static func float(fromHalf half: UInt16) -> Float {
        let sign = UInt32(half & 0x8000) << 16
        let exponent = UInt32(half >> 10) & 0x1f
        let fraction = UInt32(half & 0x3ff)
        switch exponent {
        case 0: return Float(bitPattern: sign | 0x3f80_0000) * (Float(fraction) * 0x1p-24)
        case 31: return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13)
        default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }

    /// float32 to bfloat16 by round to nearest even; NaN stays NaN.
    static func bfloat16(from value: Float) -> UInt16 {
        let bits = value.bitPattern
        if bits & 0x7fff_ffff > 0x7f80_0000 { return UInt16(bits >> 16) | 0x40 }
        return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
    }
}
