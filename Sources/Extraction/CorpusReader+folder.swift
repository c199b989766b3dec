// What is at the path of a corpus: the form of its files, the files that do not belong to it, and the ids that the documents get from their
// paths.

import Faults
import Federation

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension CorpusReader {
    /// How many levels of folders are read below the named one: a corpus is not a whole disk.
    private static let deepest = 6
    private static let mostFiles = 200_000
    private static let splits: Set<String> = [
        "train", "training", "test", "testing", "dev", "devel", "development", "valid", "validation", "val", "eval",
        "evaluation", "trial",
    ]

    /// The documents at the path, whatever its form; faults and counts go to `reading`.
    static func documents(_ path: String, _ reading: inout CorpusReading) -> [Document] {
        var isFolder = false
        guard Self.exists(path, isFolder: &isFolder) else {
            reading.faults.add(.corpusMissing(path))
            return []
        }
        guard isFolder else { return file(path, &reading) }
        var folder = CorpusFolder()
        if let names = splitNames(below: path) {
            reading.faults.add(.splits(path, names: names))
            return []
        }
        list(path, below: "", depth: 0, into: &folder, &reading)
        return documents(of: folder, at: path, &reading)
    }

    /// A file that the person named directly.
    private static func file(_ path: String, _ reading: inout CorpusReading) -> [Document] {
        let name = path.utf8.split(separator: 0x2f).last.map { String($0) ?? "" } ?? ""
        let ending = Self.ending(of: name)
        let id = String(name.dropLast(ending.count))
        // A file that is named directly may have its ending in upper or lower case.
        switch ending.lowercased() {
        case ".jsonl":
            // The limit of a document holds for each line; the file as a whole has no limit.
            guard let bytes = load(path, nil, limit: .max, &reading) else { return [] }
            return jsonLines(bytes, file: path, reading: &reading)
        case ".json":
            guard let bytes = load(path, nil, limit: .max, &reading) else { return [] }
            return bioc(bytes, file: path, reading: &reading)
        case ".bio", ".conll", ".iob", ".iob2", ".tsv":
            guard isDocumentID(id) else {
                reading.faults.add(.documentID(path, line: nil))
                return []
            }
            reading.faults.document = id
            defer { reading.faults.document = nil }
            guard let bytes = load(path, id, &reading) else { return [] }
            let form = ending.lowercased() == ".bio" ? TokenLines.pairs : .columns
            let found = tokens(id: id, lines: bytes, file: path, form: form, reading: &reading)
            return form == .pairs ? found : found.filter { !$0.text.isEmpty }
        case ".xml":
            reading.faults.add(
                .otherForm(
                    path, "an .xml file is not read; BioC is read in its JSON form",
                    mend:
                        "Convert BioC XML to BioC JSON (bconv and the bioc package of PyPI do that) and name the .json file."
                ))
        case ".txt", ".ann", ".a1", ".a2":
            reading.faults.add(
                .otherForm(
                    path, "a single \\(ending) file is not a corpus".replacing("\\(ending)", with: ending),
                    mend: "Name the folder that holds the .txt and .ann pairs."))
        default: reading.faults.add(.corpusMissing(path))
        }
        return []
    }

    private static func exists(_ path: String, isFolder: inout Bool) -> Bool {
        FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    }

    /// The names of sub-folders that look like parts of a split, if there are several.
    private static func splitNames(below path: String) -> [String]? {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else { return nil }
        guard !names.contains(where: { CorpusFolder.isPart($0) }) else { return nil }
        let found = names.filter { name in
            var isFolder = false
            return splits.contains(name.lowercased()) && exists("\(path)/\(name)", isFolder: &isFolder) && isFolder
        }
        return found.count > 1 ? found.sorted() : nil
    }

    /// Lists a folder. Sub-folders are read only where the folder itself holds no notes.
    private static func list(
        _ path: String, below: String, depth: Int, into folder: inout CorpusFolder, _ reading: inout CorpusReading
    ) {
        let place = below.isEmpty ? path : "\(path)/\(below)"
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: place) else {
            reading.faults.add(.unreadable(place, document: nil))
            return
        }
        var folders: [String] = []
        var hasNotes = false
        for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) where !name.hasPrefix(".") {
            var isFolder = false
            _ = exists("\(place)/\(name)", isFolder: &isFolder)
            if isFolder {
                folders.append(name)
            } else if CorpusFolder.isPart(name) {
                hasNotes = true
                folder.add(name, below: below)
            } else {
                reading.tally.passOver(below.isEmpty ? name : "\(below)/\(name)", CorpusFolder.reason(for: name))
            }
        }
        for name in folders {
            let inner = below.isEmpty ? name : "\(below)/\(name)"
            if hasNotes || depth >= deepest || folder.count > mostFiles {
                reading.tally.passOver("\(inner)/", hasNotes ? "a folder beside notes" : "a folder too deep")
            } else {
                list(path, below: inner, depth: depth + 1, into: &folder, &reading)
            }
        }
    }

    private static func documents(
        of folder: CorpusFolder, at path: String, _ reading: inout CorpusReading
    ) -> [Document] {
        let hasPairs = folder.stems.values.contains { $0.annotation != nil || $0.tagged == nil && $0.text != nil }
        let hasAnnotation = folder.stems.values.contains { $0.annotation != nil }
        let hasTags = folder.stems.values.contains { $0.tagged != nil }
        if hasTags && hasAnnotation { reading.faults.add(.mixedForms(path)) }
        var documents: [Document] = []
        for id in folder.stems.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            guard let files = folder.stems[id] else { continue }
            guard isDocumentID(id) else {
                reading.faults.add(.documentID(path, line: nil))
                continue
            }
            reading.faults.document = id
            defer { reading.faults.document = nil }
            if files.hasTwin {
                reading.faults.add(.duplicateDocument(id, file: path, line: nil))
            } else if hasTags {
                guard let name = files.tagged else { continue }
                documents += tagged("\(path)/\(name)", id: id, &reading)
            } else if hasPairs, let document = pair(files, id: id, in: path, &reading) {
                documents.append(document)
            }
        }
        // Files of whole collections are read only where there is nothing else.
        guard !hasPairs && !hasTags else {
            for name in folder.collections { reading.tally.passOver(name, "a collection beside notes") }
            return documents
        }
        for name in folder.collections {
            guard let bytes = load("\(path)/\(name)", nil, limit: .max, &reading) else { continue }
            documents +=
                name.hasSuffix("l")
                ? jsonLines(bytes, file: "\(path)/\(name)", reading: &reading)
                : bioc(bytes, file: "\(path)/\(name)", reading: &reading)
        }
        return documents
    }

    private static func tagged(_ file: String, id: String, _ reading: inout CorpusReading) -> [Document] {
        guard let bytes = load(file, id, &reading) else { return [] }
        let form = file.hasSuffix(".bio") ? TokenLines.pairs : .columns
        return tokens(id: id, lines: bytes, file: file, form: form, reading: &reading)
    }

    private static func pair(
        _ files: CorpusFolder.Files, id: String, in path: String, _ reading: inout CorpusReading
    ) -> Document? {
        guard let text = files.text else {
            let name = files.annotation ?? "\(id).ann"
            reading.faults.add(.unpaired("\(path)/\(name)", document: id, missing: ".txt"))
            return nil
        }
        guard let annotation = files.annotation else {
            if files.isSharedTask {
                reading.faults.add(.sharedTask("\(path)/\(text)", document: id))
            } else if CorpusFolder.isAboutTheCorpus(text) {
                reading.tally.passOver(text, "a text about the corpus, without .ann")
            } else {
                reading.faults.add(.unpaired("\(path)/\(text)", document: id, missing: ".ann"))
            }
            return nil
        }
        if !text.dropLast(4).utf8.elementsEqual(annotation.dropLast(4).utf8) { reading.tally.mixedNames += 1 }
        guard let note = load("\(path)/\(text)", id, &reading),
            let lines = load("\(path)/\(annotation)", id, &reading)
        else { return nil }
        return brat(id: id, text: note, annotation: lines, file: "\(path)/\(annotation)", reading: &reading)
    }

    /// The last ending of a name with its dot, or an empty string.
    static func ending(of name: String) -> String {
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "" }
        return String(name[dot...])
    }
}

