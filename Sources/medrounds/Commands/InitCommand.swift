// medrounds init: a commented workflow for a folder of notes, to begin with. What the folder holds is found by names and labels.

import ArgumentParser
import AuditCommands
import Faults
import Foundation

struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Write a commented workflow for a folder of annotated notes.",
        discussion: """
            Folders of BRAT pairs (.txt and .ann), .bio files and .jsonl files are found down to four levels. What is below a
            folder train, test or validation is used for that; a folder or a file that is none of these is trained on.
            Example:

              medrounds init notes && medrounds validate notes/workflow.yaml && medrounds run notes/workflow.yaml
            """)

    @Argument(help: "The folder of notes.", completion: .directory)
    var folder = "."
    @Option(help: ArgumentHelp("The file to write (default: workflow.yaml in that folder).", valueName: "path"))
    var output: String?

    func run() throws {
        let manager = FileManager.default
        var isFolder: ObjCBool = false
        guard manager.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
            throw Fault(
                .usage, "init.no-folder", "there is no such folder", at: Place(file: folder),
                mend: "Name the folder that holds the notes.")
        }
        let path = output ?? (folder == "." ? "workflow.yaml" : "\(folder)/workflow.yaml")
        guard !manager.fileExists(atPath: path) else {
            throw Fault(
                .usage, "init.exists", "a file is already there", at: Place(file: path),
                mend: "Name another file with --output, or move this one away.")
        }
        let absolute = URL(fileURLWithPath: folder).standardizedFileURL.path
        let beside = URL(fileURLWithPath: path).standardizedFileURL.deletingLastPathComponent().path
        let sources = NotesFinder(root: absolute).sources()
        guard sources.contains(where: { $0.use == .train }) else {
            throw Fault(
                .data, "init.no-notes",
                sources.isEmpty
                    ? "no annotated notes are below this folder"
                    : "all notes below this folder are for tests or validation; none are left to train on",
                at: Place(file: folder),
                mend:
                    "Put .txt files with their .ann files, .bio or .jsonl files there, those to train on in a folder train."
            )
        }
        let draft = WorkflowDraft(
            name: (absolute as NSString).lastPathComponent, dataRoot: Self.relative(absolute, to: beside),
            sources: sources)
        guard manager.createFile(atPath: path, contents: Data(draft.text.utf8)) else {
            throw Fault(
                .failed, "init.not-writable", "the file cannot be written", at: Place(file: path),
                mend: "Name a file in a folder that you may write to with --output.")
        }
        let count = draft.sites.count
        Console.result(
            "\(Place.printable(path)): written, \(count) \(count == 1 ? "site" : "sites"), \(draft.cohorts.count) \(draft.cohorts.count == 1 ? "cohort" : "cohorts")"
        )
        Console.result("Next: medrounds validate \(Place.printable(path))")
    }

    /// A path from one folder to another; absolute where they share nothing but the root.
    static func relative(_ path: String, to folder: String) -> String {
        let target = path.split(separator: "/")
        let start = folder.split(separator: "/")
        let shared = zip(target, start).prefix { $0 == $1 }.count
        guard shared > 0 || path == folder else { return path }
        let parts = Array(repeating: "..", count: start.count - shared) + target[shared...].map(String.init)
        return parts.isEmpty ? "." : parts.joined(separator: "/")
    }
}

/// Finds annotated notes by the names of files, and their labels in BRAT files. No text of a note is kept.
struct NotesFinder {
    enum Use { case train, test, validation }

    struct Source {
        /// Below the root; empty where the root itself holds the notes.
        var path: String
        var use: Use
        /// What the notes belong to: the path without train and test.
        var owner: String
        /// The labels of its marks, sorted; nil where the form is not BRAT.
        var labels: [String]?
    }

    let root: String
    private static let uses: [String: Use] = [
        "train": .train, "training": .train, "test": .test, "testing": .test, "eval": .test, "validation": .validation,
        "valid": .validation, "val": .validation, "dev": .validation, "devel": .validation,
    ]

    func sources() -> [Source] { look("", depth: 0) }

    private func look(_ path: String, depth: Int) -> [Source] {
        let folder = path.isEmpty ? root : "\(root)/\(path)"
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
            .filter { !$0.hasPrefix(".") }.sorted()
        var found: [Source] = []
        let stems = Set(names.filter { $0.hasSuffix(".txt") }.map { $0.dropLast(4) })
        let annotations = names.filter { $0.hasSuffix(".ann") && stems.contains($0.dropLast(4)) }
        if !annotations.isEmpty {
            found.append(source(path, labels: labels(annotations.map { "\(folder)/\($0)" })))
        } else if names.contains(where: { $0.hasSuffix(".bio") }) {
            found.append(source(path, labels: nil))
        }
        for name in names where name.hasSuffix(".jsonl") {
            found.append(source(path.isEmpty ? name : "\(path)/\(name)", labels: nil))
        }
        guard depth < 4, found.count < 1000 else { return found }
        for name in names {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: "\(folder)/\(name)", isDirectory: &isFolder),
                isFolder.boolValue
            else { continue }
            found += look(path.isEmpty ? name : "\(path)/\(name)", depth: depth + 1)
        }
        return found
    }

    private func source(_ path: String, labels: [String]?) -> Source {
        var use = Use.train
        var owner: [String] = []
        for part in path.split(separator: "/") {
            let word = part.hasSuffix(".jsonl") ? String(part.dropLast(6)) : String(part)
            if let known = Self.uses[word.lowercased()] { use = known } else { owner.append(word) }
        }
        return Source(path: path, use: use, owner: owner.joined(separator: "-"), labels: labels)
    }

    /// The labels of the marks in the first files of a folder.
    private func labels(_ paths: [String]) -> [String] {
        var labels: Set<String> = []
        for path in paths.prefix(500) {
            guard let data = FileManager.default.contents(atPath: path), data.count < 1 << 22 else { continue }
            for line in String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline) {
                guard line.hasPrefix("T") else { continue }
                let fields = line.split(separator: "\t", maxSplits: 2)
                guard fields.count == 3, let label = fields[1].split(separator: " ").first, label.utf8.count <= 64
                else {
                    continue
                }
                labels.insert(String(label))
            }
        }
        return labels.sorted()
    }
}
