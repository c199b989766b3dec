// Matrix: the axes of a study and the cells that they span, each with a readable name that depends on nothing but the cell.

import Faults
import Federation

/// The axes of a study.
struct Matrix {
    /// One place on an axis, and what it sets.
    struct Point {
        /// The word of the point in a cell's name.
        var label: String
        /// The value in YAML on one line, or the name of the point.
        var shown: String
        var mark: YAMLMark
        var settings: [Override]
    }

    struct Axis {
        var name: String
        var mark: YAMLMark
        var isRepeat: Bool
        /// Whether points have names and set several keys.
        var isPaired: Bool
        var points: [Point]
        /// The dotted keys that points set.
        var keys: [String] { Array(Set(points.flatMap { $0.settings.map(\.path) })).sorted() }
        /// The word of the axis in a cell's name: the last part of its key; none where points have names.
        var word: String {
            isPaired ? "" : Matrix.slug(name.split(separator: ".").last.map(String.init) ?? name)
        }
    }

    private(set) var axes: [Axis] = []
    private var included: [[Point]] = []
    private var excluded: [(mark: YAMLMark, choice: [(axis: Int, value: String)])] = []
    private var mark: YAMLMark

    /// Reads the axes; `given` are the keys that `--set` sets.
    init(_ form: Settings.StudyForm, given: [String], faults: FaultCollector) {
        mark = form.matrix?.mark ?? form.repetition?.mark ?? form.compare?.baseline?.mark ?? .nowhere
        for pair in form.matrix?.pairs ?? [] where pair.key != "include" && pair.key != "exclude" {
            axis(pair, path: "matrix", isRepeat: false, faults: faults)
        }
        for pair in form.repetition?.pairs ?? [] { axis(pair, path: "repeat", isRepeat: true, faults: faults) }
        checkConflicts(given: given, faults: faults)
        guard faults.isEmpty else { return }
        for pair in form.matrix?.pairs ?? [] {
            if pair.key == "include" { include(pair.value, faults: faults) }
            if pair.key == "exclude" { exclude(pair.value, faults: faults) }
        }
    }

    // MARK: Reading

    private mutating func axis(_ pair: YAMLPair, path: String, isRepeat: Bool, faults: FaultCollector) {
        let here = "\(path).\(pair.key)"
        if axes.contains(where: { $0.name == pair.key }) {
            faults.add(.duplicateName("repeat", pair.key, at: pair.keyMark.place))
            return
        }
        switch pair.value.content {
        case .sequence(let elements):
            guard Self.isSettable(pair.key, owner: path, at: pair.keyMark, faults: faults) else { return }
            if elements.isEmpty { faults.add(.emptyList(here, of: "values", at: pair.value.mark.place)) }
            let points = elements.enumerated().map { index, element in
                Self.point(pair.key, pair.keyMark, element, index: index)
            }
            axes.append(Axis(name: pair.key, mark: pair.keyMark, isRepeat: isRepeat, isPaired: false, points: points))
        case .mapping(let named) where !isRepeat:
            guard KebabCase.accepts(pair.key) else {
                faults.add(.badName("the axis", pair.key, at: pair.keyMark.place))
                return
            }
            if named.isEmpty { faults.add(.emptyList(here, of: "points", at: pair.value.mark.place)) }
            var points: [Point] = []
            for point in named {
                guard KebabCase.accepts(point.key) else {
                    faults.add(.badName("the point", point.key, at: point.keyMark.place))
                    continue
                }
                guard let settings = point.value.pairs else {
                    faults.wrongType("\(here).\(point.key)", point.value, "a mapping of dotted keys to values")
                    continue
                }
                points.append(
                    Point(
                        label: point.key, shown: point.key, mark: point.keyMark,
                        settings: settings.compactMap { setting in
                            Self.isSettable(
                                setting.key, owner: "\(here).\(point.key)", at: setting.keyMark, faults: faults)
                                ? Override(path: setting.key, mark: setting.keyMark, value: setting.value) : nil
                        }))
            }
            axes.append(Axis(name: pair.key, mark: pair.keyMark, isRepeat: false, isPaired: true, points: points))
        default:
            let expected = isRepeat ? "a list of values" : "a list of values, or a mapping of named points"
            faults.wrongType(here, pair.value, expected)
        }
    }

