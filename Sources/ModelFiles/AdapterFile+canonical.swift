// The one form of an adapter's file: the header follows from names, shapes and precision, and the values stand behind it without gaps.

import Faults
import Federation

extension AdapterFile {
    /// The bytes of a file in front of its values: the header's length and the header, as `bytes(of:precision:)` writes them.
    package static func header(
        sizes: BackboneSizes, configuration: LoRAConfiguration, precision: UploadPrecision
    ) -> (bytes: [UInt8], valueCount: Int) {
        let expected = expected(sizes: sizes, configuration: configuration)
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        return (
            Safetensors.header(
                expected.map { (name: $0.name, shape: $0.shape, type: precision == .f32 ? .f32 : .bf16) }),
            expected.reduce(0) { $0 + $1.shape.reduce(1, *) }
        )
    }

    /// Whether a file has the header and the length that its tensors give at that precision, so that nothing else is in it. Values are not
    /// looked at: any bytes are some number.
    package static func isCanonical(
        _ bytes: [UInt8], sizes: BackboneSizes, configuration: LoRAConfiguration, precision: UploadPrecision
    ) -> Bool {
        let (header, count) = header(sizes: sizes, configuration: configuration, precision: precision)
        return bytes.count == header.count + count * precision.bytesPerNumber && bytes.starts(with: header)
    }
}
