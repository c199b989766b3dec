// NoteReader: notes without annotation for extraction, from files, folders or standard input; their ids come from their paths.

import Faults
import Federation

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Reads the notes to annotate.
public enum NoteReader {
    /// The most notes that one command takes.
    private static let most = 100_000

    /// The notes at the paths: files, folders with .txt files in them or below, or `-` for standard input, whose id is `stdin`.
    ///
    /// An id is the path without the part that all paths have in common and without `.txt`: `patient-1/note` and `patient-2/note`, but
    /// `note` where one file is named. Codes: `data.missing`, `data.no-documents`, `data.unreadable`, `data.too-large`, `data.utf8`,
    /// `data.document-id`, `data.duplicate-document`.
    public static func notes(at paths: [String], standardInput: () -> [UInt8]? = { nil }) throws(Fault) -> [Document] {
        var files: [(shown: String, parts: [String])] = []
        var bases: [[String]] = []
        var notes: [Document] = []
        for path in paths where path != "-" {
            var isFolder = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { throw .noteMissing(path) }
            let parts = Self.parts(path)
            bases.append(isFolder ? parts : Array(parts.dropLast()))
            guard isFolder else {
                files.append((path, parts))
                continue
            }
            let below = try texts(below: path, under: "", depth: 0)
            guard !below.isEmpty else { throw .noNotes(path) }
            files += below.map { ("\(path)/\($0)", parts + $0.split(separator: "/").map(String.init)) }
            guard files.count <= most else { throw .tooManyNotes(path, limit: most) }
        }
        let shared = bases.first.map { first in bases.dropFirst().reduce(first, common) } ?? []
        var ids: Set<[UInt8]> = []
        for (shown, parts) in files {
            let name = parts.dropFirst(shared.count).joined(separator: "/")
            let id = name.hasSuffix(".txt") ? String(name.dropLast(4)) : name
            guard ids.insert(Array(id.utf8)).inserted else { throw .duplicateDocument(id, file: shown, line: nil) }
            notes.append(try note(CorpusReader.bytes(shown), id: id, at: shown))
        }
        if paths.contains("-") { notes.append(try note(standardInput(), id: "stdin", at: "-")) }
        return notes
    }

    /// One note of these bytes.
    private static func note(_ bytes: [UInt8]?, id: String, at path: String) throws(Fault) -> Document {
        guard CorpusReader.isDocumentID(id) else { throw .documentID(path, line: nil) }
        guard let bytes else { throw .unreadable(path, document: id) }
        guard bytes.count <= CorpusReader.largestDocument else {
            throw .tooLarge(path, document: id, bytes: bytes.count, limit: CorpusReader.largestDocument)
        }
        guard let text = CorpusReader.scalars(bytes) else { throw .notUTF8(path, document: id) }
        return Document(id: id, text: text)
    }

    /// The .txt files of a folder and of those below it, in the order of their bytes.
    private static func texts(below path: String, under: String, depth: Int) throws(Fault) -> [String] {
        let place = under.isEmpty ? path : "\(path)/\(under)"
        guard depth <= 6, let names = try? FileManager.default.contentsOfDirectory(atPath: place) else { return [] }
        var found: [String] = []
        for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) where !name.hasPrefix(".") {
            var isFolder = false
            guard FileManager.default.fileExists(atPath: "\(place)/\(name)", isDirectory: &isFolder) else { continue }
            let inner = under.isEmpty ? name : "\(under)/\(name)"
            if isFolder {
                found += try texts(below: path, under: inner, depth: depth + 1)
            } else if name.hasSuffix(".txt"), !CorpusFolder.isAboutTheCorpus(name) {
                found.append(inner)
            }
            guard found.count <= most else { throw .tooManyNotes(path, limit: most) }
        }
        return found
    }

    /// The parts of a path from the root on, without `.` and `..`: an id must not lead out of a folder of outputs.
    private static func parts(_ path: String) -> [String] {
        let whole = path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
        var parts: [String] = []
        for part in whole.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(String(part)) }
        }
        return parts
    }

    private static func common(_ left: [String], _ right: [String]) -> [String] {
        zip(left, right).prefix { $0 == $1 }.map(\.0)
    }
}

extension Fault {
    fileprivate static func noteMissing(_ path: String) -> Fault {
        Fault(
            .data, "data.missing", "there is no such note", at: Place(file: path),
            mend: "Check the path: a text file, a folder of .txt files, or - for standard input.")
    }

    fileprivate static func noNotes(_ path: String) -> Fault {
        Fault(
            .data, "data.no-documents", "the folder holds no .txt file", at: Place(file: path),
            mend: "Name the notes themselves, or a folder whose notes end in .txt.")
    }

    fileprivate static func tooManyNotes(_ path: String, limit: Int) -> Fault {
        Fault(
            .data, "data.too-large", "there are more than \(limit) notes", at: Place(file: path),
            mend: "Name fewer notes at once.")
    }
}
