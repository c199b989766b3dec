// BackboneSizes: the few sizes of a base model that decide the shapes of its adapters, so that an adapter can be checked without the model.

/// The sizes that decide the shapes of adapters.
public struct BackboneSizes: Hashable, Sendable {
    /// Decoder layers.
    public var layers: Int
    /// The hidden size H.
    public var hidden: Int
    /// Query heads times head dimension.
    public var queries: Int
    /// Key-value heads times head dimension.
    public var keyValues: Int
    /// The feed-forward size F.
    public var feedForward: Int

    /// Makes sizes.
    public init(layers: Int, hidden: Int, queries: Int, keyValues: Int, feedForward: Int) {
        self.layers = layers
        self.hidden = hidden
        self.queries = queries
        self.keyValues = keyValues
        self.feedForward = feedForward
    }

    /// The shape (out, in) of a map's weight.
    public func shape(of map: LinearMap) -> (out: Int, in: Int) {
        switch map {
        case .q: (queries, hidden)
        case .k, .v: (keyValues, hidden)
        case .o: (hidden, queries)
        case .gate, .up: (feedForward, hidden)
        case .down: (hidden, feedForward)
        }
    }
}
