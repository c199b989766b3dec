// Override: one `--set path=value`, applied to the nodes before they are read, so that the same checks apply.

import Faults

/// One setting that is given on the command line in place of the file's.
public struct Override: Sendable {
    /// The whole argument as given: `adapter.rank=8`.
    public let text: String
    let segments: [(name: String, mark: YAMLMark)]
    let value: YAMLNode
    let source: YAMLSource
    /// The name that faults show for it: `--set adapter.rank=8`.
    let file: String

    /// Reads `path=value`: keys joined by points (a list element by its index, a step also by its name), then a YAML value.
    ///
    /// Throws `usage.set` where the form is wrong, and the YAML layer's faults where the value is not YAML.
    public init(parsing text: String) throws(FaultReport) {
        guard let equals = text.firstIndex(of: "="), text.utf8.count <= YAMLSource.maximumBytes else {
            throw FaultReport([.overrideForm(text)])
        }
        let path = text[..<equals]
        let names = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let legal = names.allSatisfy { name in
            (1...64).contains(name.unicodeScalars.count)
                && name.unicodeScalars.allSatisfy {
                    YAMLSource.isPrintable($0.value) && !LookAlikes.isUnseen($0.value)
                        && !" \t,;()\"".unicodeScalars.contains($0)
                }
        }
        guard legal, names.count <= YAMLReader.maximumDepth else { throw FaultReport([.overrideForm(text)]) }

        // If the value has several lines, only the path is named.
        let isOneLine = text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }
        let file = isOneLine ? "--set \(text)" : "--set \(path)"
        // Blanks in place of the path keep the columns of the value correct.
        let prefix = path.unicodeScalars.count + 1
        let padded = String(repeating: " ", count: prefix) + text[text.index(after: equals)...]
        let faults = FaultCollector(files: [file])
        var value: YAMLNode?
        var source: YAMLSource?
        do {
            let padding = try YAMLSource(bytes: Array(padded.utf8), file: file)
            var shown = padding.lines
            if !shown.isEmpty { shown[0] = "\(text[...equals])\(String(shown[0].unicodeScalars.dropFirst(prefix)))" }
            let visible = YAMLSource(shown: shown, bytes: padding.bytes, file: file, isOverride: true)
            source = visible
            faults.know(visible)
            value = try YAMLReader.compose(visible, faults: faults)
        } catch {
            faults.add(error)
        }
        try faults.throwIfAny()
        guard let source else { throw FaultReport([.overrideForm(text)]) }
        var column = 1
        var segments: [(name: String, mark: YAMLMark)] = []
        for name in names {
            segments.append((name, YAMLMark(source: source, line: 1, column: column)))
            column += name.unicodeScalars.count + 1
        }
        self.text = text
        self.file = file
        self.segments = segments
        self.source = source
        self.value =
            value ?? YAMLNode(.scalar("", plain: true), mark: YAMLMark(source: source, line: 1, column: column))
    }

    /// The dotted path.
    var path: String { segments.map(\.name).joined(separator: ".") }

    /// A setting that a file contains: its faults are placed in that file. The text is the same as `--set` would take.
    init(path: String, mark: YAMLMark, value: YAMLNode) {
        text = "\(path)=\(value.flow)"
        file = mark.source.file
        source = mark.source
        segments = path.split(separator: ".", omittingEmptySubsequences: false).map { (String($0), mark) }
        self.value = value
    }

    /// The tree with the value inserted; missing mappings on the way are created.
    func apply(to root: YAMLNode) throws(Fault) -> YAMLNode { try put(into: root, segments[...], path: "") }

    private typealias Segments = ArraySlice<(name: String, mark: YAMLMark)>

    private func put(into node: YAMLNode, _ rest: Segments, path: String) throws(Fault) -> YAMLNode {
        guard let segment = rest.first else { return value }
        var result = node
        switch node.content {
        case .mapping(var pairs):
            let deeper = path.isEmpty ? segment.name : "\(path).\(segment.name)"
            if let index = pairs.firstIndex(where: { $0.key == segment.name }) {
                pairs[index].value = try put(into: pairs[index].value, rest.dropFirst(), path: deeper)
            } else {
                let empty = YAMLNode(.mapping([]), mark: segment.mark)
                let made = try put(into: empty, rest.dropFirst(), path: deeper)
                pairs.append(YAMLPair(key: segment.name, keyMark: segment.mark, value: made))
            }
            result.content = .mapping(pairs)
        case .sequence(var elements):
            let index = try position(of: segment, in: elements, path: path)
            // A step that is chosen by its name is reached through its own key.
            let next = Int(segment.name) == nil ? rest : rest.dropFirst()
            elements[index] = try put(into: elements[index], next, path: path)
            result.content = .sequence(elements)
        case .scalar(let text, _):
            // A step without settings, or a key without a value, becomes a mapping.
            guard node.isNull || text == segment.name else {
                throw .overridePath(
                    "\(path) is \(MappingReader.kind(of: node)), so it has no key \(Wording.shown(segment.name))",
                    at: segment.mark.place, mend: "Set \(path) itself, or correct the path.")
            }
            result.content = .mapping([])
            result.mark = segment.mark
            return try put(into: result, rest, path: path)
        }
        return result
    }

    private func position(
        of segment: (name: String, mark: YAMLMark), in elements: [YAMLNode], path: String
    ) throws(Fault) -> Int {
        if let index = Int(segment.name) {
            guard elements.indices.contains(index) else {
                throw .overridePath(
                    "\(path) has \(elements.count) elements, so there is no element \(index)", at: segment.mark.place,
                    mend: "Count the elements from 0.")
            }
            return index
        }
        let names = elements.map { element -> String? in
            switch element.content {
            case .scalar(let text, _): text
            case .mapping(let pairs): pairs.count == 1 ? pairs[0].key : nil
            case .sequence: nil
            }
        }
        let found = names.indices.filter { names[$0] == segment.name }
        guard let first = found.first else {
            throw .overridePath(
                "\(path) has no element named \(Wording.shown(segment.name))"
                    + Wording.hint(segment.name, among: names.compactMap { $0 }),
                at: segment.mark.place, mend: "Use the name of a step of the file, or an index counted from 0.")
        }
        guard found.count == 1 else {
            throw .overridePath(
                "\(path) has \(found.count) elements named \(Wording.shown(segment.name))", at: segment.mark.place,
                mend: "Use the index, counted from 0, such as \(path).\(first).\(segment.name).")
        }
        return first
    }
}
