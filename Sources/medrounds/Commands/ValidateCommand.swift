// medrounds validate: what is wrong with a workflow, or with all of a folder, before anything runs.

import ArgumentParser
import AuditCommands
import Faults
import Federation
import Foundation
import ModelShelf
import Workflows

struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Check a workflow file, or all in a folder; every fault at once, with line and column.",
        discussion: """
            The paths of notes, template and model are looked for, and no note is opened. Examples:

              medrounds validate workflows/quickstart.yaml
              medrounds validate workflows --file-only
            """)

    @OptionGroup var source: WorkflowOptions
    @Flag(help: "Check the file alone; do not look whether the paths that it names are there.")
    var fileOnly = false

    func run() throws {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: source.workflow, isDirectory: &isFolder), isFolder.boolValue {
            try checkFolder()
        } else {
            Console.result(try WorkflowValidation(source.workflow, overrides: source.overrides).check(paths: !fileOnly))
        }
    }

    /// Checks every YAML file below the folder, in the order of their paths.
    private func checkFolder() throws {
        let names = (FileManager.default.enumerator(atPath: source.workflow)?.compactMap { $0 as? String } ?? [])
            .filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.sorted()
        guard !names.isEmpty else {
            throw Fault(
                .workflow, "workflow.none", "no .yaml or .yml file is below this folder",
                at: Place(file: source.workflow), mend: "Name a workflow file, or a folder with some.")
        }
        var faults: [Fault] = []
        var passed: [String] = []
        for name in names {
            let path = source.workflow.hasSuffix("/") ? source.workflow + name : "\(source.workflow)/\(name)"
            let validation = WorkflowValidation(path, overrides: source.overrides)
            do {
                guard try validation.form() != .unknown else {
                    passed.append(name)
                    continue
                }
                Console.result(try validation.check(paths: !fileOnly))
            } catch let report as FaultReport {
                faults += report.faults
            } catch let fault as Fault {
                faults.append(fault)
            }
        }
        if !passed.isEmpty {
            Console.result(
                "passed over, for they begin with no key of a workflow or a template: "
                    + passed.map(Place.printable).joined(separator: ", "))
        }
        if !faults.isEmpty { throw FaultReport(faults) }
    }
}

/// The check of one file.
private struct WorkflowValidation {
    let path: String
    let overrides: [String]
    private let current = FileManager.default.currentDirectoryPath

    init(_ path: String, overrides: [String]) {
        self.path = path
        self.overrides = overrides
    }

    private func bytes(_ path: String) throws(Fault) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Fault(
                .workflow, "workflow.missing", "there is no such file", at: Place(file: path),
                mend: "Name a workflow file, such as workflows/quickstart.yaml.")
        }
        return Array(data.prefix(DocumentForm.maximumBytes + 1))
    }

    func form() throws -> DocumentForm { DocumentForm.of(try bytes(path), file: path) }

    /// Checks the file and says in a line what it is.
    func check(paths: Bool) throws -> String {
        let content = try bytes(path)
        if DocumentForm.of(content, file: path) == .template {
            let name = try TemplateCheck.name(content, file: path)
            return "\(Place.printable(path)): valid (template \(name))"
        }
        var parsed: [Override] = []
        var faults: [Fault] = []
        for text in overrides {
            do { parsed.append(try Override(parsing: text)) } catch { faults += error.faults }
        }
        if !faults.isEmpty { throw FaultReport(faults) }
        let reading = CompositionReading(bytes: content, file: path, overrides: parsed) { base throws(Fault) in
            let name = Composition.name(of: base, besides: path)
            return (name, try bytes(name))
        }
        if paths { try pathCheck().check(reading) }
        try reading.throwIfAny()
        guard let composition = reading.composition, let declaration = composition.cells.first?.declaration else {
            return ""
        }
        let steps = declaration.steps.map(\.name).joined(separator: ", ")
        let what =
            composition.isStudy
            ? "study \(declaration.name), \(composition.cells.count) cells: \(composition.cells[0].name), ..."
            : "\(declaration.name), \(declaration.sites.count) sites, \(declaration.rounds) rounds: \(steps)"
        return "\(Place.printable(path)): valid (\(what))"
    }

    private func pathCheck() throws -> PathCheck {
        PathCheck(
            current: current, models: try ModelCatalogue.models(cache: Environment.cache).map(\.name),
            look: { path in
                var isFolder: ObjCBool = false
                guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return .nothing }
                guard isFolder.boolValue else { return .file }
                return .folder((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [])
            })
    }
}
