// A matrix in any stored type with random contents, and its values by the plainest possible reading.

import CKernels

struct StoredMatrix {
    static let types = [KERNEL_F32, KERNEL_F16, KERNEL_BF16, KERNEL_Q4_0, KERNEL_Q4_1, KERNEL_Q8_0]

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
            default:
                for _ in 0..<columns / 32 {
                    bytes += Self.bytes(Float16(numbers.float() * 0.1).bitPattern)
                    if type == KERNEL_Q4_1 { bytes += Self.bytes(Float16(numbers.float()).bitPattern) }
                    for _ in 0..<(type == KERNEL_Q8_0 ? 32 : 16) {
                        bytes.append(UInt8(truncatingIfNeeded: numbers.word()))
                    }
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
        default:
            let at = start + block * 34
            return Float(Float16(bitPattern: half(at))) * Float(Int8(bitPattern: bytes[at + 2 + i]))
        }
    }

    /// All values, row-major.
    func values() -> [Float] { (0..<rows).flatMap { row in (0..<columns).map { value(row, $0) } } }
}
