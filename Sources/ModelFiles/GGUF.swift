// GGUF: the container format of ggml, versions 2 and 3. The llama reader gives the settings and tensors their meaning.

import Faults

/// One setting of a GGUF file.
enum GGUFValue: Sendable, Equatable {
    case integer(Int64)
    /// An unsigned 64-bit value beyond Int64.
    case huge(UInt64)
    case number(Double)
    case bool(Bool)
    case text(String)
    /// `count` elements of that type code from byte `start` of the file; their extent is checked, but their text is not.
    case array(type: UInt32, count: Int, start: Int)
}

/// One entry of the tensor table. Dimensions are reversed, so that rows come first.
struct GGUFTensor: Sendable {
    var name: String
    var shape: [Int]
    /// The type's number in ggml.
    var type: UInt32
    /// Where the bytes start in the file.
    var start: Int
    /// How many bytes there are.
    var count: Int
    /// The same type as this program reads it.
    var stored: StoredType
    /// The file that holds the bytes.
    var storage: Storage

    /// The bytes; valid while `storage` lives.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage.bytes[start..<start + count]) }
}

/// A GGUF file in which every count, length and offset was checked.
struct GGUF: Sendable {
    /// The file's bytes.
    let storage: Storage
    /// The path for faults.
    let path: String
    /// The settings by key.
    private(set) var settings: [String: GGUFValue] = [:]
    /// The tensors in the order of the file.
    var tensors: [GGUFTensor] = []
    /// Where each setting is in the file, in the file's order.
    private(set) var settingRanges: [(key: String, bytes: Range<Int>)] = []

    /// Reads the header. Throws `model.unknown-format`, `model.unsupported-version`, `model.truncated`, `model.malformed`,
    /// `model.unsupported-type`.
    init(_ storage: Storage, path: String) throws(Fault) {
        self.storage = storage
        self.path = path
        defer { withExtendedLifetime(storage) {} }
        var reader = ByteReader(storage.bytes, path: path)
        guard storage.bytes.count >= 4, storage.bytes[0..<4].elementsEqual("GGUF".utf8) else {
            throw Fault.modelUnknownFormat(path, storage.bytes)
        }
        _ = try reader.take(4, "the magic number")
        let version = try reader.integer(UInt32.self, "the version")
        guard (2...3).contains(version) else { throw Fault.modelUnsupportedVersion(path, version) }
        let tensorCount = try reader.integer(UInt64.self, "the tensor count")
        let settingCount = try reader.integer(UInt64.self, "the setting count")
        // The shortest setting takes 13 bytes and the shortest tensor entry 32: a larger count cannot be true.
        guard settingCount <= UInt64(reader.remaining / 13) else {
            throw Fault.modelMalformed(path, "\(settingCount) settings do not fit in \(reader.remaining) bytes")
        }
        guard tensorCount <= UInt64(reader.remaining / 32) else {
            throw Fault.modelMalformed(path, "\(tensorCount) tensors do not fit in \(reader.remaining) bytes")
        }
        for index in 0..<settingCount {
            let start = reader.offset
            let key = try reader.string("the key of setting \(index)")
            let type = try reader.integer(UInt32.self, "the type of setting \(index)")
            let value = try Self.value(&reader, type: type, key: key)
            guard settings.updateValue(value, forKey: key) == nil else {
                throw Fault.modelMalformed(path, "setting \(Fault.shown(key)) occurs twice")
            }
            settingRanges.append((key, start..<reader.offset))
        }
        try readTensors(&reader, count: tensorCount)
    }

    // MARK: Settings

    private static func width(_ type: UInt32) -> Int? {
        switch type {
        case 0, 1, 7: 1
        case 2, 3: 2
        case 4, 5, 6: 4
        case 10, 11, 12: 8
        default: nil
        }
    }

