// Arithmetic: who computes the matrix products of a training step, and how far two answers to that may be apart.

import Federation

/// Who computes matrix products.
public enum Arithmetic: String, Sendable, CaseIterable {
    /// Our kernels: the same bits everywhere.
    case ours
    /// cblas_sgemm of OpenBLAS, one thread, on unpacked float32. Its order of additions depends on the processor, so its results
    /// are compared and never kept.
    case openblas
}

/// Steps of a training call whose loss, gradient and update are computed a second time, each from where the call stands then.
public struct SecondArithmetic: Sendable {
    /// Who computes them the second time.
    public var arithmetic: Arithmetic
    /// The steps, from 0.
    public var steps: Range<Int>
    /// For tests of what a comparison finds: an element of the adapter's vector that the second computation has otherwise.
    package var disturbance: (element: Int, by: Float)?

    /// Makes one; by default for every step.
    public init(_ arithmetic: Arithmetic, steps: Range<Int> = 0..<Int.max) {
        self.arithmetic = arithmetic
        self.steps = steps
    }
}

/// One step in two arithmetics: the same adapter, moments, records and dropout, other products. Differences are relative to the
/// first arithmetic.
public struct ArithmeticComparison: Sendable, Equatable {
    /// The step, from 0.
    public var step: Int
    /// Mean cross-entropy of the batch, in nats: by our kernels, and the second time.
    public var loss: (Double, Double)
    /// The gradient's Euclidean norm before clipping.
    public var gradientNorm: (Double, Double)
    /// |g - g'| / |g|, Euclidean over the whole adapter.
    public var gradient: Double
    /// |d - d'| / |d| of what the step adds to the adapter's weights; 0 where neither adds anything.
    public var update: Double

    /// Both losses apart, relative to the first.
    public var lossDifference: Double { Self.relative(loss) }
    /// Both norms apart, relative to the first.
    public var gradientNormDifference: Double { Self.relative(gradientNorm) }

    /// Whether every difference is within its bound; a NaN is not.
    public func isWithin(_ bounds: ArithmeticBounds) -> Bool {
        lossDifference <= bounds.loss && gradientNormDifference <= bounds.gradientNorm && gradient <= bounds.gradient
            && update <= bounds.update
    }

    private static func relative(_ pair: (Double, Double)) -> Double {
        pair.0 == pair.1 ? 0 : abs(pair.0 - pair.1) / abs(pair.0)
    }

    /// Whether all numbers are the same.
    public static func == (a: ArithmeticComparison, b: ArithmeticComparison) -> Bool {
        a.step == b.step && a.loss == b.loss && a.gradientNorm == b.gradientNorm && a.gradient == b.gradient
            && a.update == b.update
    }
}

/// The largest differences that rounding alone explains; docs/engine.md, "A second arithmetic", derives them from measurements.
public struct ArithmeticBounds: Sendable, Equatable {
    /// Of the loss.
    public var loss: Double
    /// Of the gradient's norm.
    public var gradientNorm: Double
    /// Of the gradient.
    public var gradient: Double
    /// Of the update.
    public var update: Double

    /// The bounds of a class of numerics.
    public static func of(_ numerics: Numerics) -> ArithmeticBounds {
        switch numerics {
        case .exact: ArithmeticBounds(loss: 2e-6, gradientNorm: 1e-4, gradient: 3e-4, update: 0.05)
        case .fast: ArithmeticBounds(loss: 4e-3, gradientNorm: 3e-2, gradient: 0.17, update: 0.45)
        }
    }
}
