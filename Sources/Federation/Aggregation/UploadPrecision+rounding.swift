// What rounding to a published precision makes of a number.

extension Adapter {
    /// Every value as it comes back from a file of that precision.
    package func rounded(to precision: UploadPrecision) -> Adapter {
        Adapter(
            configuration: configuration,
            tensors: tensors.map {
                NamedTensor(name: $0.name, shape: $0.shape, values: $0.values.map(precision.rounded))
            })
    }
}

extension UploadPrecision {
    /// The float32 number as it comes back from a file of this precision: bfloat16 is rounded to nearest, ties to even.
    public func rounded(_ value: Float) -> Float {
        switch self {
        case .f32: return value
        case .bf16:
            guard value.isFinite else { return value }
            let bits = value.bitPattern
            return Float(bitPattern: (bits &+ 0x7fff &+ ((bits >> 16) & 1)) & 0xffff_0000)
        }
    }
}