    private static func value(_ reader: inout ByteReader, type: UInt32, key: String) throws(Fault) -> GGUFValue {
        let what = "setting \(Fault.shown(key))"
        switch type {
        case 0: return .integer(Int64(try reader.integer(UInt8.self, what)))
        case 1: return .integer(Int64(try reader.integer(Int8.self, what)))
        case 2: return .integer(Int64(try reader.integer(UInt16.self, what)))
        case 3: return .integer(Int64(try reader.integer(Int16.self, what)))
        case 4: return .integer(Int64(try reader.integer(UInt32.self, what)))
        case 5: return .integer(Int64(try reader.integer(Int32.self, what)))
        case 6: return .number(Double(Float(bitPattern: try reader.integer(UInt32.self, what))))
        case 7:
            let byte = try reader.integer(UInt8.self, what)
            guard byte <= 1 else {
                throw Fault.modelMalformed(reader.path, "\(what) is the truth value \(byte), not 0 or 1")
            }
            return .bool(byte == 1)
        case 8: return .text(try reader.string(what))
        case 9: return try array(&reader, what: what)
        case 10:
            let value = try reader.integer(UInt64.self, what)
            return Int64(exactly: value).map { .integer($0) } ?? .huge(value)
        case 11: return .integer(try reader.integer(Int64.self, what))
        case 12: return .number(Double(bitPattern: try reader.integer(UInt64.self, what)))
        default: throw Fault.modelMalformed(reader.path, "\(what) has the unknown type \(type)")
        }
    }

    private static func array(_ reader: inout ByteReader, what: String) throws(Fault) -> GGUFValue {
        let type = try reader.integer(UInt32.self, what)
        let count = try reader.integer(UInt64.self, what)
        guard count <= UInt64(reader.remaining) else {
            throw Fault.modelMalformed(reader.path, "\(what) counts \(count) elements in \(reader.remaining) bytes")
        }
        let start = reader.offset
        if type == 8 {
            for _ in 0..<count { try reader.skipString(what) }
        } else {
            guard let width = width(type) else {
                throw Fault.modelMalformed(reader.path, "\(what) is an array of the unknown or nested type \(type)")
            }
            // count is at most the file's size, so that the product cannot overflow.
            _ = try reader.take(count * UInt64(width), what)
        }
        return .array(type: type, count: Int(count), start: start)
    }

    /// The strings of an array setting; nil where it is absent. Throws `model.missing-setting` for another type and
    /// `model.malformed` for text that is not UTF-8.
    func strings(_ key: String) throws(Fault) -> [String]? {
        guard let value = settings[key] else { return nil }
        guard case .array(let type, let count, let start) = value, type == 8 else {
            throw Fault.modelMissingSetting(path, key)
        }
        defer { withExtendedLifetime(storage) {} }
        var reader = ByteReader(storage.bytes, path: path)
        _ = try reader.take(UInt64(start), key)
        var strings: [String] = []
        strings.reserveCapacity(count)
        for _ in 0..<count { strings.append(try reader.string(key)) }
        return strings
    }

    /// The 32-bit integers of an array setting; nil where it is absent. Throws `model.missing-setting` for another type.
    func integers(_ key: String) throws(Fault) -> [Int32]? {
        guard let value = settings[key] else { return nil }
        guard case .array(let type, let count, let start) = value, type == 4 || type == 5 else {
            throw Fault.modelMissingSetting(path, key)
        }
        return withExtendedLifetime(storage) {
            (0..<count).map {
                Int32(littleEndian: storage.bytes.loadUnaligned(fromByteOffset: start + 4 * $0, as: Int32.self))
            }
        }
    }

    // MARK: Tensors

