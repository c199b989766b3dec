// The second computation of a step: the same batch, adapter, moments and dropout through a network with other products.

import CKernels
import Faults
import Federation

extension SecondArithmetic {
    /// Computes a step again from `before`, and compares it with the step that the call computed. Faults: engine.openblas, engine.memory.
    func compare(
        _ job: TrainingJob, _ packing: Packing, before: Optimizer.State, after: Optimizer.State, loss: Double,
        norm: Double, gradient: UnsafePointer<Float>, rate: Double,
        dropout: @escaping (_ layer: Int, _ map: LinearMap) -> kernel_random
    ) throws(Fault) -> ArithmeticComparison {
        let configuration = job.configuration
        let network = try Network(
            job.model, adapter: job.start, configuration: job.lora, trains: true, rows: packing.tokens.count,
            positionCount: packing.segments.reduce(0) { max($0, $1.position + $1.rows.count) }, threads: job.threads,
            arithmetic: arithmetic)
        guard let layout = network.layout, let other = network.gradient else {
            preconditionFailure("a network that trains has an adapter")
        }
        var optimizer = try Optimizer(
            count: layout.count, weights: network.parameters, gradient: other, arena: network.arena,
            workers: network.workers)
        optimizer.resume(before)
        if let disturbance { network.parameters[disturbance.element] += disturbance.by }
        let otherLoss = try Differentiation(
            network, rows: packing.tokens.count, checkpointing: configuration.checkpointActivations
        ).run(packing, dropout: dropout)
        let constraint = try TrainingConstraint(configuration, round: job.round, layout: layout, start: job.start)
        constraint.apply(to: other, network.parameters)
        let otherNorm = optimizer.gradientNorm()
        let gradients = Self.difference(layout.count) { (Double(gradient[$0]), Double(other[$0])) }
        if let disturbance { network.parameters[disturbance.element] = before.weights[disturbance.element] }
        optimizer.step(
            learningRate: rate, decay: configuration.weightDecay, norm: otherNorm, clip: configuration.clipNorm)
        constraint.restore(network.parameters)
        let updates = withExtendedLifetime(network) {
            Self.difference(layout.count) { i in
                let start = Double(before.weights[i])
                return (Double(after.weights[i]) - start, Double(network.parameters[i]) - start)
            }
        }
        return ArithmeticComparison(
            step: before.steps, loss: (loss, otherLoss), gradientNorm: (norm, otherNorm), gradient: gradients,
            update: updates)
    }

    /// |x - y| / |x| over pairs (x, y); 0 where both are zero.
    private static func difference(_ count: Int, _ pair: (Int) -> (Double, Double)) -> Double {
        var (difference, norm) = (0.0, 0.0)
        for i in 0..<count {
            let (x, y) = pair(i)
            difference += (x - y) * (x - y)
            norm += x * x
        }
        return difference == 0 ? 0 : (difference / norm).squareRoot()
    }
}
