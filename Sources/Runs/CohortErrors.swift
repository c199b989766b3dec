// CohortErrors: what a run got right and wrong in a cohort, mention by mention, from the predictions kept on this machine and the cohort's notes.

import Digests
import Extraction
import Faults
import Federation
import Foundation
import GitLedger
import LocalFiles
import ModelShelf
import RunRecords
import Workflows

/// The answers of one evaluate step beside what is annotated. Holds text of notes: it never leaves this machine.
public struct CohortErrors {
    /// The cohort.
    public let cohort: CohortID
    /// The round that was scored; 0 for the base model.
    public let round: Int
    /// One entry an answer, sorted by document and place.
    public let records: [MentionErrors]

    /// Reads predictions and notes. Without a name the only cohort is meant, without a round the newest that was scored.
    ///
    /// Throws `run.no-cohort`, `run.not-scored`, `work.no-predictions`, and `work.other-predictions` or `data.other-notes` where the file or the notes
    /// are not those that the ledger's record stands for.
    public init(
        run: RunName, cohort name: String?, round wanted: Int?, ledger: Ledger, origin: RunOrigin, workspace: Workspace
    ) throws {
        let committed = try CommittedPlan(of: run, in: ledger)
        let declaration = committed.plan.declaration
        let known = declaration.cohorts.map(\.id.name)
        guard
            let chosen = declaration.cohorts.first(where: { $0.id.name == name ?? (known.count == 1 ? known[0] : "") })
        else {
            throw Fault(
                .usage, "run.no-cohort",
                name == nil ? "the run \(run) has \(known.count) cohorts" : "the run \(run) has no cohort of that name",
                mend: "Name one with --cohort: \(known.joined(separator: ", ")).")
        }
        cohort = chosen.id
        let (round, record) = try Self.newest(chosen.id, wanted, run, committed, ledger)
        self.round = round

        let path =
            chosen.site.map { workspace.desk(of: $0, in: run).predictions(round, chosen.id) }
            ?? workspace.predictions(run: run, cohort: chosen.id, round: round)
        guard let bytes = LocalFile.readIfPresent(path) else {
            throw Fault(
                .data, "work.no-predictions", "what the model wrote for this cohort is not on this machine",
                at: Place(file: path), mend: "Name the work folder of the machine that scored it with --work.")
        }
        let key = try workspace.commitmentKey(of: chosen.id.name, makes: false)
        guard record["predictions_commitment"]?.text == Digest.hmac(bytes, key: key).hex else {
            throw Fault(
                .data, "work.other-predictions",
                "the file is not the one that the ledger's record of round \(round) stands for",
                at: Place(file: path), mend: "Bring back the file of that step, or score the run again.")
        }
        let answers = try Self.answers(bytes, path: path)

        let opened = try OpenedModel(declaration, origin: origin)
        let set = try RecordLoader(
            origin: origin, declaration: declaration, template: opened.template, encoder: opened.encoder,
            workspace: workspace, makesKeys: false
        ).cohort(chosen)
        let planned = committed.plan.inputs.datasets.filter { $0.role == .test && $0.owner == chosen.id.name }
        guard set.summaries.map(\.commitment) == planned.map(\.commitment) else {
            throw Fault(
                .data, "data.other-notes", "the notes are not those that the run scored",
                at: Place(file: chosen.data.path), mend: "Bring back the notes as they were when the run was planned.")
        }
        records = set.records.compactMap { record in
            answers[Question(record)].map { MentionErrors(record, predictions: $0) }
        }.sorted { left, right in
            if left.document != right.document {
                return left.document.utf8.lexicographicallyPrecedes(right.document.utf8)
            }
            let (first, second) = (left.head?.hull.lowerBound ?? -1, right.head?.hull.lowerBound ?? -1)
            return (left.range.lowerBound, first) < (right.range.lowerBound, second)
        }
    }

    /// The round that is asked for, or the newest with a record of this cohort.
    private static func newest(
        _ cohort: CohortID, _ wanted: Int?, _ run: RunName, _ committed: CommittedPlan, _ ledger: Ledger
    ) throws -> (Int, JSONValue) {
        for round in wanted.map({ [$0] }) ?? Array((0...committed.plan.declaration.rounds).reversed()) where round >= 0
        {
            let path = committed.plan.declaration.evaluation(of: cohort).record(round: round, owner: cohort.name)
            if let bytes = try ledger.file(path, of: committed.tip) {
                return (round, try JSONValue(parsing: bytes, at: Place(file: path, commit: committed.tip.hex)))
            }
        }
        throw Fault(
            .usage, "run.not-scored",
            "the run \(run) has not scored \(cohort)\(wanted.map { " in round \($0)" } ?? "")",
            mend: wanted == nil ? "Go on with it: medrounds run --resume." : "Leave --round out for the newest.")
    }

    /// What one answer was about.
    private struct Question: Hashable {
        var document: String
        var range: Range<Int>
        var task: String
        var head: [String]

        init(_ record: Record) {
            document = record.document
            range = record.range
            task = record.task.rawValue
            head = record.head.map { [$0.type, String($0.hull.lowerBound), String($0.hull.upperBound)] } ?? []
        }

        init?(_ value: JSONValue) {
            guard let document = value["document"]?.text, let task = value["task"]?.text,
                let range = CohortErrors.range(value)
            else { return nil }
            self.document = document
            self.range = range
            self.task = task
            head = []
            if let given = value["head"], let type = given["type"]?.text, let range = CohortErrors.range(given) {
                head = [type, String(range.lowerBound), String(range.upperBound)]
            }
        }
    }

    private static func range(_ value: JSONValue) -> Range<Int>? {
        guard let start = value["start"]?.int, let end = value["end"]?.int, start >= 0, start <= end else { return nil }
        return start..<end
    }

    /// The lines of a predictions file; its bytes were checked before, so a line that cannot be read is of another version.
    private static func answers(_ bytes: [UInt8], path: String) throws(Fault) -> [Question: [Prediction]] {
        var answers: [Question: [Prediction]] = [:]
        for (index, line) in bytes.split(separator: 0x0a).enumerated() {
            let place = Place(file: path, line: index + 1)
            let value = try JSONValue(parsing: Array(line), at: place)
            guard let question = Question(value), let mentions = value["mentions"]?.elements else {
                throw Fault(
                    .data, "work.other-predictions", "the line is no answer as this version writes it", at: place,
                    mend: "Score the run again with this version.")
            }
            answers[question] = mentions.map { Prediction(type: $0["type"]?.text ?? "", range: range($0)) }
        }
        return answers
    }
}
