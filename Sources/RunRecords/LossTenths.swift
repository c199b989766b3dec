// LossTenths: the two figures by which a training record says how its loss ran.

package enum LossTenths {
    /// The mean over the first and the last tenth of the step losses.
    package static func ends(of losses: [Double]) -> (first: Double, last: Double) {
        (
            tenth(losses.prefix(max(1, losses.count / 10))), tenth(losses.suffix(max(1, losses.count / 10)))
        )
    }

    private static func tenth(_ losses: some Collection<Double>) -> Double {
        losses.reduce(0, +) / Double(max(1, losses.count))
    }
}
