// Network: a model with one adapter and the memory to run it: forward for scoring and decoding, gradients for training.

import CKernels
import Faults
import Federation
import ModelFiles

/// What stays the same for all passes: the weights, the adapter's vector, tables and threads.
final class Network {
    let model: LanguageModel
    let workers: Workers
    let head: HeadWeights
    let layout: LoRALayout?
    let rank: Int
    /// The adapter's vector and, where it trains, its gradient; [layout.count] each.
    let parameters: UnsafeMutablePointer<Float>
    let gradient: UnsafeMutablePointer<Float>?
    let arena = Arena()
    private let rotary: RotaryTable
    private let positions: UnsafeMutablePointer<Int32>
    private let capacity: Int

    /// Memory for passes of at most `rows` rows at positions below `positionCount`.
    init(
        _ model: LanguageModel, adapter: Adapter?, configuration: LoRAConfiguration?, trains: Bool, rows: Int,
        positionCount: Int, threads: Int, arithmetic: Arithmetic = .ours
    ) throws(Fault) {
        guard (1...1024).contains(threads) else { throw .setting("threads", "\(threads)", range: "1...1024") }
        let shape = model.shape
        self.model = model
        capacity = rows
        rank = adapter == nil ? 0 : (configuration ?? adapter?.configuration)?.rank ?? 0
        let openBLAS =
            arithmetic == .ours
            ? nil : try OpenBLAS(shape, rank: max(0, min(rank, 2048)), rows: rows, positions: positionCount)
        workers = try Workers(
            count: threads, headDimension: shape.headDimension, width: shape.widestRow, openBLAS: openBLAS)
        head = HeadWeights(
            weight: model.head, norm: model.finalNorm, epsilon: shape.rmsEpsilon, numerics: model.numerics)
        rotary = try RotaryTable(shape: shape, count: positionCount)
        positions = try arena.zeroed([rows], of: Int32.self)
        if let adapter {
            let layout = try LoRALayout(configuration ?? adapter.configuration, shape: shape)
            if trains { try layout.requireMemory() }
            parameters = try arena.floats(layout.count)
            gradient = trains ? try arena.floats(layout.count) : nil
            try layout.read(adapter, into: parameters)
            self.layout = layout
        } else {
            layout = nil
            parameters = try arena.floats(0)
            gradient = nil
        }
    }

    /// The maps of every layer; a nil argument means no dropout.
    func layers(
        dropout: ((_ layer: Int, _ map: LinearMap) -> AdaptedMap.Dropout?)? = nil
    ) -> [LayerMaps] {
        let shape = model.shape
        var adapted = model.layers.map { $0.maps.map { AdaptedMap(weight: $0, low: nil) } }
        for entry in layout?.entries ?? [] {
            guard let configuration = layout?.configuration else { break }
            adapted[entry.layer][entry.map.place].low = AdaptedMap.LowRank(
                rank: rank, scale: Float(configuration.scale), a: parameters + entry.a, b: parameters + entry.b,
                da: gradient.map { $0 + entry.a }, db: gradient.map { $0 + entry.b },
                dropout: dropout?(entry.layer, entry.map))
        }
        return zip(model.layers, adapted).enumerated().map { index, pair in
            let (layer, maps) = pair
            return LayerMaps(
                maps: maps, inputNorm: layer.inputNorm, postAttentionNorm: layer.postAttentionNorm,
                epsilon: shape.rmsEpsilon, options: layer.options,
                attention: AttentionShape(
                    heads: shape.headCount, keyValueHeads: shape.keyValueHeadCount, D: shape.headDimension,
                    window: shape.window(ofLayer: index)))
        }
    }

    /// Scratch for fast numerics; nil in exact numerics.
    func halves(rows: Int, trains: Bool) throws(Fault) -> Halves? {
        model.numerics == .exact ? nil : try Halves(model.shape, rank: rank, rows: rows, trains: trains, arena: arena)
    }

    /// Writes the embeddings of the tokens to x [T, H] and returns the rows' description.
    func begin(_ x: UnsafeMutablePointer<Float>, tokens: [Int32], segments: [Segment]) -> PassRows {
        precondition(tokens.count <= capacity, "\(tokens.count) rows in a network for \(capacity)")
        let H = model.shape.hiddenSize
        withUnsafePointer(to: model.embedding) { embedding in
            for (row, token) in tokens.enumerated() { kernel_matrix_row(x + row * H, embedding, Int(token)) }
        }
        for segment in segments {
            for (place, row) in segment.rows.enumerated() { positions[row] = Int32(segment.position + place) }
        }
        return PassRows(
            T: tokens.count, positions: positions, segments: segments, cosine: rotary.cosine, sine: rotary.sine)
    }
}

/// Forward passes that keep nothing.
final class Inference {
    let network: Network
    private let layers: [LayerMaps]
    private let saved: LayerActivations
    private let scratch: LayerScratch

    /// For passes of at most `rows` rows. Faults: engine.memory.
    init(_ network: Network, rows: Int) throws(Fault) {
        let shape = network.model.shape
        self.network = network
        saved = try LayerActivations(shape, rank: network.rank, rows: rows, arena: network.arena)
        layers = network.layers()
        scratch = try LayerScratch(
            shape, rows: rows, halves: network.halves(rows: rows, trains: false), arena: network.arena)
    }

