// A matrix in any stored type with random contents, and its values by the plainest possible reading.

import CKernels

struct StoredMatrix {
    static let types = [KERNEL_F32, KERNEL_F16, KERNEL_BF16, KERNEL_Q4_0, KERNEL_Q4_1, KERNEL_Q8_0] + rich
    /// Quantised types whose blocks hold more than a scale and nibbles.
    static let rich = [KERNEL_Q5_0, KERNEL_Q5_1, KERNEL_Q4_K, KERNEL_Q5_K, KERNEL_Q6_K, KERNEL_NF4, KERNEL_NF4_DOUBLE]

    /// Elements and bytes of a rich block.
    static func block(_ type: kernel_type) -> (elements: Int, bytes: Int) {
        switch type {
        case KERNEL_Q5_0: (32, 22)
        case KERNEL_Q5_1: (32, 24)
        case KERNEL_Q4_K: (256, 144)
        case KERNEL_Q5_K: (256, 176)
        case KERNEL_Q6_K: (256, 210)
        default: (64, 36)
        }
    }

    let type: kernel_type
    let rows: Int
    let columns: Int
    let rowBytes: Int
    let bytes: [UInt8]

    static func isQuantised(_ type: kernel_type) -> Bool { type.rawValue >= KERNEL_Q4_0.rawValue }

    /// `columns` is a multiple of 32 where the type is quantised; `padding` bytes stand between rows.
    init(_ type: kernel_type, rows: Int, columns: Int, padding: Int = 0, numbers: inout Numbers) {
        self.type = type
        self.rows = rows
        self.columns = columns
        var bytes: [UInt8] = []
        var rowBytes = 0
        for _ in 0..<rows {
            let start = bytes.count
            switch type {
            case KERNEL_F32: for _ in 0..<columns { bytes += Self.bytes(numbers.float().bitPattern) }
            case KERNEL_F16: for _ in 0..<columns { bytes += Self.bytes(Float16(numbers.float()).bitPattern) }
            case KERNEL_BF16:
                for _ in 0..<columns {
                    bytes += Self.bytes(UInt16(truncatingIfNeeded: numbers.float().bitPattern >> 16))
                }
            case KERNEL_Q4_0, KERNEL_Q4_1, KERNEL_Q8_0:
                for _ in 0..<columns / 32 {
                    bytes += Self.bytes(Float16(numbers.float() * 0.1).bitPattern)
                    if type == KERNEL_Q4_1 { bytes += Self.bytes(Float16(numbers.float()).bitPattern) }
                    for _ in 0..<(type == KERNEL_Q8_0 ? 32 : 16) {
                        bytes.append(UInt8(truncatingIfNeeded: numbers.word()))
                    }
                }
            case KERNEL_NF4_DOUBLE:
                let blocks = (columns + 63) / 64
                let groups = (blocks + 254) / 256 + 1
                bytes += Self.bytes(numbers.float().bitPattern)
                bytes += Self.bytes(UInt16(numbers.word() % 256)) + Self.bytes(UInt16(groups))
                for _ in 0..<groups { bytes += Self.bytes(numbers.float().bitPattern) }
                for _ in 0..<33 * blocks { bytes.append(UInt8(truncatingIfNeeded: numbers.word())) }
            default:
                let (elements, size) = Self.block(type)
                for _ in 0..<(columns + elements - 1) / elements {
                    var block = (0..<size).map { _ in UInt8(truncatingIfNeeded: numbers.word()) }
                    let scale = Float16(numbers.float() * 0.05)
                    if type == KERNEL_Q6_K {
                        block.replaceSubrange(208..<210, with: Self.bytes(scale.bitPattern))
                    } else if type == KERNEL_NF4 {
                        block.replaceSubrange(0..<4, with: Self.bytes(numbers.float().bitPattern))
                    } else {
                        block.replaceSubrange(0..<2, with: Self.bytes(scale.bitPattern))
                        if type != KERNEL_Q5_0 {
                            block.replaceSubrange(2..<4, with: Self.bytes(Float16(numbers.float() * 0.1).bitPattern))
                        }
                    }
                    bytes += block
                }
            }
            rowBytes = bytes.count - start + padding
            bytes += [UInt8](repeating: 0xff, count: padding)
        }
        self.rowBytes = rowBytes
        self.bytes = bytes
    }

