// StoredTensor: a tensor as its file stores it, including quantised blocks. The kernels turn it into float32.

/// The number formats of stored tensors; the raw values are those of `kernel_type` in CKernels.h.
public enum StoredType: Int32, Sendable, CaseIterable {
    case f32 = 0
    case f16 = 1
    case bf16 = 2
    /// Blocks of 32: float16 scale, 16 bytes of nibbles.
    case q4_0 = 3
    /// Blocks of 32: float16 scale, float16 minimum, 16 bytes of nibbles.
    case q4_1 = 4
    /// Blocks of 32: float16 scale, 32 signed bytes.
    case q8_0 = 5
    /// Blocks of 32: float16 scale, 32 fifth bits, 16 bytes of nibbles.
    case q5_0 = 6
    /// Blocks of 32: float16 scale, float16 minimum, 32 fifth bits, 16 bytes of nibbles.
    case q5_1 = 7
    /// Super-blocks of 256: float16 scale and minimum, 12 bytes of 6-bit scales and minima, 128 bytes of nibbles.
    case q4_k = 8
    /// Super-blocks of 256: as Q4_K with 32 bytes of fifth bits before the nibbles.
    case q5_k = 9
    /// Super-blocks of 256: 128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 signed scales, float16 scale.
    case q6_k = 10
    /// Blocks of 64: float32 absmax, 32 bytes of NF4 codes, the high nibble first (QLoRA).
    case nf4 = 11

    /// Elements in a block, along a row.
    public var blockElements: Int {
        switch self {
        case .f32, .f16, .bf16: 1
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: 32
        case .nf4: 64
        case .q4_k, .q5_k, .q6_k: 256
        }
    }

    /// Bytes in a block.
    public var blockBytes: Int {
        switch self {
        case .f32: 4
        case .f16, .bf16: 2
        case .q4_0: 18
        case .q4_1: 20
        case .q8_0: 34
        case .q5_0: 22
        case .q5_1: 24
        case .q4_k: 144
        case .q5_k: 176
        case .q6_k: 210
        case .nf4: 36
        }
    }

    /// Bytes of a row of that many elements; nil where the row is not a whole number of blocks or the count overflows.
    public func rowBytes(_ elements: Int) -> Int? {
        guard elements >= 0, elements % blockElements == 0 else { return nil }
        let (bytes, overflow) = (elements / blockElements).multipliedReportingOverflow(by: blockBytes)
        return overflow ? nil : bytes
    }

    /// Bytes of a tensor of that shape, whose last dimension runs along a row; nil where a row is not a whole number of blocks, a dimension
    /// is negative or the count overflows.
    public func byteCount(shape: [Int]) -> Int? {
        guard var bytes = rowBytes(shape.last ?? 1) else { return nil }
        for dimension in shape.dropLast() {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: dimension)
            guard dimension >= 0, !overflow else { return nil }
            bytes = product
        }
        return bytes
    }
}

/// A tensor as its file stores it.
public struct StoredTensor: Sendable {
    /// The name; Hugging Face names in a `ModelFile`.
    public let name: String
    /// Rows first, as in PyTorch: [out, in].
    public let shape: [Int]
    /// The number format.
    public let type: StoredType
    /// The stored bytes, row-major, aligned for the type; valid while this tensor or its file lives.
    ///
    /// Unchecked because a raw pointer is not Sendable: the memory is never written after the storage is made.
    public nonisolated(unsafe) let bytes: UnsafeRawBufferPointer
    /// What keeps `bytes` in memory.
    let storage: Storage

    /// The number of bytes must be that of the shape and type, and the bytes must be in the storage.
    init(name: String, shape: [Int], type: StoredType, bytes: UnsafeRawBufferPointer, storage: Storage) {
        precondition(type.byteCount(shape: shape) == bytes.count, "\(name): \(bytes.count) bytes for shape \(shape)")
        self.name = name
        self.shape = shape
        self.type = type
        self.bytes = bytes
        self.storage = storage
    }

    /// Bytes between the starts of two rows.
    public var rowBytes: Int { type.rowBytes(shape.last ?? 1) ?? 0 }

    /// The same bytes under another name.
    func renamed(_ name: String) -> StoredTensor {
        StoredTensor(name: name, shape: shape, type: type, bytes: bytes, storage: storage)
    }
}
