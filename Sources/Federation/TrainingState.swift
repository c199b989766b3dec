// TrainingState: the state of a training call after a step: everything that later steps depend on. Schedule and random numbers are
// functions of the step alone, so they are not part of it.

/// The state of a training call between two steps.
public struct TrainingState: Sendable, Equatable {
    /// The weights after the last step done.
    public var adapter: Adapter
    /// AdamW's first moments, under the names and in the shapes of the weights.
    public var firstMoment: Adapter
    /// AdamW's second moments, in the same form.
    public var secondMoment: Adapter
    /// The mean cross-entropy of every step done, in nats, before its update.
    public var losses: [Double]

    /// Makes a state.
    public init(adapter: Adapter, firstMoment: Adapter, secondMoment: Adapter, losses: [Double]) {
        self.adapter = adapter
        self.firstMoment = firstMoment
        self.secondMoment = secondMoment
        self.losses = losses
    }

    /// Steps done.
    public var steps: Int { losses.count }
}