    private static func point(_ key: String, _ mark: YAMLMark, _ value: YAMLNode, index: Int) -> Point {
        Point(
            label: label(of: value) ?? "v\(index + 1)", shown: value.flow, mark: value.mark,
            settings: [Override(path: key, mark: mark, value: value)])
    }

    /// Whether a dotted key can be that of a cell. What cells share, and the study itself, cannot.
    private static func isSettable(_ key: String, owner: String, at mark: YAMLMark, faults: FaultCollector) -> Bool {
        let parts = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let known = Settings.top.keys.filter { $0 != "version" && $0 != "name" }
        guard let first = parts.first, known.contains(first), !parts.contains("") else {
            faults.add(.unknownKey(key, in: owner, known: known, at: mark.place))
            return false
        }
        return true
    }

    /// Two axes that set one key, or a key and a part of it, would depend on their order.
    private func checkConflicts(given: [String], faults: FaultCollector) {
        for (index, axis) in axes.enumerated() {
            for key in axis.keys {
                for other in axes[..<index] {
                    guard let same = other.keys.first(where: { Self.overlap($0, key) }) else { continue }
                    faults.add(.conflictingAxes(axis.name, key, other.name, same, at: axis.mark.place))
                }
                if let same = given.first(where: { Self.overlap($0, key) }) {
                    faults.add(.conflictingOverride(same, axis.name, key, at: axis.mark.place))
                }
            }
            for point in axis.points {
                for (position, setting) in point.settings.enumerated() {
                    guard let same = point.settings[..<position].first(where: { Self.overlap($0.path, setting.path) })
                    else { continue }
                    faults.add(
                        .conflictingAxes(point.label, setting.path, point.label, same.path, at: point.mark.place))
                }
            }
        }
    }

    private static func overlap(_ left: String, _ right: String) -> Bool {
        left == right || left.hasPrefix(right + ".") || right.hasPrefix(left + ".")
    }

    private mutating func include(_ node: YAMLNode, faults: FaultCollector) {
        for (index, pairs) in choices(node, "matrix.include", faults: faults) {
            var points: [Point] = []
            for axis in axes {
                guard let pair = pairs.first(where: { $0.key == axis.name }) else {
                    faults.add(
                        .missingKey(
                            axis.name, in: "matrix.include.\(index)",
                            at: node.elements?[index].mark.place ?? node.mark.place))
                    continue
                }
                if var point = axis.points.first(where: { $0.shown == pair.value.flow }) {
                    point.mark = pair.value.mark
                    points.append(point)
                } else if axis.isPaired {
                    faults.add(
                        .unknownName(
                            "matrix.include.\(index).\(axis.name)", "point", pair.value.flow,
                            known: axis.points.map(\.shown), at: pair.value.mark.place))
                } else {
                    points.append(Self.point(axis.name, pair.keyMark, pair.value, index: axis.points.count + index))
                }
            }
            if points.count == axes.count { included.append(points) }
        }
    }

    private mutating func exclude(_ node: YAMLNode, faults: FaultCollector) {
        for (index, pairs) in choices(node, "matrix.exclude", faults: faults) {
            var choice: [(axis: Int, value: String)] = []
            for pair in pairs {
                guard let axis = axes.firstIndex(where: { $0.name == pair.key }) else { continue }
                guard axes[axis].points.contains(where: { $0.shown == pair.value.flow }) else {
                    faults.add(.noSuchCell("matrix.exclude.\(index)", at: pair.value.mark.place))
                    continue
                }
                choice.append((axis, pair.value.flow))
            }
            excluded.append((node.elements?[index].mark ?? node.mark, choice))
        }
    }

    /// The mappings of a list whose keys are axes.
    private func choices(
        _ node: YAMLNode, _ path: String, faults: FaultCollector
    ) -> [(index: Int, pairs: [YAMLPair])] {
        guard let elements = node.elements else {
            faults.wrongType(path, node, "a list of mappings from axes to values")
            return []
        }
        return elements.enumerated().compactMap { index, element in
            guard let pairs = element.pairs, !pairs.isEmpty else {
                faults.wrongType("\(path).\(index)", element, "a mapping from axes to values")
                return nil
            }
            let names = axes.map(\.name)
            for pair in pairs where !names.contains(pair.key) {
                faults.add(.unknownName("\(path).\(index)", "axis", pair.key, known: names, at: pair.keyMark.place))
            }
            return (index, pairs)
        }
    }

