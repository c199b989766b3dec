// CachedPass: forward passes of few rows over a packed key-value cache, for decoding. The bits are those of DecoderLayer and Head; only the
// memory layout of weights, keys and scratch differs. The whole pass is one parallel section.

import CKernels
import Faults
import Federation
import ModelFiles

/// Rows of a pass that continue one slot of the cache: they attend to the shared prefix, the slot's stored keys and, causally,
/// to one another.
struct CachedSegment {
    /// The rows of the pass.
    var rows: Range<Int>
    /// The slot; nil where the rows belong to the prefix itself.
    var slot: Int?
    /// How many own keys there were before this pass: of the slot after the prefix, or of the prefix.
    var stored: Int
}

/// Sizes of the cache.
struct CacheSizes {
    /// Keys that all slots share; every slot's attention sees all of them before its own.
    var shared: Int
    /// How many keys the prefix has room for, at least `shared`; the keys after the shared ones are copied to the slots.
    var prefix: Int
    /// The number of slots, and how many keys each has room for.
    var slots: Int
    var slotKeys: Int
    /// The fewest keys of a slot that its prompt fills.
    var shortestSlot: Int
}

final class CachedPass {
    /// The largest logit of a row.
    struct Best: BitwiseCopyable {
        var token: Int32
        var logit: Float
    }

    /// Columns of the head that a task takes.
    private static let headColumns = 768
    /// Steps of a layer, in the order they run.
    private enum Step: Int, CaseIterable {
        case normAndDown, queriesKeysValues, attention, attentionDown, output, postNormAndDown, gateAndUp, productDown,
            down
    }
    private typealias Floats = UnsafeMutablePointer<Float>

    let sizes: CacheSizes
    private let network: Network
    private let shape: ModelShape
    private let attention: AttentionShape
    private let layers: [LayerMaps]
    private let weights: GroupedWeights
    private let adapters: [GroupedAdapter?]
    private let headRowCapacity: Int
    private let headParts: [Range<Int>]
    private let inputParts: [(map: LinearMap, columns: Range<Int>)]
    private let hiddenParts: [Range<Int>]
    private let wideParts: [Range<Int>]
    private let x: Floats  // [T, H]
    private let normed: Floats  // [T, H]
    private let q: Floats  // [T, Q]
    private let k: Floats  // [T, KV]
    private let v: Floats  // [T, KV]
    private let attended: Floats  // [T, Q]
    private let gate: Floats  // [T, F], then silu(gate) * up
    private let up: Floats  // [T, F]
    private let u: Floats  // [T, 3 r at most]
    private let inverseRMS: Floats  // [T]
    private let headX: Floats  // [R, H]
    private let headNormed: Floats  // [R, H]
    private let logits: [Floats]  // per worker [R, headColumns]
    private let candidates: UnsafeMutablePointer<Best>  // [head parts, R]
    private let scratches: [UnsafeMutableRawPointer]  // per worker
    private let headInverses: [Floats]  // per worker [query heads of a key-value head]
    private let prefixCache: [Floats]  // per layer [key-value heads, prefix]
    private let slotCache: [Floats]  // per layer [slots, key-value heads, slotKeys]
    private let prefixFloats: Int
    private let slotFloats: Int

