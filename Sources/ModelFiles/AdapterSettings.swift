// AdapterSettings: adapter_config.json with one rank and one scale a map, and how such an adapter becomes one of a single rank
// and a single scale without changing what it computes.

import Faults
import Federation

/// What adapter_config.json says of each map.
struct AdapterSettings {
    /// Rank, alpha, dropout and targets where no pattern says otherwise; alpha is that of plain LoRA's alpha / rank.
    var configuration: LoRAConfiguration
    /// Whether the file's scale is alpha / sqrt(rank) (Kalajdzievski 2023).
    var isRankStabilised: Bool
    /// The file's own alpha.
    var alpha: Double
    var ranks: [String: Int] = [:]
    var alphas: [String: Double] = [:]

    var hasPatterns: Bool { !ranks.isEmpty || !alphas.isEmpty }

    /// Reads `rank_pattern` and `alpha_pattern`, whose keys are module names or their ends. Throws `adapter.configuration`.
    mutating func readPatterns(_ json: JSONValue, _ path: String) throws(Fault) {
        for key in ["rank_pattern", "alpha_pattern"] {
            for (name, value) in json[key]?.members ?? [:] {
                let plain = name.utf8.allSatisfy {
                    (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0)
                        || $0 == 0x5f || $0 == 0x2e
                }
                guard plain, !name.isEmpty else {
                    throw Fault.adapterConfiguration(
                        path, "\(key) has the expression \(Fault.shown(name)); module names are supported")
                }
                if key == "rank_pattern" {
                    guard let rank = value.int, (1...2048).contains(rank) else {
                        throw Fault.adapterConfiguration(path, "a rank of rank_pattern is not between 1 and 2048")
                    }
                    ranks[name] = rank
                } else {
                    guard let alpha = value.double, alpha > 0, alpha.isFinite else {
                        throw Fault.adapterConfiguration(path, "an alpha of alpha_pattern is not positive")
                    }
                    alphas[name] = alpha
                }
            }
        }
    }

    /// The one entry whose key is the module's name or its end. Throws where several are and differ: PEFT takes the first of
    /// the file, and JSON objects have no order.
    private func entry<T: Equatable>(_ entries: [String: T], _ module: String, _ path: String) throws(Fault) -> T? {
        let found = entries.filter { module == $0.key || module.hasSuffix("." + $0.key) }.map(\.value)
        guard let first = found.first, found.allSatisfy({ $0 == first }) else {
            if found.isEmpty { return nil }
            throw Fault.adapterConfiguration(path, "several patterns name \(module)")
        }
        return first
    }

    /// The rank of a map and its scale, alpha / rank or alpha / sqrt(rank).
    func rankAndScale(layer: Int, map: LinearMap, _ path: String) throws(Fault) -> (rank: Int, scale: Double) {
        let module = "model.layers.\(layer).\(map.block).\(map.rawValue)"
        let rank = try entry(ranks, module, path) ?? configuration.rank
        let alpha = try entry(alphas, module, path) ?? alpha
        return (rank, isRankStabilised ? alpha / Double(rank).squareRoot() : alpha / Double(rank))
    }

    /// An adapter of one rank, the largest, and one scale: rows of zeros fill A, columns of zeros B, and B takes the ratio of
    /// the scales. It computes what the file's adapter does; where the ratio is a power of two, with the same bits.
    /// Throws as `AdapterFile.read`.
    func unified(_ entries: [Safetensors.Entry], sizes: BackboneSizes, path: String) throws(Fault) -> Adapter {
        var places: [String: (rank: Int, scale: Double, isA: Bool)] = [:]
        var largest = 1
        for layer in 0..<sizes.layers {
            for map in configuration.targets {
                let (rank, scale) = try rankAndScale(layer: layer, map: map, path)
                largest = max(largest, rank)
                for matrix in Adapter.Matrix.allCases {
                    places[Adapter.tensorName(layer: layer, map: map, matrix: matrix)] = (rank, scale, matrix == .a)
                }
            }
        }
        var one = configuration
        one.rank = largest
        one.alpha = (places.values.map(\.scale).max() ?? 1) * Double(largest)
        var tensors: [NamedTensor] = []
        for entry in entries {
            guard let place = places[entry.name] else { throw Fault.adapterUnknownTensor(path, entry.name) }
            guard entry.shape.count == 2, entry.shape[place.isA ? 0 : 1] == place.rank else {
                throw Fault.adapterConfiguration(
                    path, "the shape of \(Fault.shown(entry.name)) is not of rank \(place.rank)")
            }
            guard let values = entry.floats else {
                throw Fault.modelUnsupportedType(path, entry.type.rawValue, tensor: entry.name)
            }
            let (rows, columns) = (entry.shape[0], entry.shape[1])
            if place.isA {
                let fill = [Float](repeating: 0, count: (largest - rows) * columns)
                tensors.append(NamedTensor(name: entry.name, shape: [largest, columns], values: values + fill))
            } else {
                let ratio = place.scale / one.scale
                var wide = [Float](repeating: 0, count: rows * largest)
                for row in 0..<rows {
                    for column in 0..<columns {
                        wide[row * largest + column] = Float(Double(values[row * columns + column]) * ratio)
                    }
                }
                tensors.append(NamedTensor(name: entry.name, shape: [rows, largest], values: wide))
            }
        }
        return try AdapterFile.adapter(tensors, sizes: sizes, configuration: one, path: path)
    }
}
