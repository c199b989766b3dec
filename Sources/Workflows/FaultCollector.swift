// FaultCollector: gathers every fault of one reading and puts them in order.

import Faults

/// The faults found while one file (and its overrides) is read. Used by one reading at a time.
public final class FaultCollector {
    /// The most faults a report holds; a further one says how many were left out.
    public static let maximumReported = 100

    private let files: [String]
    private var faults: [Fault] = []

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

    /// Throws everything found, sorted by place, if anything was.
    public func throwIfAny() throws(FaultReport) {
        if faults.isEmpty { return }
        var order: [String: Int] = [:]
        for (index, file) in files.enumerated() where order[file] == nil { order[file] = index }
        let keyed = faults.enumerated().map { index, fault in
            let file = fault.place?.file.flatMap { order[$0] } ?? 0
            return (key: [file, fault.place?.line ?? 0, fault.place?.column ?? 0, index], fault: fault)
        }
        var sorted = keyed.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.fault)
        if sorted.count > Self.maximumReported {
            let rest = sorted.count - Self.maximumReported
            sorted = Array(sorted.prefix(Self.maximumReported))
            sorted.append(.tooManyFaults(rest, file: files.first))
        }
        throw FaultReport(sorted)
    }
}