/// The files of a folder that are part of a corpus, by the ids of their documents.
struct CorpusFolder {
    /// The files of one document: their paths below the folder.
    struct Files {
        var text: String?
        var annotation: String?
        var tagged: String?
        var isSharedTask = false
        /// Whether a second file of the same kind has the same name except for composed and decomposed letters.
        var hasTwin = false
    }

    /// By id: the path below the folder without its ending. Keys that differ only in how letters are composed count as one.
    private(set) var stems: [String: Files] = [:]
    /// .json and .jsonl files, each of which may hold several documents.
    private(set) var collections: [String] = []
    private(set) var count = 0

    private static let tokenEndings: Set<String> = [".bio", ".conll", ".iob", ".iob2"]

    static func isPart(_ name: String) -> Bool {
        let ending = CorpusReader.ending(of: name)
        return [".txt", ".ann", ".a1", ".a2", ".json", ".jsonl"].contains(ending) || tokenEndings.contains(ending)
    }

    /// Why a file does not belong to a corpus.
    static func reason(for name: String) -> String {
        let ending = CorpusReader.ending(of: name)
        if isPart(name.lowercased()) { return "ends in \(ending), not \(ending.lowercased())" }
        if ending == ".xml" { return "XML is not read; BioC is read as JSON" }
        return ending.isEmpty ? "no ending" : "ends in \(ending.prefix(12))"
    }

    /// README.txt and similar: a .txt file without .ann that is not a note.
    static func isAboutTheCorpus(_ path: String) -> Bool {
        let name = (path.split(separator: "/").last.map(String.init) ?? path).lowercased()
        return [
            "readme", "read_me", "licence", "license", "copying", "changes", "changelog", "citation", "notice",
            "authors",
        ]
        .contains { name.hasPrefix($0) }
    }

    mutating func add(_ name: String, below: String) {
        count += 1
        let path = below.isEmpty ? name : "\(below)/\(name)"
        let ending = CorpusReader.ending(of: name)
        if ending == ".json" || ending == ".jsonl" {
            collections.append(path)
            return
        }
        let stem = String(path.dropLast(ending.count))
        var files = stems[stem] ?? Files()
        switch ending {
        case ".txt": if files.text == nil { files.text = path } else { files.hasTwin = true }
        case ".ann": if files.annotation == nil { files.annotation = path } else { files.hasTwin = true }
        case ".a1", ".a2": files.isSharedTask = true
        default: if files.tagged == nil { files.tagged = path } else { files.hasTwin = true }
        }
        stems[stem] = files
    }
}
