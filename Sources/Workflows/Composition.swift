// Composition: a workflow with the files it extends, merged, and the cells of its matrix, each a declaration of its own.

import Faults
import Federation

/// A workflow or a study, composed from its files. Composing again from the same bytes gives the same.
public struct Composition: Sendable {
    /// A file as it was read.
    public struct File: Sendable, Equatable {
        /// The path as the files write it, from the folder of the first one; empty for the first one itself.
        public var path: String
        /// Its bytes.
        public var bytes: [UInt8]
    }

    /// One run of a study.
    public struct Cell: Sendable {
        /// The name of its run: the study's name and a word for each axis, kebab-case.
        public var name: String
        /// The value of each axis in words, in the order of the axes.
        public var values: [AxisValue]
        /// What makes this cell of the merged workflow, as `--set` takes it; the `--set` arguments given come before these.
        public var overrides: [String]
        /// The cell's workflow with every default.
        public var declaration: FederationDeclaration
    }

    /// An axis and where a cell is on it.
    public struct AxisValue: Sendable, Hashable {
        /// The dotted key, or the name of an axis whose points set several keys.
        public var axis: String
        /// The value in YAML on one line, or the name of the point.
        public var value: String
        /// Whether the axis is one of `repeat`, over which results are pooled.
        public var isRepeat: Bool
    }

    /// The most cells of a study.
    public static let maximumCells = 4_096
    /// The most files of a chain of `extends`.
    public static let maximumFiles = 16

    /// The files by position: the first is the workflow, each next one the file that the one before it extends.
    public var files: [File]
    /// The cells, in the order in which they run; exactly one, without axes, where the workflow is no study.
    public var cells: [Cell]
    /// What is compared, where the study says it.
    public var comparison: StudyComparison?
    /// The folders, relative to that of the first file, that the paths of `data_root`, `template` and `model.base` are relative
    /// to, by key. A key that no file says is not there.
    public var folders: [String: String]

    /// Whether the workflow has a matrix or repetitions.
    public var isStudy: Bool { cells.count != 1 || !cells[0].values.isEmpty }

    /// Reads a workflow and the files that it extends. `load` gives the name and the bytes of a file by its path from the folder of
    /// the first one.
    ///
    /// Throws every fault at once, each placed in the file that said it.
    public static func read(
        bytes: [UInt8], file: String, overrides: [Override] = [],
        load: (_ path: String) throws(Fault) -> (name: String, bytes: [UInt8])
    ) throws(FaultReport) -> Composition {
        let reading = CompositionReading(bytes: bytes, file: file, overrides: overrides, load: load)
        try reading.throwIfAny()
        guard let composition = reading.composition else { throw FaultReport([.empty(at: Place(file: file))]) }
        return composition
    }

    /// Composes again from the bytes of the files by position, as a ledger holds them: `workflow/0.yaml` and so on.
    ///
    /// Throws `workflow.other-files` where the chain of `extends` is longer or shorter than the files given.
    public static func again(files: [[UInt8]], overrides: [Override] = []) throws(FaultReport) -> Composition {
        try again(files, overrides, expands: true)
    }

    /// The one declaration of files and overrides, those of a cell included: what a run of the cell and its check both read.
    public static func declaration(
        files: [[UInt8]], overrides: [String]
    ) throws(FaultReport) -> FederationDeclaration {
        var parsed: [Override] = []
        var faults: [Fault] = []
        for text in overrides {
            do { parsed.append(try Override(parsing: text)) } catch { faults += error.faults }
        }
        guard faults.isEmpty else { throw FaultReport(faults) }
        return try again(files, parsed, expands: false).cells[0].declaration
    }

    private static func again(
        _ files: [[UInt8]], _ overrides: [Override], expands: Bool
    ) throws(FaultReport) -> Composition {
        guard let first = files.first else { throw FaultReport([.otherFiles(0, at: nil)]) }
        var next = 1
        let reading = CompositionReading(
            bytes: first, file: name(0), overrides: overrides, expands: expands, isNamed: false
        ) { _ throws(Fault) in
            guard next < files.count else { throw .otherFiles(files.count, at: Place(file: name(next - 1))) }
            next += 1
            return (name(next - 1), files[next - 1])
        }
        try reading.throwIfAny()
        guard next == files.count, let composition = reading.composition else {
            throw FaultReport([.otherFiles(files.count, at: Place(file: name(next)))])
        }
        return composition
    }

    /// The name of a base whose path is from the folder of a file, as a person in that file's place would write it.
    public static func name(of path: String, besides file: String) -> String {
        if path.hasPrefix("/") { return path }
        return Chain.joined(file.lastIndex(of: "/").map { String(file[...$0]) } ?? "", path)
    }

    /// The path of a file in a ledger, by position.
    public static func name(_ position: Int) -> String { "workflow/\(position).yaml" }
}

/// What a study compares, where it says so.
public struct StudyComparison: Sendable, Hashable {
    /// The axis values of the cells that others are compared with; empty where none is named.
    public var baseline: [String: String] = [:]
    /// The figures, in the order of the file.
    public var metrics: [StudyMetric] = []
    /// The cohorts; empty for all.
    public var cohorts: [String] = []
}

/// A figure that a study compares.
public enum StudyMetric: String, Sendable, CaseIterable {
    case strictF1 = "strict_f1"
    case strictPrecision = "strict_precision"
    case strictRecall = "strict_recall"
    case lenientF1 = "lenient_f1"
    case lenientPrecision = "lenient_precision"
    case lenientRecall = "lenient_recall"
}
