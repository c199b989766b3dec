// RunExport: a run as a folder that other tools accept: the files as committed, a Workflow Run RO-Crate that describes them, and an
// in-toto statement about the adapter, signed on request. Read from the ledger alone, so that the same ledger gives the same bytes.

import Digests
import Faults
import Federation
import Foundation
import GitLedger
import Identities
import LocalFiles
import RunRecords
import Workflows

/// An export of one run.
public struct RunExport {
    /// A committed file, or a file made for the export.
    struct ExportedFile {
        var path: String
        var bytes: [UInt8]
        var digest: Digest
    }

    /// The names of the two descriptions within the folder.
    static let crate = "ro-crate-metadata.json"
    static let statement = "provenance.intoto.json"
    static let readme = "README.md"
    /// Of a signed export: the statement in its envelope, and the public key that signed it.
    static let envelope = "provenance.intoto.jsonl"
    static let publicKey = "provenance.pub.pem"

    let report: RunReport
    let run: RunName
    /// Workflow, template, plan, the published adapter, and every record, in path order.
    let committed: [ExportedFile]
    /// What the person states about the right to use the run; a URL or a phrase.
    let license: String
    /// Who signs the statement; nil where nobody was asked to.
    private let key: SSHSigner?

    package var plan: Plan { report.plan }

    /// Reads a finished or unfinished run. With a key the statement is signed too. Throws `run.missing`, `keys.not-allowed` for a key that the
    /// ledger's own list does not allow as a coordinator now, or what is wrong with a record.
    public init(run: RunName, ledger: Ledger, license: String, key: SSHSigner? = nil) throws(Fault) {
        self.run = run
        self.license = license
        self.key = key
        if let key, let signers = try Identities.read(ledger)?.signers {
            let now = Int64(Date().timeIntervalSince1970)
            if let flaw = signers.flaw(of: key.publicKey, for: [.coordinator], at: now) { throw .notAllowed(flaw) }
        }
        report = try RunReport(run: run, ledger: ledger)
        let tip = try CommittedPlan(of: run, in: ledger).tip
        var files: [ExportedFile] = []
        for entry in try ledger.files(of: tip) {
            let isRecord = entry.path.hasPrefix("rounds/") && entry.path.hasSuffix("/record.json")
            let isTop = [RunPath.workflow, RunPath.template, RunPath.plan, RunPath.global].contains(entry.path)
            guard isRecord || isTop, let bytes = try ledger.file(entry.path, of: tip) else { continue }
            files.append(ExportedFile(path: entry.path, bytes: bytes, digest: Digest.sha256(bytes)))
        }
        committed = files
    }

    /// Every file of the folder with its path in it. Throws `keys.not-signed` and `keys.agent`.
    public func files() throws(Fault) -> [(path: String, bytes: [UInt8])] {
        let statement = statementJSON.canonical
        var made: [(path: String, bytes: [UInt8])] = [(Self.readme, readmeText), (Self.statement, statement)]
        if let key {
            made.append((Self.envelope, try SignedStatement(statement, by: key).envelope))
            made.append((Self.publicKey, Array(key.publicKey.pem.utf8)))
        }
        return committed.map { ($0.path, $0.bytes) } + made + [(Self.crate, crateJSON(made).canonical)]
    }

    /// Writes the folder, which must be new or empty; gives how many files and bytes. Throws `export.not-empty`, `export.not-writable`.
    public func write(to folder: String) throws(Fault) -> (files: Int, bytes: Int) {
        let found = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        guard found.isEmpty else {
            throw Fault(
                .usage, "export.not-empty", "the folder holds \(found.count) entries", at: Place(file: folder),
                mend: "Name a new or an empty folder.")
        }
        let files = try files()
        for file in files {
            do {
                try LocalFile.write(file.bytes, to: "\(folder)/\(file.path)", for: .everyone)
            } catch {
                throw Fault(
                    .failed, "export.not-writable", error.what, at: Place(file: folder),
                    mend: "Free space there, or name another folder.")
            }
        }
        return (files.count, files.reduce(0) { $0 + $1.bytes.count })
    }

    /// What the folder is, for a reader who finds it without context.
    var readmeText: [UInt8] {
        Array(
            """
            # Run \(run)

            A federated LoRA training, exported from its MedRounds ledger at commit \(report.summary.tip).

            - `workflow.yaml`, `template.yaml`, `plan.json`: what was to be done, fixed before the first step.
            - `rounds/`: the record of every step, as committed.
            - `adapter.safetensors`: the published global adapter, where a round has published one.
            - `ro-crate-metadata.json`: all of this as a Workflow Run RO-Crate.
            - `provenance.intoto.json`: an in-toto statement about the adapter, with a SLSA provenance predicate.
            \(signingText)

            No text of a note is in it. Check the run with `medrounds verify \(run)` where the ledger is.

            """.utf8)
    }

    private var signingText: String {
        guard let key else { return "  It is not signed here; `medrounds export --key FILE` signs it." }
        return """
            - `provenance.intoto.jsonl`: the same statement in a DSSE envelope, signed with Ed25519 by \(key.publicKey.fingerprint).
            - `provenance.pub.pem`: that public key. Compare it with one that you got in another way: a key that lies beside what it signed
              proves nothing by itself.
            """
    }

    /// When the first and the last commit of the run were made, in UTC.
    var times: (first: String, last: String) {
        let times = report.commits.map(\.time)
        return (Self.utc(times.min() ?? 0), Self.utc(times.max() ?? 0))
    }

    /// Seconds since 1970 as `2026-11-24T12:00:00+00:00`: the validator of run crates does not accept `Z`.
    package static func utc(_ seconds: Int64) -> String {
        offset(ISO8601DateFormatter().string(from: Date(timeIntervalSince1970: TimeInterval(seconds))))
    }

    static func offset(_ utc: String) -> String { utc.hasSuffix("Z") ? utc.dropLast() + "+00:00" : utc }

    var planDigest: Digest { Digest.sha256(plan.json.canonical) }
    var isComplete: Bool { report.summary.steps.done == report.summary.steps.planned }
    static var engine: String { "urn:medrounds:engine:\(EngineVersion.text)" }
}