    /// Memory for passes of `rows` rows, of which `headRows` go through the head.
    init(_ network: Network, rows: Int, headRows: Int, sizes: CacheSizes) throws(Fault) {
        let shape = network.model.shape
        let arena = network.arena
        let workers = network.workers
        self.network = network
        self.shape = shape
        self.sizes = sizes
        layers = network.layers()
        weights = try network.model.grouped.of(network.model, workers: workers)
        adapters = try layers.map { (layer) throws(Fault) in
            network.layout == nil ? nil : try GroupedAdapter(layer, arena: arena)
        }
        attention = AttentionShape(
            heads: shape.headCount, keyValueHeads: shape.keyValueHeadCount, D: shape.headDimension)
        let parts = workers.count == 1 ? 1 : 4 * workers.count
        func columns(_ width: Int, _ parts: Int) -> [Range<Int>] { Workers.ranges(width, parts: parts, unit: 64) }
        let inputWidth = attention.Q + 2 * attention.KV
        inputParts = [LinearMap.q, .k, .v].flatMap { map -> [(LinearMap, Range<Int>)] in
            let width = shape.outputs(of: map)
            return columns(width, max(1, parts * width / inputWidth)).map { (map, $0) }
        }
        hiddenParts = columns(shape.hiddenSize, parts)
        wideParts = columns(shape.feedForwardSize, parts)
        headParts = stride(from: 0, to: shape.vocabularySize, by: Self.headColumns).map {
            $0..<min(shape.vocabularySize, $0 + Self.headColumns)
        }
        headRowCapacity = headRows
        x = try arena.floats(rows, shape.hiddenSize)
        normed = try arena.floats(rows, shape.hiddenSize)
        q = try arena.floats(rows, attention.Q)
        k = try arena.floats(rows, attention.KV)
        v = try arena.floats(rows, attention.KV)
        attended = try arena.floats(rows, attention.Q)
        gate = try arena.floats(rows, shape.feedForwardSize)
        up = try arena.floats(rows, shape.feedForwardSize)
        u = try arena.floats(rows, 3, network.rank)
        inverseRMS = try arena.floats(rows)
        headX = try arena.floats(headRows, shape.hiddenSize)
        headNormed = try arena.floats(headRows, shape.hiddenSize)
        logits = try (0..<workers.count).map { (_) throws(Fault) in try arena.floats(headRows, Self.headColumns) }
        candidates = try arena.zeroed([headParts.count, headRows], of: Best.self)
        let scratchBytes = kernel_cached_attention_scratch_bytes(shape.headDimension)
        scratches = try (0..<workers.count).map { (_) throws(Fault) in try arena.bytes(scratchBytes) }
        let headsPerKey = shape.headCount / shape.keyValueHeadCount
        headInverses = try (0..<workers.count).map { (_) throws(Fault) in try arena.floats(headsPerKey) }
        let prefixFloats = kernel_cache_floats(sizes.prefix, shape.headDimension)
        let slotFloats = kernel_cache_floats(sizes.slotKeys, shape.headDimension)
        self.prefixFloats = prefixFloats
        self.slotFloats = slotFloats
        // An answer may be shorter than its room; a prompt is always there.
        try MachineMemory.require(
            layers.count, shape.keyValueHeadCount, MemoryLayout<Float>.stride,
            prefixFloats
                + MachineMemory.product([
                    sizes.slots, kernel_cache_floats(sizes.shortestSlot, shape.headDimension),
                ]))
        prefixCache = try layers.map { (_) throws(Fault) in
            try arena.reserve(shape.keyValueHeadCount, prefixFloats)
        }
        slotCache = try layers.map { (_) throws(Fault) in
            try arena.reserve(sizes.slots, shape.keyValueHeadCount, slotFloats)
        }
    }

    /// Copies the prefix's keys after the shared ones to the start of a slot.
    func open(slot: Int) {
        let tail = sizes.prefix - sizes.shared
        guard tail > 0 else { return }
        for layer in layers.indices {
            for head in 0..<attention.keyValueHeads {
                kernel_cache_copy(
                    own(layer, slot: slot, head), 0, prefix(layer, head), sizes.shared, tail, attention.D)
            }
        }
    }

    /// Runs a pass and returns the largest logit of each of `headRows`; among equal logits, that of the lowest token.
    func run(_ tokens: [Int32], _ segments: [CachedSegment], headRows: [Int]) -> [Best] {
        precondition(headRows.count <= headRowCapacity, "\(headRows.count) rows for the head of \(headRowCapacity)")
        let T = tokens.count
        let workers = network.workers
        let rows = network.begin(
            x, tokens: tokens,
            segments: segments.map {
                Segment(
                    rows: $0.rows, prefix: 0..<($0.slot == nil ? 0 : sizes.shared), ownRow: 0, ownOffset: $0.stored)
            })
        let blocks = Self.blocks(T, workers: workers.count)
        let headBlocks = Self.blocks(headRows.count, workers: workers.count)
        let steps = Step.allCases.count
        var tasks: [Int] = []
        tasks.reserveCapacity(layers.count * steps + 2)
        for adapter in adapters {
            for step in Step.allCases { tasks.append(self.tasks(step, adapter, blocks.count, segments.count)) }
        }
        tasks.append(headRows.isEmpty ? 0 : headBlocks.count)
        tasks.append(headRows.isEmpty ? 0 : headParts.count)
        workers.phases(tasks) { phase, task, worker in
            if phase < layers.count * steps {
                guard let step = Step(rawValue: phase % steps) else { return }
                run(step, phase / steps, task, worker, rows, segments, blocks)
            } else if phase == layers.count * steps {
                norm(headRows, headBlocks[task])
            } else {
                logits(task, headRows.count, worker)
            }
        }
        return headRows.indices.map { best($0, of: headRows.count) }
    }

