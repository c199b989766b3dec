// RunReport: a run as one HTML file that needs no other file. It is read from the ledger, so that the same ledger gives the same bytes. The
// text of the sections is in +sections, the drawings are in ReportCharts.

import Digests
import Faults
import Federation
import GitLedger
import RunRecords
import Verification
import Workflows

/// A report of one run.
public struct RunReport {
    let summary: RunSummary
    let verification: VerificationReport
    /// Every commit of the run in the order of its steps, the sites' answers among them.
    let commits: [CommitRecord]
    /// Who approved and who signed.
    let people: RunPeople
    /// Every record.json and timing.json below rounds/, by path.
    let records: [String: JSONValue]
    /// Every file below rounds/ with its bytes, in path order.
    let sizes: [(path: String, bytes: Int)]
    /// The weights of the last aggregated round; nil before the first.
    let explanation: WeightExplanation?

    package var plan: Plan { summary.plan }
    var sites: [SiteID] { plan.declaration.sites.map(\.id) }

    /// Reads and verifies a run. Throws `run.missing`, or what is wrong with a record.
    public init(run: RunName, ledger: Ledger) throws(Fault) {
        summary = try RunSummary(run: run, ledger: ledger)
        verification = try Verifier(run: run, ledger: ledger).report()
        (commits, people) = try RunHistory.inOrder(of: run, ledger: ledger)
        let committed = try CommittedPlan(of: run, in: ledger)
        var records: [String: JSONValue] = [:]
        var sizes: [String: Int] = [:]
        for tip in try committed.tips(of: run, in: ledger) {
            for entry in try ledger.files(of: tip) where entry.path.hasPrefix("rounds/") && sizes[entry.path] == nil {
                sizes[entry.path] = entry.size
                guard entry.path.hasSuffix("/record.json") || entry.path.hasSuffix("/timing.json") else { continue }
                guard let bytes = try ledger.file(entry.path, of: tip) else { throw .missingFile(entry.path, tip.hex) }
                records[entry.path] = try JSONValue(parsing: bytes, at: Place(file: entry.path, commit: tip.hex))
            }
        }
        self.records = records
        self.sizes = sizes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        let last = summary.exchanges.last?.round
        explanation =
            if let last { try WeightExplanation(run: run, round: last, site: nil, ledger: ledger) } else { nil }
    }

    /// The report as a file: UTF-8, no scripts, nothing fetched.
    public var html: [UInt8] {
        let page: HTML = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <title>\(summary.run.name): MedRounds report</title>
            <style>
            \(ReportStyle.sheet)
            </style>
            </head>
            <body>
            <main>
            \(sections)
            </main>
            </body>
            </html>

            """
        return Array(page.source.utf8)
    }

    // MARK: Reading

    package func record(_ round: Int, _ step: StepKind, _ owner: String? = nil) -> JSONValue? {
        records[step.record(round: round, owner: owner)]
    }

    /// The rounds that have begun.
    var rounds: [Int] {
        plan.declaration.roundNumbers.filter { round in
            let prefix = "rounds/\(RunPath.folder(of: round))/"
            return sizes.contains { $0.path.hasPrefix(prefix) }
        }
    }

    /// The kind of step whose folder holds a path below rounds/; nil for any other path.
    static func step(of path: String) -> StepKind? {
        let parts = path.split(separator: "/")
        return parts.count > 2 ? StepKind(rawValue: String(parts[2])) : nil
    }
}