    private mutating func readTensors(_ reader: inout ByteReader, count: UInt64) throws(Fault) {
        var alignment = 32
        if let value = settings["general.alignment"] {
            guard case .integer(let wanted) = value, (8...65536).contains(wanted), wanted & (wanted - 1) == 0 else {
                throw Fault.modelSettingRange(path, "general.alignment", "\(value)", "a power of two from 8 to 65536")
            }
            alignment = Int(wanted)
        }
        var offsets: [UInt64] = []
        var names: Set<String> = []
        for index in 0..<count {
            let name = try reader.string("the name of tensor \(index)")
            guard names.insert(name).inserted else {
                throw Fault.modelMalformed(path, "the tensor occurs twice", tensor: name)
            }
            let dimensionCount = try reader.integer(UInt32.self, "the dimension count of tensor \(index)")
            guard (1...4).contains(dimensionCount) else {
                throw Fault.modelMalformed(path, "\(dimensionCount) dimensions; 1 to 4 are possible", tensor: name)
            }
            var shape: [Int] = []
            for _ in 0..<dimensionCount {
                let dimension = try reader.integer(UInt64.self, "a dimension of tensor \(index)")
                guard dimension >= 1, let size = Int(exactly: dimension) else {
                    throw Fault.modelMalformed(path, "a dimension of \(dimension)", tensor: name)
                }
                shape.insert(size, at: 0)
            }
            let type = try reader.integer(UInt32.self, "the type of tensor \(index)")
            guard let stored = Self.storedType(type) else {
                throw Fault.modelUnsupportedType(path, Self.typeName(type), tensor: name)
            }
            guard let bytes = stored.byteCount(shape: shape) else {
                throw Fault.modelMalformed(
                    path, "shape \(shape) is no whole number of \(stored) blocks, or is beyond 64 bits", tensor: name)
            }
            offsets.append(try reader.integer(UInt64.self, "the offset of tensor \(index)"))
            tensors.append(
                GGUFTensor(
                    name: name, shape: shape, type: type, start: 0, count: bytes, stored: stored, storage: storage))
        }
        try place(offsets, dataStart: (reader.offset + alignment - 1) / alignment * alignment, alignment: alignment)
    }

    /// Turns offsets into ranges of the file: aligned, inside the file and without overlap.
    private mutating func place(_ offsets: [UInt64], dataStart: Int, alignment: Int) throws(Fault) {
        for (index, offset) in offsets.enumerated() {
            let name = tensors[index].name
            guard offset % UInt64(alignment) == 0 else {
                throw Fault.modelMalformed(path, "offset \(offset) is not a multiple of \(alignment)", tensor: name)
            }
            let (start, overflow) = offset.addingReportingOverflow(UInt64(dataStart))
            let (end, overflow2) = start.addingReportingOverflow(UInt64(tensors[index].count))
            guard !overflow, !overflow2, end <= UInt64(storage.bytes.count) else {
                throw Fault.modelTruncated(
                    path, "the tensor", needs: overflow || overflow2 ? .max : end, has: storage.bytes.count,
                    tensor: name)
            }
            tensors[index].start = Int(start)
        }
        let order = tensors.indices.sorted { (tensors[$0].start, $0) < (tensors[$1].start, $1) }
        for (first, second) in zip(order, order.dropFirst())
        where tensors[first].start + tensors[first].count > tensors[second].start {
            throw Fault.modelMalformed(
                path, "the tensor overlaps \(Fault.shown(tensors[first].name))", tensor: tensors[second].name)
        }
    }

    private static func storedType(_ type: UInt32) -> StoredType? {
        switch type {
        case 0: .f32
        case 1: .f16
        case 2: .q4_0
        case 3: .q4_1
        case 6: .q5_0
        case 7: .q5_1
        case 8: .q8_0
        case 12: .q4_k
        case 13: .q5_k
        case 14: .q6_k
        case 30: .bf16
        default: nil
        }
    }

    private static func typeName(_ type: UInt32) -> String {
        let names: [UInt32: String] = [
            9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K",
            16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S",
            23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0",
            39: "MXFP4",
        ]
        return names[type] ?? "number \(type)"
    }
}
