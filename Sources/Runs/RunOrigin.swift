// RunOrigin: how a run was asked for on this machine: the workflow's path, its overrides, the model cache. Kept in the work
// folder, never in the ledger, so that replay and extract find notes and model again where the run was made.

import Faults
import Federation
import Foundation
import GitLedger
import LocalFiles
import RunRecords
import Workflows

/// What a person named on the command line.
public struct RunOrigin: Sendable, Equatable {
    /// The workflow file.
    public var workflow: String
    /// The `--set` arguments in order.
    public var overrides: [String]
    /// The folder of base models.
    public var cache: String
    /// The folder the person stood in: paths given by `--set` are relative to it.
    public var current: String
    /// Where the notes lie on this machine, in place of the workflow's `data_root`; changes no plan.
    public var dataRoot: String?

    /// Makes an origin.
    public init(workflow: String, overrides: [String], cache: String, current: String, dataRoot: String? = nil) {
        self.workflow = workflow
        self.overrides = overrides
        self.cache = cache
        self.current = current
        self.dataRoot = dataRoot
    }

    /// Reads the workflow. Throws every fault of the file and the overrides at once, or `workflow.missing`.
    public func declaration() throws -> (bytes: [UInt8], declaration: FederationDeclaration) {
        let bytes = try LocalFile.read(
            absolute(workflow), kind: .workflow, code: "workflow.missing",
            mend: "Name a workflow file, such as workflows/quickstart.yaml.")
        return (bytes, try PlanMaker.declaration(workflow: bytes, file: workflow, overrides: overrides))
    }

    /// The folder that paths written in the workflow are relative to.
    package var folder: String { (absolute(workflow) as NSString).deletingLastPathComponent }

    /// A path of the workflow on this machine. One given by `--set` of that key is relative to the current folder.
    func path(_ written: String, key: String) -> String {
        if key == "data_root", let dataRoot { return dataRoot.hasPrefix("/") ? dataRoot : "\(current)/\(dataRoot)" }
        if written.hasPrefix("/") { return written }
        let isOverridden = overrides.contains { $0.hasPrefix("\(key)=") }
        return "\(isOverridden ? current : folder)/\(written)"
    }

    private func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "\(current)/\(path)" }

    // MARK: Kept beside the run

    /// Keeps the origin in the run's work folder.
    func keep(for run: RunName, workspace: Workspace) throws(Fault) {
        let json: JSONValue = [
            "workflow": .string(absolute(workflow)), "overrides": .array(overrides.map { .string($0) }),
            "current": .string(current),
        ]
        try LocalFile.write(json.canonical, to: Self.file(run, workspace))
    }

    /// How the run was asked for: from its work folder, or from a workflow file named now with the overrides of the plan.
    public static func of(
        _ run: RunName, workspace: Workspace, workflow: String?, cache: String, current: String, ledger: Ledger
    ) throws(Fault) -> RunOrigin {
        if let workflow {
            let plan = try CommittedPlan(of: run, in: ledger).plan
            return RunOrigin(workflow: workflow, overrides: plan.overrides, cache: cache, current: current)
        }
        let path = file(run, workspace)
        guard let bytes = LocalFile.readIfPresent(path) else {
            throw Fault(
                .usage, "run.no-origin", "this machine does not know where the notes and the model of \(run) lie",
                at: Place(file: path), mend: "Name the workflow file with --workflow.")
        }
        let json = try RecordReader(parsing: bytes, path: path)
        return RunOrigin(
            workflow: try json.text("workflow"), overrides: json["overrides"]?.elements?.compactMap(\.text) ?? [],
            cache: cache,
            current: try json.text("current"))
    }

    private static func file(_ run: RunName, _ workspace: Workspace) -> String {
        "\(workspace.work)/\(run)/origin.json"
    }
}