    private static func bytes(_ word: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: word.littleEndian) { Array($0) }
    }

    func withMatrix<Result>(_ body: (UnsafePointer<kernel_matrix>) -> Result) -> Result {
        bytes.withUnsafeBytes { raw in
            var matrix = kernel_matrix(
                data: raw.baseAddress, rows: rows, columns: columns, row_bytes: rowBytes, type: Int32(type.rawValue))
            return body(&matrix)
        }
    }

    private func half(_ at: Int) -> UInt16 { UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8 }

    /// One element, read by the layout in the header alone.
    func value(_ row: Int, _ column: Int) -> Float {
        let start = row * rowBytes
        let (block, i) = (column / 32, column % 32)
        func nibble(_ at: Int) -> UInt8 { i < 16 ? bytes[at + i] & 15 : bytes[at + i - 16] >> 4 }
        switch type {
        case KERNEL_F32:
            let at = start + column * 4
            return Float(bitPattern: UInt32(half(at)) | UInt32(half(at + 2)) << 16)
        case KERNEL_F16: return Float(Float16(bitPattern: half(start + column * 2)))
        case KERNEL_BF16: return Float(bitPattern: UInt32(half(start + column * 2)) << 16)
        case KERNEL_Q4_0:
            let at = start + block * 18
            return Float(Float16(bitPattern: half(at))) * Float(Int(nibble(at + 2)) - 8)
        case KERNEL_Q4_1:
            let at = start + block * 20
            let product = Float(Float16(bitPattern: half(at))) * Float(nibble(at + 4))
            return product + Float(Float16(bitPattern: half(at + 2)))
        case KERNEL_Q8_0:
            let at = start + block * 34
            return Float(Float16(bitPattern: half(at))) * Float(Int8(bitPattern: bytes[at + 2 + i]))
        case KERNEL_NF4_DOUBLE:
            func float(_ at: Int) -> Float { Float(bitPattern: UInt32(half(at)) | UInt32(half(at + 2)) << 16) }
            let (block, i) = (column / 64, column % 64)
            let scale = float(start + 8 + 4 * ((Int(half(start + 4)) + block) / 256))
            let at = start + 8 + 4 * Int(half(start + 6)) + 33 * block
            let product = kernel_nf4_second_code(Int32(bytes[at])) * scale
            let pair = Int(bytes[at + 1 + i / 2])
            return (product + float(start)) * Self.codes[i % 2 == 0 ? pair >> 4 : pair & 15]
        default: return richValue(start, column)
        }
    }

    private func richValue(_ start: Int, _ column: Int) -> Float {
        let (elements, size) = Self.block(type)
        let at = start + column / elements * size
        let i = column % elements
        func float(_ place: Int) -> Float { Float(Float16(bitPattern: half(at + place))) }
        func byte(_ place: Int) -> Int { Int(bytes[at + place]) }
        switch type {
        case KERNEL_Q5_0, KERNEL_Q5_1:
            let head = type == KERNEL_Q5_0 ? 2 : 4
            let low = i < 16 ? byte(head + 4 + i) & 15 : byte(head + 4 + i - 16) >> 4
            let q = low | ((byte(head + i / 8) >> (i % 8)) & 1) << 4
            return type == KERNEL_Q5_0 ? float(0) * Float(q - 16) : float(0) * Float(q) + float(2)
        case KERNEL_Q6_K:
            let (half, quarter, l) = (i / 128, i % 128 / 32, i % 32)
            let low = byte(half * 64 + quarter % 2 * 32 + l) >> (quarter / 2 * 4) & 15
            let high = byte(128 + half * 32 + l) >> (quarter * 2) & 3
            return float(208) * Float(Int8(bitPattern: bytes[at + 192 + i / 16])) * Float((low | high << 4) - 32)
        case KERNEL_NF4:
            let bits = UInt32(half(at)) | UInt32(half(at + 2)) << 16
            let code = i % 2 == 0 ? byte(4 + i / 2) >> 4 : byte(4 + i / 2) & 15
            return Float(bitPattern: bits) * Self.codes[code]
        default:
            let j = i / 32
            let scale = j < 4 ? byte(4 + j) & 63 : byte(8 + j) & 15 | (byte(j) >> 6) << 4
            let minimum = j < 4 ? byte(8 + j) & 63 : byte(8 + j) >> 4 | (byte(4 + j) >> 6) << 4
            var q = byte((type == KERNEL_Q5_K ? 48 : 16) + j / 2 * 32 + i % 32) >> (j % 2 * 4) & 15
            if type == KERNEL_Q5_K { q |= ((byte(16 + i % 32) >> j) & 1) << 4 }
            return float(0) * Float(scale) * Float(q) - float(2) * Float(minimum)
        }
    }

    /// QLoRA's NF4 code book.
    static let codes: [Float] = [
        -1, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.091050036, 0, 0.0795803, 0.1609302,
        0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1,
    ]

    /// All values, row-major.
    func values() -> [Float] { (0..<rows).flatMap { row in (0..<columns).map { value(row, $0) } } }
}
