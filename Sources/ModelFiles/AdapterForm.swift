// AdapterForm: the only form that an adapter's file may have at a precision. The header follows from names, shapes and precision, and the
// values follow it without gaps, so that the file can hold nothing else.

import Faults
import Federation

/// The form of the adapter files of one model, configuration and precision; made once and compared with many files.
public struct AdapterForm: Sendable {
    /// The tensors in the order of the file: A [rank, in], B [out, rank], sorted by the bytes of their names.
    public let tensors: [(name: String, shape: [Int])]
    /// The configuration of these adapters: rank, scale and targets.
    public let configuration: LoRAConfiguration
    /// How each number is written.
    public let precision: UploadPrecision
    /// How many numbers a file holds.
    public let valueCount: Int
    /// Where the values of each tensor begin among all values.
    private let places: [Int]
    /// The factor that the files do not hold.
    public let frozen: Adapter.Matrix?
    /// The bytes in front of the values: the header's length and the header, as `AdapterFile.bytes(of:precision:)` writes them.
    let header: [UInt8]

    /// The form of whole adapters, or of uploads without the factor that a round leaves as it is.
    public init(
        sizes: BackboneSizes, configuration: LoRAConfiguration, without frozen: Adapter.Matrix? = nil,
        precision: UploadPrecision
    ) {
        self.frozen = frozen
        tensors = AdapterFile.expected(sizes: sizes, configuration: configuration, without: frozen)
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        self.configuration = configuration
        self.precision = precision
        var next = 0
        places = tensors.map { tensor in
            defer { next += tensor.shape.reduce(1, *) }
            return next
        }
        valueCount = tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
        header = Safetensors.header(
            tensors.map { (name: $0.name, shape: $0.shape, type: precision == .f32 ? .f32 : .bf16) })
    }

    /// How many bytes a file has.
    public var byteCount: Int { header.count + valueCount * precision.bytesPerNumber }

    /// Whether a file has this form: header and length. Values are not checked: any bytes are some number.
    public func holds(_ bytes: [UInt8]) -> Bool {
        bytes.count == byteCount && bytes.starts(with: header)
    }

    /// The adapter in a file that has this form, as float32; nil for any other file, whose faults `AdapterFile.read` gives. The path is for
    /// faults.
    ///
    /// Throws `adapter.not-finite`.
    public func read(_ bytes: [UInt8], path: String) throws(Fault) -> Adapter? {
        guard holds(bytes) else { return nil }
        var read: [NamedTensor] = []
        read.reserveCapacity(tensors.count)
        for (index, (name, shape)) in tensors.enumerated() {
            let values = values(of: index, in: bytes)
            try AdapterFile.checkFinite(values, name, path)
            read.append(NamedTensor(name: name, shape: shape, values: values))
        }
        return Adapter(configuration: configuration, tensors: read)
    }

    /// The values of one tensor of a file that has this form.
    public func values(of tensor: Int, in bytes: [UInt8]) -> [Float] {
        let count = tensors[tensor].shape.reduce(1, *)
        let offset = header.count + places[tensor] * precision.bytesPerNumber
        return bytes.withUnsafeBytes { whole -> [Float] in
            let own = UnsafeRawBufferPointer(rebasing: whole[offset..<(offset + count * precision.bytesPerNumber)])
            return switch precision {
            case .f32: (0..<count).map { own.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
            case .bf16:
                (0..<count).map {
                    Float(bitPattern: UInt32(own.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)) << 16)
                }
            }
        }
    }
}
