// The adapter that a run begins with, from the seed alone, so that it can be checked where no engine is: A uniform within 1 / sqrt(in) of
// zero, B zero, as PEFT makes it (Kaiming with a = sqrt 5).

extension Adapter {
    /// A of one map: element i is -bound + (word i >> 8) 2^-24 (2 bound) in float32, from the stream (layer, map) of purpose `initialAdapter`.
    package static func initialA(layer: Int, map: LinearMap, rank: Int, inputs: Int, seed: UInt64) -> [Float] {
        let bound = Float(1 / Double(inputs).squareRoot())
        let place = LinearMap.allCases.firstIndex(of: map) ?? 0
        let width = bound - -bound
        return RandomStream(seed: seed, purpose: .initialAdapter, stream: (layer, place)).words(rank * inputs).map {
            let unit = Float($0 >> 8) * 0x1p-24
            return -bound + unit * width
        }
    }

    /// The initial adapter of a model of those sizes, rounded to a precision; `.f32` leaves it as it is.
    package static func initial(
        sizes: BackboneSizes, configuration: LoRAConfiguration, seed: UInt64, precision: UploadPrecision
    ) -> Adapter {
        var tensors: [NamedTensor] = []
        for layer in 0..<sizes.layers {
            for map in LinearMap.allCases where configuration.targets.contains(map) {
                let shape = sizes.shape(of: map)
                let a = initialA(layer: layer, map: map, rank: configuration.rank, inputs: shape.in, seed: seed)
                tensors.append(
                    NamedTensor(
                        name: tensorName(layer: layer, map: map, matrix: .a), shape: [configuration.rank, shape.in],
                        values: a.map(precision.rounded)))
                tensors.append(
                    NamedTensor(
                        name: tensorName(layer: layer, map: map, matrix: .b), shape: [shape.out, configuration.rank],
                        values: [Float](repeating: 0, count: shape.out * configuration.rank)))
            }
        }
        return Adapter(configuration: configuration, tensors: tensors)
    }
}