    /// Blocks of rows; as many as threads where there are few rows.
    private static func blocks(_ T: Int, workers: Int) -> [Range<Int>] {
        Workers.ranges(T, parts: T <= 8 * workers ? workers : (T + 15) / 16, unit: 1)
    }

    private func tasks(_ step: Step, _ adapter: GroupedAdapter?, _ blocks: Int, _ segments: Int) -> Int {
        switch step {
        case .normAndDown, .postNormAndDown: blocks
        case .queriesKeysValues: inputParts.count
        case .attention: segments * attention.keyValueHeads
        case .attentionDown: adapter?.stacks[LayerInput.attention.rawValue] == nil ? 0 : blocks
        case .output, .down: hiddenParts.count
        case .gateAndUp: wideParts.count
        case .productDown: adapter?.stacks[LayerInput.product.rawValue] == nil ? 0 : blocks
        }
    }

    private func run(
        _ step: Step, _ layer: Int, _ task: Int, _ worker: Int, _ rows: PassRows, _ segments: [CachedSegment],
        _ blocks: [Range<Int>]
    ) {
        let H = shape.hiddenSize
        let F = shape.feedForwardSize
        let T = rows.T
        switch step {
        case .normAndDown:
            norm(blocks[task], layers[layer].inputNorm, epsilon: layers[layer].epsilon)
            project(.normed, layer, normed, H, blocks[task], worker)
        case .queriesKeysValues:
            let (map, columns) = inputParts[task]
            let (y, width) =
                map == .q ? (q, attention.Q) : (map == .k ? k : v, attention.KV)
            multiply(map, .normed, layer, y, width, accumulate: false, normed, H, T, columns, worker)
            addBias(layer, map, to: y, row: width, columns, rows: T)
        case .attention:
            let heads = attention.keyValueHeads
            attend(layer, segments[task / heads], head: task % heads, rows, worker)
        case .attentionDown:
            project(.attention, layer, attended, attention.Q, blocks[task], worker)
        case .output:
            multiply(
                .o, .attention, layer, x, H, accumulate: true, attended, attention.Q, T, hiddenParts[task], worker)
            addBias(layer, .o, to: x, row: H, hiddenParts[task], rows: T)
        case .postNormAndDown:
            norm(blocks[task], layers[layer].postAttentionNorm, epsilon: layers[layer].epsilon)
            project(.postNormed, layer, normed, H, blocks[task], worker)
        case .gateAndUp:
            let columns = wideParts[task]
            multiply(.gate, .postNormed, layer, gate, F, accumulate: false, normed, H, T, columns, worker)
            multiply(.up, .postNormed, layer, up, F, accumulate: false, normed, H, T, columns, worker)
            for t in 0..<T {
                let at = t * F + columns.lowerBound
                kernel_swiglu_forward(gate + at, gate + at, up + at, columns.count)
            }
        case .productDown:
            project(.product, layer, gate, F, blocks[task], worker)
        case .down:
            multiply(.down, .product, layer, x, H, accumulate: true, gate, F, T, hiddenParts[task], worker)
        }
    }

    private func norm(_ rows: Range<Int>, _ weight: UnsafePointer<Float>, epsilon: Float) {
        let at = rows.lowerBound * shape.hiddenSize
        kernel_rmsnorm_forward(
            normed + at, inverseRMS + rows.lowerBound, x + at, weight, epsilon, rows.count, shape.hiddenSize)
    }

    /// u = scale * input A^T for a block of rows and all maps that read this input.
    private func project(
        _ input: LayerInput, _ layer: Int, _ values: Floats, _ width: Int, _ rows: Range<Int>, _ worker: Int
    ) {
        guard let stack = adapters[layer]?.stacks[input.rawValue] else { return }
        let out = u + rows.lowerBound * stack.width
        product(
            out, row: stack.width, accumulate: false, values + rows.lowerBound * width, aRow: width, stack.a,
            M: rows.count, columns: 0..<stack.width, network.workers.gemmWorkspace(worker))
        kernel_scale(out, stack.scale, rows.count * stack.width)
    }

    /// y (+)= input W^T + u B^T for a range of columns.
    private func multiply(
        _ map: LinearMap, _ input: LayerInput, _ layer: Int, _ y: Floats, _ yWidth: Int, accumulate: Bool,
        _ values: Floats, _ width: Int, _ T: Int, _ columns: Range<Int>, _ worker: Int
    ) {
        let workspace = network.workers.gemmWorkspace(worker)
        product(
            y, row: yWidth, accumulate: accumulate, values, aRow: width, weights.layers[layer][map.place], M: T,
            columns: columns, workspace)
        guard let adapter = adapters[layer], let up = adapter.ups[map.place], let stack = adapter.stacks[input.rawValue]
        else { return }
        product(
            y, row: yWidth, accumulate: true, u + up.offset, aRow: stack.width, up.b, M: T, columns: columns, workspace)
    }

