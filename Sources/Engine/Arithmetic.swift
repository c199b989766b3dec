// Arithmetic: what computes the matrix products of a training step, and how far apart two such computations may be.

import Federation

/// What computes matrix products.
public enum Arithmetic: String, Sendable, CaseIterable {
    /// Our kernels: the same bits everywhere.
    case ours
    /// cblas_sgemm of OpenBLAS, one thread, on unpacked float32. Its order of additions depends on the processor, so its results are
    /// compared, but never kept.
    case openblas
}

/// Steps of a training call whose loss, gradient and update are computed a second time, each from the state of the call before that step.
public struct SecondArithmetic: Sendable {
    /// What computes them the second time.
    public var arithmetic: Arithmetic
    /// The steps, from 0.
    public var steps: Range<Int>
    /// For tests of the comparison: an element of the adapter's vector, and by how much the second computation changes it.
    package var disturbance: (element: Int, by: Float)?

    /// By default, every step is computed a second time.
    public init(_ arithmetic: Arithmetic, steps: Range<Int> = 0..<Int.max) {
        self.arithmetic = arithmetic
        self.steps = steps
    }
}

/// One step in two arithmetics: the same adapter, moments, records and dropout, but other products. Differences are relative to the first
/// arithmetic.
public struct ArithmeticComparison: Sendable, Equatable {
    /// The step, from 0.
    public var step: Int
    /// Mean cross-entropy of the batch, in nats: first by our kernels, then by the second arithmetic.
    public var loss: (Double, Double)
    /// The gradient's Euclidean norm before clipping.
    public var gradientNorm: (Double, Double)
    /// |g - g'| / |g|, Euclidean over the whole adapter.
    public var gradient: Double
    /// |d - d'| / |d|, where d is what the step adds to the adapter's weights; 0 where both are zero.
    public var update: Double

    /// The difference of both losses, relative to the first.
    public var lossDifference: Double { Self.relative(loss) }
    /// The difference of both norms, relative to the first.
    public var gradientNormDifference: Double { Self.relative(gradientNorm) }

    /// Whether every difference is within its bound; a NaN never is.
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
