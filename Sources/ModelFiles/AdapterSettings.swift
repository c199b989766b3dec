// AdapterSettings: adapter_config.json with a rank and a scale for each map, and how such an adapter is turned into one with a single rank
// and a single scale without changing what it computes.

import Faults
import Federation

/// What adapter_config.json says about each map.
struct AdapterSettings {
    /// The rank where no pattern gives another one.
    let rank: Int
    /// The file's own alpha, where no pattern gives another one.
    let alpha: Double
    let dropout: Double
    /// Whether the scale is alpha / sqrt(rank) (Kalajdzievski 2023).
    let isRankStabilised: Bool
    /// The maps that the file says are adapted.
    let targets: AdapterTargets
    private var ranks: [String: Int] = [:]
    private var alphas: [String: Double] = [:]

    /// The largest alpha that is accepted: far larger than any useful one, and its products stay finite.
    private static let alphaLimit = 1e9

    /// Reads the bytes of adapter_config.json; the path is for faults. Throws `adapter.configuration`.
    init(_ bytes: [UInt8], path: String) throws(Fault) {
        let json: JSONValue
        do {
            json = try JSONValue(parsing: bytes, limits: JSONLimits(allowsNonFinite: true))
        } catch {
            throw Fault.adapterConfiguration(path, "the file is not JSON: \(error.what)")
        }
        guard let members = json.members else {
            throw Fault.adapterConfiguration(path, "the file is not a JSON object")
        }
        guard let type = json["peft_type"]?.text else {
            throw Fault.adapterConfiguration(path, "peft_type is missing or not text")
        }
        guard type == "LORA" else { throw Fault.adapterBeyondLoRA(path, "peft_type is \(Fault.shown(type))") }
        try PEFTSettings.check(members, path)
        guard let rank = json["r"]?.int, (1...2048).contains(rank) else {
            throw Fault.adapterConfiguration(path, "r is missing or not between 1 and 2048")
        }
        guard let alpha = json["lora_alpha"]?.double, alpha > 0, alpha <= Self.alphaLimit else {
            throw Fault.adapterConfiguration(path, "lora_alpha is missing or not between 0 and 1e9")
        }
        let given = json["lora_dropout"] ?? .null
        guard let dropout = given == .null ? 0 : given.double, dropout >= 0, dropout < 1 else {
            throw Fault.adapterConfiguration(path, "lora_dropout is not at least 0 and below 1")
        }
        switch json["use_rslora"] ?? .null {
        case .null, false: isRankStabilised = false
        case true: isRankStabilised = true
        default: throw Fault.adapterConfiguration(path, "use_rslora is neither true nor false")
        }
        self.rank = rank
        self.alpha = alpha
        self.dropout = dropout
        targets = try AdapterTargets(json, path)
        try readPatterns(json, path)
    }

    private var hasPatterns: Bool { !ranks.isEmpty || !alphas.isEmpty }