    // MARK: Cells

    /// The cells in order: the first axis changes slowest; those included come last.
    func cells(of base: YAMLNode, faults: FaultCollector) -> [Composition.Cell] {
        guard faults.isEmpty else { return [] }
        var count = 1
        for axis in axes {
            let product = count.multipliedReportingOverflow(by: axis.points.count)
            count = product.overflow ? Int.max : product.partialValue
        }
        guard count <= Composition.maximumCells, included.count <= Composition.maximumCells else {
            faults.add(.tooManyCells(count == Int.max ? "more than 2^63" : String(count), at: mark.place))
            return []
        }
        var choices: [[Point]] = [[]]
        for axis in axes { choices = choices.flatMap { choice in axis.points.map { choice + [$0] } } }
        for (mark, excluded) in excluded {
            let kept = choices.filter { choice in !excluded.allSatisfy { choice[$0.axis].shown == $0.value } }
            if kept.count == choices.count { faults.add(.noSuchCell("matrix.exclude", at: mark.place)) }
            choices = kept
        }
        choices += included
        guard !choices.isEmpty else {
            faults.add(.noCells(at: mark.place))
            return []
        }
        return read(choices, base: base, faults: faults)
    }

    private func read(_ choices: [[Point]], base: YAMLNode, faults: FaultCollector) -> [Composition.Cell] {
        guard let study = base["name"], case .scalar(let name, _) = study.content else {
            _ = WorkflowReader.read(base, faults: faults)
            return []
        }
        var cells: [Composition.Cell] = []
        var firsts: [String: YAMLMark] = [:]
        for choice in choices {
            let cellName = cellName(name, choice)
            let place = choice.last?.mark ?? mark
            if !KebabCase.accepts(cellName) {
                faults.add(.cellName(cellName, at: place.place))
            } else if firsts[cellName] != nil {
                faults.add(.sameCell(cellName, at: place.place))
            }
            firsts[cellName] = place
            let settings = choice.flatMap(\.settings)
            let found = FaultCollector(files: [])
            var root = base
            for setting in settings {
                do { root = try setting.apply(to: root) } catch { found.add(error) }
            }
            let declaration = found.isEmpty ? WorkflowReader.read(root, faults: found) : nil
            faults.take(found)
            // A study of thousands of cells with a fault in its base has that fault once.
            guard faults.count <= FaultCollector.maximumReported else { return [] }
            guard let declaration, found.isEmpty else { continue }
            cells.append(
                Composition.Cell(
                    name: cellName,
                    values: zip(axes, choice).map {
                        Composition.AxisValue(axis: $0.name, value: $1.shown, isRepeat: $0.isRepeat)
                    },
                    overrides: settings.map(\.text), declaration: declaration))
        }
        return faults.isEmpty ? cells : []
    }

    /// The name of a cell: with the words of its axes, or without them where that is too long.
    private func cellName(_ study: String, _ choice: [Point]) -> String {
        let long = zip(axes, choice).map { $0.word.isEmpty ? $1.label : "\($0.word)-\($1.label)" }
        let name = ([study] + long).joined(separator: "-")
        return name.utf8.count <= 64 ? name : ([study] + choice.map(\.label)).joined(separator: "-")
    }

    /// The words of a value: those of a scalar, or of a list of scalars; nil for anything else.
    private static func label(of value: YAMLNode) -> String? {
        let texts: [String]
        switch value.content {
        case .scalar(let text, _): texts = [text]
        case .sequence(let elements):
            texts = elements.compactMap { if case .scalar(let text, _) = $0.content { text } else { nil } }
            guard texts.count == elements.count else { return nil }
        case .mapping: return nil
        }
        let words = slug(texts.joined(separator: "-"))
        return words.isEmpty ? nil : words
    }

    /// A text as part of a kebab-case name.
    static func slug(_ text: String) -> String {
        var name = ""
        for byte in text.lowercased().utf8 {
            let isWord = (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte)
            if isWord { name.unicodeScalars.append(Unicode.Scalar(byte)) } else if name.last != "-" { name += "-" }
        }
        while name.hasPrefix("-") { name.removeFirst() }
        while name.hasSuffix("-") { name.removeLast() }
        return name
    }
}
