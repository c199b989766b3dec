// FaultCollector: collects every fault of one reading and sorts them.

import Faults

/// The faults found while one file (and its overrides) is read. Used by one reading at a time.
public final class FaultCollector {
    /// The most faults that a report holds; one more fault says how many were left out.
    public static let maximumReported = 100

    private var files: [String]
    private var faults: [Fault] = []
    /// The paths that the file names, in the order of reading.
    public private(set) var paths: [PlacedPath] = []
    private var sources: [String: YAMLSource] = [:]

    /// Makes an empty collection; faults are sorted by the order of `files`, then by line and column.
    public init(files: [String]) {
        self.files = files
    }

    /// Whether nothing was found.
    public var isEmpty: Bool { faults.isEmpty }
    /// How many were found.
    public var count: Int { faults.count }
    /// Adds one.
    public func add(_ fault: Fault) { faults.append(fault) }
    /// Adds a file to the order of sorting, after the existing ones.
    func add(file: String) { if !files.contains(file) { files.append(file) } }
    /// Takes the faults and paths of another collection, each once.
    func take(_ other: FaultCollector) {
        for fault in other.faults where !faults.contains(fault) { faults.append(fault) }
        for path in other.paths {
            let isKnown = paths.contains {
                $0.key == path.key && $0.text == path.text && $0.mark.line == path.mark.line
                    && $0.mark.column == path.mark.column && $0.mark.source.file == path.mark.source.file
            }
            if !isKnown { paths.append(path) }
        }
    }
    /// Drops all faults and keeps only this one.
    func only(_ fault: Fault) { faults = [fault] }
    /// Adds a `workflow.wrong-type` for the value at a path.
    func wrongType(_ path: String, _ node: YAMLNode, _ expected: String) {
        add(.wrongType(path, is: MappingReader.kind(of: node), expected: expected, at: node.mark.place))
    }
    /// Adds a `workflow.out-of-range` for the number at a path.
    func outOfRange(_ path: String, _ node: YAMLNode, _ allowed: String) {
        guard case .scalar(let text, _) = node.content else { return }
        let found = text.unicodeScalars.count > 40 ? String(text.unicodeScalars.prefix(40)) + "..." : text
        add(.outOfRange(path, is: found, allowed: allowed, at: node.mark.place))
    }
    /// Keeps a path of the file for a later check whether it exists.
    func note(_ path: PlacedPath) { paths.append(path) }
    /// Keeps the text that faults refer to.
    func know(_ source: YAMLSource) { sources[source.file] = source }

    /// Throws all faults, sorted by place, if there are any.
    public func throwIfAny() throws(FaultReport) {
        if faults.isEmpty { return }
        var order: [String: Int] = [:]
        for (index, file) in files.enumerated() where order[file] == nil { order[file] = index }
        let keyed = faults.enumerated().map { index, fault in
            let file = fault.place?.file.flatMap { order[$0] } ?? 0
            return (key: [file, fault.place?.line ?? 0, fault.place?.column ?? 0, index], fault: fault)
        }
        var sorted = keyed.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { namingLookAlike($0.fault) }
        if sorted.count > Self.maximumReported {
            let rest = sorted.count - Self.maximumReported
            sorted = Array(sorted.prefix(Self.maximumReported))
            sorted.append(.tooManyFaults(rest, file: files.first))
        }
        throw FaultReport(sorted)
    }

    /// The fault with the name of the first misleading character in its line or, where the text is not YAML, in the line above, which is
    /// most often the cause.
    private func namingLookAlike(_ fault: Fault) -> Fault {
        guard let file = fault.place?.file, let line = fault.place?.line, let source = sources[file] else {
            return fault
        }
        let lines = fault.code == "workflow.syntax" ? [line, line - 1] : [line]
        for number in lines {
            guard let found = LookAlikes.first(in: source.line(number)) else { continue }
            var fault = fault
            fault.what +=
                "; character \(found.column) of line \(number) is \(LookAlikes.code(found.scalar)) (\(found.name))"
            fault.mend = found.mend
            return fault
        }
        return fault
    }
}