    /// The last layer's output [T, H], valid until the next pass.
    func run(_ tokens: [Int32], _ segments: [Segment]) -> UnsafePointer<Float> {
        let rows = network.begin(saved.x, tokens: tokens, segments: segments)
        for layer in layers {
            DecoderLayer.forward(
                saved.x, layer: layer, saved: saved, scratch: scratch, rows: rows, workers: network.workers)
        }
        return UnsafePointer(saved.x)
    }
}

/// Loss and gradient of one batch.
final class Differentiation {
    let network: Network
    private let saved: [LayerActivations]  // with checkpointing, all layers share one set, but each has its own input
    private let checkpointing: Bool
    /// Per layer and map one bit for each element of [T, in]; empty without dropout.
    private let masks: [[UnsafeMutablePointer<UInt16>]]
    private let last: UnsafeMutablePointer<Float>  // [T, H]
    private let dx: UnsafeMutablePointer<Float>  // [T, H]
    private let scratch: LayerScratch
    private let gradients: GradientScratch
    private let head: HeadScratch

    /// With `checkpointing`, layers keep only their inputs and run again before their backward pass: the bits are the same. Faults:
    /// engine.memory.
    init(_ network: Network, rows: Int, checkpointing: Bool = false) throws(Fault) {
        let shape = network.model.shape
        let arena = network.arena
        self.network = network
        self.checkpointing = checkpointing
        if checkpointing {
            let one = try LayerActivations(shape, rank: network.rank, rows: rows, arena: arena)
            saved = try (0..<shape.layerCount).map { (_) throws(Fault) in
                var activations = one
                activations.x = try arena.floats(rows, shape.hiddenSize)
                return activations
            }
        } else {
            saved = try (0..<shape.layerCount).map { (_) throws(Fault) in
                try LayerActivations(shape, rank: network.rank, rows: rows, arena: arena)
            }
        }
        func masksOfALayer() throws(Fault) -> [UnsafeMutablePointer<UInt16>] {
            try LinearMap.allCases.map { (map) throws(Fault) in
                try AdaptedMap.Dropout.mask(rows: rows, inputs: shape.inputs(of: map), arena: arena)
            }
        }
        if (network.layout?.configuration.dropout ?? 0) == 0 {
            masks = []
        } else if checkpointing {
            masks = Array(repeating: try masksOfALayer(), count: shape.layerCount)
        } else {
            masks = try (0..<shape.layerCount).map { (_) throws(Fault) in try masksOfALayer() }
        }
        last = try arena.floats(rows, shape.hiddenSize)
        dx = try arena.floats(rows, shape.hiddenSize)
        scratch = try LayerScratch(
            shape, rows: rows, halves: network.halves(rows: rows, trains: true), arena: arena)
        gradients = try GradientScratch(
            shape, rank: network.rank, rows: rows, numerics: network.model.numerics, arena: arena)
        head = try HeadScratch(network.head, limit: rows, arena: arena)
    }

    /// The mean cross-entropy over the labels of the batch; sets network.gradient to its gradient.
    func run(_ packing: Packing, dropout: ((_ layer: Int, _ map: LinearMap) -> kernel_random)?) -> Double {
        let network = network
        let workers = network.workers
        let H = network.model.shape.hiddenSize
        let probability = Float(network.layout?.configuration.dropout ?? 0)
        let layers = network.layers { layer, map in
            guard let random = dropout?(layer, map), !self.masks.isEmpty else { return nil }
            return AdaptedMap.Dropout(
                probability: probability, random: random, mask: self.masks[layer][map.place])
        }
        let rows = network.begin(saved[0].x, tokens: packing.tokens, segments: packing.segments)
        for (index, layer) in layers.enumerated() {
            DecoderLayer.forward(
                index + 1 < saved.count ? saved[index + 1].x : last, layer: layer, saved: saved[index],
                scratch: scratch, rows: rows, workers: workers)
        }
        dx.update(repeating: 0, count: rows.T * H)
        if let gradient = network.gradient, let count = network.layout?.count {
            let block = 1 << 18
            workers.run((count + block - 1) / block) { task, _ in
                (gradient + task * block).update(repeating: 0, count: min(block, count - task * block))
            }
        }
        let losses = Head.lossesAndGradient(
            dx, x: last, labels: packing.labels, labelCount: packing.labelCount, head: network.head, scratch: head,
            workers: workers)
        for index in layers.indices.reversed() {
            if checkpointing, index + 1 < layers.count {
                DecoderLayer.forward(
                    last, layer: layers[index], saved: saved[index], scratch: scratch, rows: rows, workers: workers)
            }
            DecoderLayer.backward(
                dx, needsInput: index > 0, layer: layers[index], saved: saved[index], scratch: scratch,
                gradients: gradients, rows: rows, groups: packing.groups, workers: workers)
        }
        var sum = 0.0
        for (label, loss) in zip(packing.labels, losses) { sum += Double(loss) * Double(label.records.count) }
        return sum / Double(packing.labelCount)
    }
}
