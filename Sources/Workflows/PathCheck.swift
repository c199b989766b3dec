// PathCheck: whether the paths that a workflow names exist; a fault is placed where the path is written. The caller says what is on this
// machine; no note is opened.

import Faults
import Federation

/// What is at a path.
public enum PathFinding: Sendable, Equatable {
    case nothing, file
    /// A folder with the names in it.
    case folder([String])
}

/// Checks the paths of a workflow.
public struct PathCheck {
    /// The current folder: names of files and paths given by `--set` are relative to it.
    private let current: String
    /// The names of models that need no path.
    private let models: [String]
    private let look: (String) -> PathFinding

    /// Makes a check. `look` says what is at a path, `models` are the catalogue's names.
    public init(current: String, models: [String], look: @escaping (String) -> PathFinding) {
        self.current = current
        self.models = models
        self.look = look
    }

    /// Adds a fault for every path that does not exist. Where `data_root` is missing, the paths below it are not checked.
    public func check(_ reading: CompositionReading) {
        let roots = reading.paths.filter { $0.role == .dataRoot }
        var folders = roots.map { resolved($0) }
        for (root, folder) in zip(roots, folders) where look(folder) == .nothing {
            reading.faults.add(missing(root, folder, known: []))
        }
        let areThere = folders.allSatisfy { look($0) != .nothing }
        if folders.isEmpty { folders = [self.folder(of: reading.lastFile)] }
        check(reading.paths.filter { areThere || $0.role != .notes }, data: folders, reading.faults)
    }

    private func check(_ paths: [PlacedPath], data: [String], _ faults: FaultCollector) {
        for path in paths {
            switch path.role {
            case .notes:
                // A study may have several roots: the notes must be below at least one of them.
                let places = path.text.hasPrefix("/") ? [path.text] : data.map { "\($0)/\(path.text)" }
                let place = places.first { look($0) != .nothing } ?? places[0]
                switch look(place) {
                case .nothing: faults.add(missing(path, place, known: []))
                case .folder(let names) where names.isEmpty:
                    faults.add(.emptyFolder(path.key, place, at: path.mark.place))
                default: break
                }
            case .template where BuiltInTemplate(rawValue: path.text) == nil:
                let place = resolved(path)
                guard look(place) != .file else { continue }
                faults.add(missing(path, place, known: BuiltInTemplate.allCases.map(\.rawValue)))
            case .model where !models.contains(path.text):
                let place = resolved(path)
                guard look(place) == .nothing else { continue }
                faults.add(missing(path, place, known: models))
            case .template, .model, .dataRoot, .base: break
            }
        }
    }

    private func resolved(_ path: PlacedPath) -> String {
        if path.text.hasPrefix("/") { return path.text }
        return "\(path.mark.isOverride ? current : folder(of: path.mark.source.file))/\(path.text)"
    }

    private func folder(of file: String) -> String {
        let folder = file.lastIndex(of: "/").map { String(file[..<$0]) } ?? ""
        if file.hasPrefix("/") { return folder }
        return folder.isEmpty ? current : "\(current)/\(folder)"
    }

    private func missing(_ path: PlacedPath, _ place: String, known: [String]) -> Fault {
        .missingPath(
            path.key, place,
            hint: Wording.nearest(path.text, among: known)
                ?? known.first { path.text.count > 2 && $0.hasPrefix(path.text) }
                ?? neighbour(of: path.text, at: place),
            known: known, at: path.mark.place)
    }

    /// The path with its first missing part replaced by the nearest name that exists.
    private func neighbour(of text: String, at place: String) -> String? {
        let parts = place.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        for count in 1..<max(2, parts.count) {
            let above = parts[..<count].joined(separator: "/")
            guard case .folder(let names) = look(above.isEmpty ? "/" : above) else { continue }
            guard look(parts[...count].joined(separator: "/")) == .nothing else { continue }
            let position = parts.count - count
            var written = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard let name = Wording.nearest(parts[count], among: names.sorted()), position <= written.count else {
                return nil
            }
            written[written.count - position] = name
            return written.joined(separator: "/")
        }
        return nil
    }
}
