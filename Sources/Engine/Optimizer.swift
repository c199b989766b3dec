// Optimizer: AdamW over the adapter's vector, clipping by the global norm, and the learning rate of each step.

import CKernels
import Faults
import Federation

/// Transformers' schedules with linear warm-up (get_cosine_schedule_with_warmup and the similar functions).
///
/// With W = ceil(warmup ratio * steps), the rate of step i (from 0) is, times the highest rate:
/// i / max(1, W) for i < W; then 1 (constant), (N - i) / max(1, N - W) (linear), or
/// (1 + cos(pi (i - W) / max(1, N - W))) / 2 (cosine), for N steps. So the first step of a warm-up has rate 0.
package enum LearningRate {
    package static func rate(_ step: Int, of steps: Int, _ configuration: TrainingConfiguration) -> Double {
        let warmup = Int((configuration.warmupRatio * Double(steps)).rounded(.up))
        if step < warmup { return configuration.learningRate * (Double(step) / Double(max(1, warmup))) }
        let rest = Double(max(1, steps - warmup))
        switch configuration.schedule {
        case .constant: return configuration.learningRate
        case .linear: return configuration.learningRate * max(0, Double(steps - step) / rest)
        case .cosine:
            let cosine = Elementary.sineAndCosine(Double.pi * (Double(step - warmup) / rest)).cosine
            return configuration.learningRate * max(0, 0.5 * (1 + cosine))
        }
    }
}

/// AdamW (Loshchilov and Hutter 2019) with betas 0.9 and 0.999 and epsilon 1e-8, starting from zero moments.
struct Optimizer {
    private static let beta1 = 0.9
    private static let beta2 = 0.999
    private static let epsilon: Float = 1e-8
    /// How many elements a task updates.
    private static let block = 1 << 15

    private let count: Int
    private let weights: UnsafeMutablePointer<Float>
    private let gradient: UnsafePointer<Float>
    /// The moments, in the order of the weights; they live as long as the arena.
    let first: UnsafeMutablePointer<Float>
    let second: UnsafeMutablePointer<Float>
    private let squares: UnsafeMutablePointer<Double>  // the sum of each block
    private let workers: Workers
    private var power1 = 1.0
    private var power2 = 1.0

    /// Moments come from the arena, which the caller keeps together with the vectors.
    init(
        count: Int, weights: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>, arena: Arena, workers: Workers
    ) throws(Fault) {
        self.count = count
        self.weights = weights
        self.gradient = gradient
        self.workers = workers
        first = try arena.floats(count)
        second = try arena.floats(count)
        let blocks = (count + Self.block - 1) / Self.block
        squares = try arena.zeroed([blocks], of: Double.self)
    }

    private var blocks: Int { (count + Self.block - 1) / Self.block }

    /// The weights and moments before a step, so that the step can be computed a second time.
    struct State {
        let weights: [Float]
        let first: [Float]
        let second: [Float]
        let steps: Int
    }

    /// The state after that many steps.
    func state(after steps: Int) -> State {
        func copy(_ values: UnsafePointer<Float>) -> [Float] { Array(UnsafeBufferPointer(start: values, count: count)) }
        return State(weights: copy(weights), first: copy(first), second: copy(second), steps: steps)
    }

    /// Continues from that state.
    mutating func resume(_ state: State) {
        for (to, from) in [(weights, state.weights), (first, state.first), (second, state.second)] {
            from.withUnsafeBufferPointer { if let from = $0.baseAddress { to.update(from: from, count: count) } }
        }
        resume(after: state.steps)
    }

    /// Continues after that many steps; the moments of that time are already in place.
    mutating func resume(after steps: Int) {
        // Multiplied step by step, as in a run without interruption: a power computed in another way may differ in its last bit.
        for _ in 0..<steps {
            power1 *= Self.beta1
            power2 *= Self.beta2
        }
    }

    /// The Euclidean norm of the gradient; the sums of blocks are added in order, in Double. NaN or infinity where the gradient holds them.
    func gradientNorm() -> Double {
        workers.run(blocks) { task, _ in
            let start = task * Self.block
            squares[task] = kernel_sum_of_squares(gradient + start, min(Self.block, count - start))
        }
        var sum = 0.0
        for block in 0..<blocks { sum += squares[block] }
        return sum.squareRoot()
    }

    /// One step. `norm` is the gradient's norm; where it is larger than `clip`, the gradient is scaled as torch's clip_grad_norm_ does, by
    /// clip / (norm + 1e-6).
    mutating func step(learningRate: Double, decay: Double, norm: Double, clip: Double?) {
        power1 *= Self.beta1
        power2 *= Self.beta2
        let scale = clip.map { min(1, $0 / (norm + 1e-6)) } ?? 1
        var settings = kernel_adamw_settings(
            learning_rate: Float(learningRate), beta1: Float(Self.beta1), beta2: Float(Self.beta2),
            epsilon: Self.epsilon, decay: Float(decay), correction1: Float(1 - power1),
            sqrt_correction2: Float((1 - power2).squareRoot()), gradient_scale: Float(scale))
        withUnsafePointer(to: &settings) { settings in
            workers.run(blocks) { task, _ in
                let start = task * Self.block
                kernel_adamw(
                    weights + start, first + start, second + start, gradient + start, min(Self.block, count - start),
                    settings)
            }
        }
    }
}
