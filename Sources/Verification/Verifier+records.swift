// What the records of a history say: uploads, weights, averages, starts and metrics, computed again.

import Digests
import Extraction
import Faults
import Federation
import GitLedger
import ModelFiles
import RunRecords
import Workflows

extension Verifier {
    func rounds(_ line: [CommitRecord]) -> [(round: Int, commit: CommitRecord)] {
        line.filter { $0.kind == .aggregate }.compactMap { commit in
            commit.trailer("Round").flatMap { Int($0) }.map { ($0, commit) }
        }
    }

    /// An upload as its records tell of it.
    struct SentUpload {
        var standing: UploadStanding
        var digest: Digest
        var bytes: Int
    }

    package func record(_ path: String, _ commit: CommitRecord) throws(Fault) -> RecordReader {
        guard let bytes = try ledger.file(path, of: commit.id) else { throw .missingFile(path, commit.id.hex) }
        return try RecordReader(parsing: bytes, path: path, commit: commit.id.hex)
    }

    func uploads(_ tally: RoundTally) throws(Fault) -> Finding {
        Finding(
            evidence: "\(tally.count) uploads, \(Figures.bytes(tally.bytes)), "
                + (tally.pruned == 0
                    ? "shapes and values finite"
                    : "those of \(tally.pruned) rounds pruned: only their digests are left"),
            faults: try tally.whole(), isProven: tally.pruned == 0)
    }

    func aggregates(_ tally: RoundTally) throws(Fault) -> Finding {
        Finding(
            evidence: "\(tally.count) averages recomputed bit for bit"
                + (tally.pruned == 0 ? "" : "; those of \(tally.pruned) rounds are pruned and cannot be"),
            faults: try tally.whole(), isProven: tally.pruned == 0)
    }

    func metrics(_ evaluations: ArraySlice<CommitRecord>) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        for commit in evaluations {
            guard let step = commit.step, let cohort = step.owner else { continue }
            let (round, path) = (step.round, step.record)
            let record = try record(path, commit)
            if step.kind == .evaluateAtSite, try record.site("site") != CohortID(cohort).flatMap(declaration.site(of:))
            {
                faults.append(
                    broken(
                        "verify.metrics", "the record names another site than has the notes of \(cohort)", commit, path)
                )
            }
            if let fault = try CohortScores.recheck(record, seed: declaration.seed, cohort: cohort) {
                faults.append(broken("verify.metrics", fault, commit, path))
            }
            if let test = tests.first(where: { $0.owner == cohort }) {
                var counts = [
                    try record.int("records"), try record.int("documents"), try record.int("truncated_records"),
                ]
                // Where heads are predicted there are as many answers as the model found heads.
                let heads = declaration.cohorts.first { $0.id.name == cohort }?.heads ?? .gold
                var scored = 0
                if record["scores"] != nil { scored += try record.object("scores").int("records") }
                if record["relation_scores"] != nil {
                    scored += try record.object("relation_scores").object("pairs").int("records")
                }
                counts.append(heads == .gold ? scored : test.records)
                if try record.object("generation").int("records") != scored {
                    faults.append(
                        broken("verify.metrics", "\(cohort) was decoded and scored on different records", commit, path))
                }
                let commitment = try record.object("input").digest("dataset_commitment")
                if commitment != test.commitment
                    || counts != [test.records, test.documents, test.truncated, test.records]
                {
                    faults.append(
                        broken(
                            "verify.dataset", "\(cohort) was evaluated on other records than the plan commits to",
                            commit,
                            path))
                }
            }
            faults += try checkDecoding(record, cohort, commit)
            if round > 0 {
                guard let global = try ledger.digest(of: RunPath.global, in: commit.id) else {
                    throw .missingFile(RunPath.global, commit.id.hex)
                }
                if try record.object("input").digest("adapter_sha256") != global.digest {
                    faults.append(
                        broken(
                            "verify.metrics", "\(cohort) was evaluated with another adapter than the published one",
                            commit, path))
                }
            }
        }
        return faults
    }

    /// How a cohort was decoded is what the plan asks for, and the counts of it are within each other.
    private func checkDecoding(_ record: RecordReader, _ cohort: String, _ commit: CommitRecord) throws(Fault)
        -> [Fault]
    {
        var planned: EvaluationConfiguration?
        for case .evaluate(let evaluation) in declaration.steps
        where evaluation.cohorts.contains(where: { $0.name == cohort }) { planned = evaluation }
        let heads = declaration.cohorts.first { $0.id.name == cohort }?.heads ?? .gold
        let settings = try record.object("settings")
        let made = try record.object("generation")
        let answers = try made.int("records")
        let (most, isBeyond) = answers.multipliedReportingOverflow(by: planned?.maxNewTokens ?? 0)
        let counts = [
            (try made.int("new_tokens"), most), (try made.int("cut_at_max_new_tokens"), answers),
            (try made.int("cut_in_a_loop"), answers),
        ]
        let isWithin = !isBeyond && counts.allSatisfy { 0 <= $0.0 && $0.0 <= $0.1 }
        let stated = (
            try settings.int("max_new_tokens"), try settings.text("decoding"), try settings.text("heads")
        )
        let isPlanned =
            stated == (planned?.maxNewTokens ?? 0, "greedy", heads.rawValue)
            && record["overlapping_documents"]
                == tests.first { $0.owner == cohort }.flatMap(PlanInputs.overlapping)
            && (record["relation_scores"]?["heads"]?.text ?? heads.rawValue) == heads.rawValue
            && (record["scores"]?["task"]?.text ?? "ner") == "ner"
        let types = Set((record["scores"]?["types"]?.members ?? [:]).keys)
        let areTypes = record["scores"] == nil || annotated(by: cohort).map { Set($0) == types } ?? true
        if isPlanned && isWithin && areTypes { return [] }
        return [broken("verify.metrics", "\(cohort) was decoded otherwise than the plan asks for", commit, record.path)]
    }

    /// The types of mentions that a cohort annotates, as workflow and template say; nil where they cannot be read, which `plan` finds.
    private func annotated(by cohort: String) -> [String]? {
        // Of notes at a site on another machine the plan says no tasks.
        guard let declared = declaration.cohorts.first(where: { $0.id.name == cohort }), !declared.isRemote,
            let selection = declared.data.tasks.ner, let template
        else { return nil }
        return try? template.types(of: .ner, in: selection)
    }
}
