// What several suites need: the development corpora, a small template, temporary folders and seeded numbers.

import Extraction
import Faults
import Federation
import Foundation
import TestSupport
import Testing

/// The development data beside the checkout, where it is present.
enum Shared {
    static let clinical = sharedFolder("data/clinical")
    static func path(_ name: String) -> String { "\(clinical ?? "")/\(name)" }
}

func scalars(_ text: String) -> [Unicode.Scalar] { Array(text.unicodeScalars) }
func string(_ scalars: some Sequence<Unicode.Scalar>) -> String { String(scalars: scalars) }

/// A temporary folder that is removed when the closure returns.
func withFolder<T>(_ files: [String: [UInt8]], _ body: (String) throws -> T) throws -> T {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("extraction-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for (name, bytes) in files {
        let file = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
    }
    return try body(folder.path)
}

/// The codes of the faults found when these files are read, with the documents they name; empty where there are none.
func faults(_ files: [String: String], jsonl: Bool = false) throws -> [String] {
    try withFolder(files.mapValues { Array($0.utf8) }) { folder in
        do {
            _ = try CorpusReader.read(path: jsonl ? "\(folder)/\(files.keys.sorted()[0])" : folder)
            return []
        } catch let report as FaultReport {
            return report.faults.map { [$0.code, $0.place?.document].compactMap { $0 }.joined(separator: " ") }
        }
    }
}

enum Templates {
    static func type(_ name: String, heads: [String] = []) -> JSONValue {
        var members: [String: JSONValue] = ["name": .string(name), "definition": .string("what \(name) means")]
        if !heads.isEmpty { members["heads"] = .array(heads.map { .string($0) }) }
        return .object(members)
    }
    static let json: JSONValue = [
        "version": 1, "name": "small", "end": "<|end|>",
        "layout": "### Task\n{task}\n### Types\n{types}\n### Input\n{input}\n### Output\n",
        "tasks": [
            "ner": [
                "instruction": "Mark.\n", "types": [type("problem"), type("treatment"), type("test"), type("drug")],
            ],
            "re": [
                "instruction": "Mark modifiers.",
                "types": [type("bodyloc", heads: ["problem", "test"]), type("dosage", heads: ["drug"])],
            ],
        ],
    ]
    static func small() throws -> PromptTemplate { try PromptTemplate(json: json, file: "small.yaml") }
}
