// CompositionReading: the chain of `extends` is read and merged, and the cells are made. One reading collects every fault.

import Faults
import Federation

/// One reading of a workflow with its bases.
public struct CompositionReading {
    /// What is wrong; the caller may add to it.
    public let faults: FaultCollector
    /// Nil where something is wrong.
    public private(set) var composition: Composition?
    /// The name of the last file of the chain: where no file says `data_root`, it is that one's folder.
    public let lastFile: String

    /// Reads a workflow without stopping at its faults. `load` gives the bytes of a base by its path from the folder of the first
    /// file, and the name under which faults show it. Without `expands` the matrix is passed over: the overrides hold a cell's
    /// values already. `isNamed` says whether `file` ends with the name that a base could extend.
    public init(
        bytes: [UInt8], file: String, overrides: [Override], expands: Bool = true, isNamed: Bool = true,
        load: (_ path: String) throws(Fault) -> (name: String, bytes: [UInt8])
    ) {
        faults = FaultCollector(files: [])
        var chain = Chain(faults: faults, first: isNamed ? file.split(separator: "/").last.map(String.init) : nil)
        let isWhole = chain.read(bytes, file: file, path: "", load: load)
        lastFile = chain.names.last ?? file
        for override in overrides {
            faults.add(file: override.file)
            faults.know(override.source)
        }
        guard isWhole, var root = chain.merged else { return }
        for override in overrides {
            guard root.pairs != nil else { break }
            do {
                root = try override.apply(to: root)
            } catch {
                faults.add(error)
            }
        }
        guard case .mapping(let pairs) = root.content else { return }
        let studyKeys = Settings.study.keys
        var plain = root
        plain.content = .mapping(pairs.filter { !studyKeys.contains($0.key) })
        let study = pairs.filter { studyKeys.contains($0.key) && $0.key != "extends" }
        var cells: [Composition.Cell] = []
        var comparison: StudyComparison?
        if expands, !study.isEmpty {
            var node = root
            node.content = .mapping(study)
            guard let form = Settings.study.read(node, "", faults) else { return }
            let matrix = Matrix(form, given: overrides.map(\.path), faults: faults)
            cells = matrix.cells(of: plain, faults: faults)
            comparison = form.compare?.checked(cells, axes: matrix.axes.map(\.name), faults: faults)
        } else if let declaration = WorkflowReader.read(plain, faults: faults) {
            cells = [Composition.Cell(name: declaration.name, values: [], overrides: [], declaration: declaration)]
        }
        guard faults.isEmpty, !cells.isEmpty else { return }
        composition = Composition(
            files: chain.files, cells: cells, comparison: comparison, folders: chain.folders(of: plain))
    }

    /// The paths that the files name, in the order of reading.
    public var paths: [PlacedPath] { faults.paths }
    /// Throws every fault found.
    public func throwIfAny() throws(FaultReport) { try faults.throwIfAny() }
}

/// The files of a chain of `extends`.
struct Chain {
    let faults: FaultCollector
    /// The name of the first file, which no base may extend.
    let first: String?
    private(set) var files: [Composition.File] = []
    /// The names under which faults show them.
    private(set) var names: [String] = []
    private var trees: [YAMLNode] = []
    /// The folder of each file by the name under which faults show it.
    private var folderByFile: [String: String] = [:]

    init(faults: FaultCollector, first: String?) {
        self.faults = faults
        self.first = first
    }

    /// Reads a file and those that it extends; false where one cannot be read.
    package mutating func read(
        _ bytes: [UInt8], file: String, path: String,
        load: (String) throws(Fault) -> (name: String, bytes: [UInt8])
    ) -> Bool {
        let folder = Self.folder(of: path)
        faults.add(file: file)
        folderByFile[file] = folder
        names.append(file)
        files.append(Composition.File(path: path, bytes: bytes))
        guard let tree = YAMLReader.compose(bytes: bytes, file: file, form: .workflow, faults: faults) else {
            return false
        }
        trees.append(tree)
        guard let node = tree["extends"] else { return true }
        guard let written = ValueType<String>.path(.base).read(node, "extends", faults) else { return false }
        let next = written.hasPrefix("/") ? written : Self.joined(folder, written)
        guard next != first, !files.contains(where: { $0.path == next }) else {
            faults.add(.extendsCycle(written, at: node.mark.place))
            return false
        }
        guard files.count < Composition.maximumFiles else {
            faults.add(.extendsTooFar(at: node.mark.place))
            return false
        }
        do {
            let base = try load(next)
            return read(base.bytes, file: base.name, path: next, load: load)
        } catch {
            if error.code == "workflow.missing" {
                faults.add(.missingPath("extends", next, hint: nil, known: [], at: node.mark.place))
            } else {
                faults.add(error)
            }
            return false
        }
    }

    /// The trees merged, those of the bases first: mappings merge, all else is replaced.
    var merged: YAMLNode? {
        guard var result = trees.last else { return nil }
        for tree in trees.dropLast().reversed() { result = Self.merge(tree, over: result) }
        return result
    }

    private static func merge(_ upper: YAMLNode, over lower: YAMLNode) -> YAMLNode {
        guard case .mapping(let above) = upper.content, case .mapping(let below) = lower.content else { return upper }
        var pairs = below
        for pair in above {
            if let index = pairs.firstIndex(where: { $0.key == pair.key }) {
                pairs[index] = YAMLPair(
                    key: pair.key, keyMark: pair.keyMark, value: merge(pair.value, over: pairs[index].value))
            } else {
                pairs.append(pair)
            }
        }
        var result = upper
        result.content = .mapping(pairs)
        return result
    }

    /// The folders of the keys that hold paths. `data_root` that no file says is the folder of the last base, which names the notes.
    func folders(of root: YAMLNode) -> [String: String] {
        var folders: [String: String] = [:]
        let nodes = [
            "data_root": root["data_root"], "template": root["template"],
            "\(Settings.modelBase)": root["model"]?["base"],
        ]
        for (key, node) in nodes {
            if let node, let folder = folderByFile[node.mark.source.file] { folders[key] = folder }
        }
        if root["data_root"] == nil, let last = files.last { folders["data_root"] = Self.folder(of: last.path) }
        return folders
    }

    private static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? ""
    }

    /// A path from a folder, without `.` and with `..` taken up where that is possible; by letters alone, links aside.
    static func joined(_ folder: String, _ path: String) -> String {
        var parts: [Substring] = []
        for part in (folder + "/" + path).split(separator: "/") where part != "." {
            if part == "..", let last = parts.last, last != ".." { parts.removeLast() } else { parts.append(part) }
        }
        return (folder.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    }
}