    /// Reads `rank_pattern` and `alpha_pattern`, whose keys are module names or their ends.
    private mutating func readPatterns(_ json: JSONValue, _ path: String) throws(Fault) {
        for key in ["rank_pattern", "alpha_pattern"] {
            let pattern = json[key] ?? .null
            guard let entries = pattern == .null ? [:] : pattern.members else {
                throw Fault.adapterConfiguration(path, "\(key) is not an object")
            }
            for (name, value) in entries {
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
                    guard let alpha = value.double, alpha > 0, alpha <= Self.alphaLimit else {
                        throw Fault.adapterConfiguration(path, "an alpha of alpha_pattern is not between 0 and 1e9")
                    }
                    alphas[name] = alpha
                }
            }
        }
    }

    /// The one entry whose key is the module's name or the end of it. Throws where several match and differ: PEFT takes the first one in
    /// the file, but JSON objects have no order.
    private func entry<T: Equatable>(_ entries: [String: T], _ module: String, _ path: String) throws(Fault) -> T? {
        let found = entries.filter { module == $0.key || module.hasSuffix("." + $0.key) }.map(\.value)
        guard let first = found.first, found.allSatisfy({ $0 == first }) else {
            if found.isEmpty { return nil }
            throw Fault.adapterConfiguration(path, "several patterns name \(module)")
        }
        return first
    }

    /// The rank of a map and its scale, alpha / rank or alpha / sqrt(rank).
    private func rankAndScale(layer: Int, map: LinearMap, _ path: String) throws(Fault) -> (rank: Int, scale: Double) {
        let module = AdapterTargets.module(layer: layer, map: map)
        let rank = try entry(ranks, module, path) ?? rank
        let alpha = try entry(alphas, module, path) ?? alpha
        return (rank, isRankStabilised ? alpha / Double(rank).squareRoot() : alpha / Double(rank))
    }

    /// A map of a layer for which the file has tensors.
    private struct Place: Hashable {
        let layer: Int
        let map: LinearMap
    }

    /// The adapter of these tensors for a model of those sizes, with one rank (the largest) and one scale.
    ///
    /// A is filled with rows of zeros, B with columns of zeros, and B takes the ratio of the scales; a map that is adapted only in some
    /// layers gets zeros in the others. The result computes what the file's adapter computes, with the same bits where the ratio is a power
    /// of two. Where nothing needs to be filled, the tensors are unchanged. Throws `adapter.configuration` where tensors and settings
    /// disagree, and as `AdapterFile.read`.
    func adapter(_ entries: [Safetensors.Entry], sizes: BackboneSizes, path: String) throws(Fault) -> Adapter {
        var known: [String: (place: Place, matrix: Adapter.Matrix)] = [:]
        for layer in 0..<sizes.layers {
            for map in LinearMap.allCases {
                for matrix in Adapter.Matrix.allCases {
                    known[Adapter.tensorName(layer: layer, map: map, matrix: matrix)] = (
                        Place(layer: layer, map: map), matrix
                    )
                }
            }
        }
        var found: [Place: (rank: Int, scale: Double)] = [:]
        for entry in entries {
            guard let (place, _) = known[entry.name] else { throw Fault.adapterUnknownTensor(path, entry.name) }
            if found[place] == nil { found[place] = try rankAndScale(layer: place.layer, map: place.map, path) }
        }
        guard !found.isEmpty else { throw Fault.adapterConfiguration(path, "the file holds no tensor") }
        let maps = LinearMap.allCases.filter { map in found.keys.contains { $0.map == map } }
        var isWhole = true
        for layer in 0..<sizes.layers {
            for map in LinearMap.allCases {
                let has = found[Place(layer: layer, map: map)] != nil
                if !has, maps.contains(map) { isWhole = false }
                switch targets.wants(layer: layer, map: map) {
                case true? where !has:
                    throw Fault.adapterMissingTensor(path, Adapter.tensorName(layer: layer, map: map, matrix: .a))
                case false? where has:
                    throw Fault.adapterConfiguration(
                        path,
                        "the file has tensors of \(AdapterTargets.module(layer: layer, map: map)), which target_modules, exclude_modules and layers_to_transform leave out"
                    )
                default: break
                }
            }
        }
        let largest = found.values.map(\.rank).max() ?? rank
        let scale = found.values.map(\.scale).max() ?? 1
        // Alpha as in the file, if there is only one rank and one scale: a quotient times the rank could give another number.
        let isOne = isWhole && !hasPatterns
        let one = LoRAConfiguration(
            rank: largest,
            alpha: isOne ? (isRankStabilised ? alpha * Double(rank).squareRoot() : alpha) : scale * Double(largest),
            dropout: dropout, targets: maps)
        if isOne { return try AdapterFile.adapter(entries, sizes: sizes, configuration: one, path: path) }
        var tensors: [NamedTensor] = []
        for entry in entries {
            guard let (place, matrix) = known[entry.name], let own = found[place] else { continue }
            tensors.append(try filled(entry, matrix, place, own, to: one, sizes: sizes, path: path))
        }
        for layer in 0..<sizes.layers {
            for map in maps where found[Place(layer: layer, map: map)] == nil {
                let (out, into) = sizes.shape(of: map)
                for (matrix, shape) in [(Adapter.Matrix.a, [largest, into]), (.b, [out, largest])] {
                    tensors.append(
                        NamedTensor(
                            name: Adapter.tensorName(layer: layer, map: map, matrix: matrix), shape: shape,
                            values: [Float](repeating: 0, count: shape[0] * shape[1])))
                }
            }
        }
        return try AdapterFile.adapter(tensors, sizes: sizes, configuration: one, path: path)
    }

    /// A tensor with the file's rank and scale, filled and scaled to those of the whole adapter.
    private func filled(
        _ entry: Safetensors.Entry, _ matrix: Adapter.Matrix, _ place: Place, _ own: (rank: Int, scale: Double),
        to one: LoRAConfiguration, sizes: BackboneSizes, path: String
    ) throws(Fault) -> NamedTensor {
        let (out, into) = sizes.shape(of: place.map)
        let expected = matrix == .a ? [own.rank, into] : [out, own.rank]
        guard entry.shape.count == 2, entry.shape[matrix == .a ? 0 : 1] == own.rank else {
            throw Fault.adapterConfiguration(path, "the shape of \(Fault.shown(entry.name)) is not of rank \(own.rank)")
        }
        guard entry.shape == expected else {
            throw Fault.adapterShape(path, entry.name, found: entry.shape, expected: expected)
        }
        guard let values = entry.floats else {
            throw Fault.modelUnsupportedType(path, entry.type.rawValue, tensor: entry.name)
        }
        if matrix == .a {
            let fill = [Float](repeating: 0, count: (one.rank - own.rank) * into)
            return NamedTensor(name: entry.name, shape: [one.rank, into], values: values + fill)
        }
        let ratio = own.scale / one.scale
        var wide = [Float](repeating: 0, count: out * one.rank)
        for row in 0..<out {
            for column in 0..<own.rank {
                wide[row * one.rank + column] = Float(Double(values[row * own.rank + column]) * ratio)
            }
        }
        return NamedTensor(name: entry.name, shape: [out, one.rank], values: wide)
    }
}
