// Deadline: how long a coordinator waits for sites on other machines, as a workflow writes it: 90s, 30m, 2h or 3d.

/// A length of time in whole seconds, from one second to a year.
public struct Deadline: Sendable, Hashable {
    /// The length in seconds.
    public let seconds: Int
    /// What a workflow may ask for.
    public static let range = 1...365 * 86_400

    private static let units: [(letter: Character, seconds: Int)] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)]

    /// Nil outside the range.
    public init?(seconds: Int) {
        guard Self.range.contains(seconds) else { return nil }
        self.seconds = seconds
    }

    /// The seconds that a text such as `90s` names, whatever the range; nil for any other text.
    package static func seconds(in text: String) -> Int? {
        let digits = text.utf8.dropLast()
        guard let unit = units.first(where: { $0.letter == text.last }), (1...9).contains(digits.count),
            digits.allSatisfy({ (0x30...0x39).contains($0) }), digits.first != 0x30,
            let count = Int(text.dropLast())
        else { return nil }
        return count * unit.seconds
    }

    /// The length in its largest whole unit, so that equal lengths have one text: 120m is `2h`.
    public var text: String {
        for unit in Self.units where seconds % unit.seconds == 0 { return "\(seconds / unit.seconds)\(unit.letter)" }
        return "\(seconds)s"
    }
}
