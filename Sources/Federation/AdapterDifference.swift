// How two adapters differ: the first tensor that differs, and how much, in value and in units in the last place.

/// The first tensor in which two adapters of one shape differ.
public struct AdapterDifference: Sendable, Equatable {
    /// The tensor's name.
    public var tensor: String
    /// The row-major index of its first element that differs.
    public var element: Int
    /// The two values there.
    public var values: (Float, Float)
    /// Their distance in units in the last place of float32.
    public var distance: Int64
    /// The largest difference in value; infinite where one of them is not a number.
    public var largest: Double
    /// The largest distance in units in the last place of float32 within the tensor.
    public var ulps: Int64

    /// Compares field by field, values by their bits.
    public static func == (left: AdapterDifference, right: AdapterDifference) -> Bool {
        left.tensor == right.tensor && left.element == right.element && left.distance == right.distance
            && left.largest == right.largest
            && left.ulps == right.ulps && left.values.0.bitPattern == right.values.0.bitPattern
            && left.values.1.bitPattern == right.values.1.bitPattern
    }
}

extension AdapterDifference {
    /// The difference in words; `theirs` says where the second value comes from: `element 5: recomputed 0.25, the site's 0.5, ...`.
    public func words(theirs: String) -> String {
        "element \(element): recomputed \(values.0), \(theirs) \(values.1), \(distance) units in the last place of float32 apart"
            + (ulps == distance ? "" : " (at most \(ulps) in this tensor)") + ", largest difference \(largest)"
    }
}

extension Adapter {
    /// The first tensor, in name order, whose bits differ; nil where all are equal. Tensors of other names or shapes count as different
    /// with infinite distance.
    public func firstDifference(from other: Adapter) -> AdapterDifference? {
        for (index, mine) in tensors.enumerated() {
            guard index < other.tensors.count else { return Self.unlike(mine) }
            let theirs = other.tensors[index]
            guard mine.name == theirs.name, mine.shape == theirs.shape else { return Self.unlike(mine) }
            var found: AdapterDifference?
            for (element, (left, right)) in zip(mine.values, theirs.values).enumerated()
            where left.bitPattern != right.bitPattern {
                let gap = left.isNaN || right.isNaN ? Double.infinity : abs(Double(left) - Double(right))
                let steps = abs(Self.ordinal(left) - Self.ordinal(right))
                if var known = found {
                    known.ulps = max(known.ulps, steps)
                    known.largest = max(known.largest, gap)
                    found = known
                } else {
                    found = AdapterDifference(
                        tensor: mine.name, element: element, values: (left, right), distance: steps, largest: gap,
                        ulps: steps)
                }
            }
            if let found { return found }
        }
        return other.tensors.count > tensors.count ? Self.unlike(other.tensors[tensors.count]) : nil
    }

    private static func unlike(_ tensor: NamedTensor) -> AdapterDifference {
        AdapterDifference(
            tensor: tensor.name, element: 0, values: (.nan, .nan), distance: .max, largest: .infinity, ulps: .max)
    }

    /// How far two numbers are apart in units in the last place of float64.
    public static func ulps(_ left: Double, _ right: Double) -> Int64 {
        func ordinal(_ value: Double) -> Int64 {
            let bits = Int64(bitPattern: value.bitPattern & 0x7fff_ffff_ffff_ffff)
            return value.sign == .minus ? -bits : bits
        }
        let (distance, overflow) = ordinal(left).subtractingReportingOverflow(ordinal(right))
        return overflow || distance == .min ? .max : abs(distance)
    }

    /// The position of a float in the order of all floats, so that neighbours differ by one.
    private static func ordinal(_ value: Float) -> Int64 {
        let bits = Int64(value.bitPattern & 0x7fff_ffff)
        return value.sign == .minus ? -bits : bits
    }
}