    /// Turns the queries and keys of one segment and key-value head, stores its keys and values, and attends.
    private func attend(_ layer: Int, _ segment: CachedSegment, head: Int, _ rows: PassRows, _ worker: Int) {
        let shape = attention
        let first = segment.rows.lowerBound
        let count = segment.rows.count
        let heads = shape.heads / shape.keyValueHeads
        let query = first * shape.Q + head * heads * shape.D
        let key = first * shape.KV + head * shape.D
        normHeads(layer, q + query, row: shape.Q, rows: count, heads: heads, layers[layer].options.queryNorm, worker)
        normHeads(layer, k + key, row: shape.KV, rows: count, heads: 1, layers[layer].options.keyNorm, worker)
        var rotation = kernel_rotation(cosine: rows.cosine, sine: rows.sine, D: shape.D, direction: 1)
        kernel_rope(q + query, shape.Q, count, heads, rows.positions + first, &rotation)
        kernel_rope(k + key, shape.KV, count, 1, rows.positions + first, &rotation)
        let cache = segment.slot.map { own(layer, slot: $0, head) } ?? prefix(layer, head)
        kernel_cache_append(cache, segment.stored, k + key, v + key, shape.KV, count, shape.D)
        var span = kernel_cached_span(
            prefix: prefix(layer, head), own: cache, prefix_count: segment.slot == nil ? 0 : sizes.shared,
            own_offset: segment.stored, D: shape.D, scale: shape.scale,
            window: self.shape.window(ofLayer: layer))
        kernel_cached_attention(
            attended + query, shape.Q, q + query, shape.Q, count, heads, &span, scratches[worker])
    }

    /// y += bias for a range of columns, where the map has one.
    private func addBias(
        _ layer: Int, _ map: LinearMap, to y: Floats, row: Int, _ columns: Range<Int>, rows: Int
    ) {
        guard let bias = layers[layer].options.biases[map.place] else { return }
        for t in 0..<rows {
            kernel_add(y + t * row + columns.lowerBound, bias + columns.lowerBound, columns.count)
        }
    }

    /// RMSNorm over each head of some rows, in place, for families that have it. Values that only a backward pass would read go into a
    /// buffer with room for as many heads as one key-value head serves.
    private func normHeads(
        _ layer: Int, _ x: Floats, row: Int, rows: Int, heads: Int, _ weight: UnsafePointer<Float>?, _ worker: Int
    ) {
        guard let weight else { return }
        for t in 0..<rows {
            kernel_rmsnorm_forward(
                x + t * row, headInverses[worker], x + t * row, weight, layers[layer].epsilon, heads, attention.D)
        }
    }

    private func prefix(_ layer: Int, _ head: Int) -> Floats { prefixCache[layer] + head * prefixFloats }

    private func own(_ layer: Int, slot: Int, _ head: Int) -> Floats {
        slotCache[layer] + (slot * attention.keyValueHeads + head) * slotFloats
    }

    private func norm(_ headRows: [Int], _ block: Range<Int>) {
        let H = shape.hiddenSize
        for place in block { (headX + place * H).update(from: x + headRows[place] * H, count: H) }
        kernel_rmsnorm_forward(
            headNormed + block.lowerBound * H, inverseRMS + block.lowerBound, headX + block.lowerBound * H,
            network.head.norm, network.head.epsilon, block.count, H)
    }

    private func logits(_ part: Int, _ count: Int, _ worker: Int) {
        let columns = headParts[part]
        let H = shape.hiddenSize
        let out = logits[worker]
        product(
            out - columns.lowerBound, row: Self.headColumns, accumulate: false, headNormed, aRow: H, weights.head,
            M: count, columns: columns, network.workers.gemmWorkspace(worker))
        for row in 0..<count {
            let values = out + row * Self.headColumns
            let place = kernel_argmax(values, columns.count)
            candidates[part * count + row] = Best(
                token: Int32(columns.lowerBound) + place, logit: values[Int(place)])
        }
    }

    private func best(_ row: Int, of count: Int) -> Best {
        var best = candidates[row]
        for part in headParts.indices.dropFirst() {
            let other = candidates[part * count + row]
            if other.logit > best.logit || (best.logit.isNaN && !other.logit.isNaN) { best = other }
        }
        return best
    }
}
