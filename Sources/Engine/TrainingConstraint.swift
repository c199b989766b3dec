// TrainingConstraint: what ties a training to its start: a frozen factor, and the proximal term.

import Faults
import Federation

/// The start of a training call, as far as its steps need it.
struct TrainingConstraint {
    /// The parts of the vector that no step may change.
    private let frozen: [Range<Int>]
    private let proximal: Float
    /// The start's vector; empty where nothing needs it.
    private let start: [Float]

    /// Faults: those of the layout, engine.setting.
    init(
        _ configuration: TrainingConfiguration, round: Int, layout: LoRALayout, start adapter: Adapter
    ) throws(Fault) {
        guard configuration.proximal.isFinite, configuration.proximal >= 0 else {
            throw .setting("proximal", "\(configuration.proximal)", range: "0...")
        }
        let rank = layout.configuration.rank
        switch configuration.matrices.frozen(in: round) {
        case nil: frozen = []
        case .a: frozen = layout.entries.map { $0.a..<($0.a + rank * $0.inputs) }
        case .b: frozen = layout.entries.map { $0.b..<($0.b + rank * $0.outputs) }
        }
        proximal = Float(configuration.proximal)
        guard !frozen.isEmpty || proximal > 0 else {
            start = []
            return
        }
        let arena = Arena()
        let values = try arena.floats(layout.count)
        try layout.read(adapter, into: values)
        start = withExtendedLifetime(arena) { Array(UnsafeBufferPointer(start: values, count: layout.count)) }
    }

    /// Adds mu (theta - theta_start), the gradient of mu / 2 |theta - theta_start|^2 (FedProx, arXiv 1812.06127, eq. 2), and sets the gradient
    /// of a frozen factor to zero: what is left is that of both, restricted.
    func apply(to gradient: UnsafeMutablePointer<Float>, _ parameters: UnsafePointer<Float>) {
        if proximal > 0 {
            for i in start.indices { gradient[i] += proximal * (parameters[i] - start[i]) }
        }
        for range in frozen { (gradient + range.lowerBound).update(repeating: 0, count: range.count) }
    }

    /// Puts a frozen factor back: weight decay moves even what has no gradient.
    func restore(_ parameters: UnsafeMutablePointer<Float>) {
        start.withUnsafeBufferPointer { start in
            guard let start = start.baseAddress else { return }
            for range in frozen {
                (parameters + range.lowerBound).update(from: start + range.lowerBound, count: range.count)
            }
        }
    }
}
