// What a run may hold and must record: kinds and shapes of everything reachable, inputs, presence, environment, the release.

import Digests
import Extraction
import Faults
import Federation
import GitLedger
import ModelFiles
import RunRecords
import Workflows

extension Verifier {
    /// A record or timing file of a commit.
    struct Document: Sendable {
        let commit: CommitRecord
        let path: String
        let blob: ObjectID
    }

    /// Every record and timing file, once, where it was first committed: sites' commits come before the merges that take them over.
    func documents(of all: [CommitRecord], _ changes: [CommitID: [FileDifference]]) -> [Document] {
        var seen: Set<ObjectID> = []
        var documents: [Document] = []
        for commit in all {
            for file in changes[commit.id] ?? [] where file.path.hasSuffix(".json") {
                guard let blob = file.new, file.path != RunPath.plan, seen.insert(blob).inserted else { continue }
                documents.append(Document(commit: commit, path: file.path, blob: blob))
            }
        }
        return documents
    }

    /// Only fields and numbers, each of its type and in its range, as the step table has them. What files there may be at all is held by
    /// `additions`, an adapter's bytes by `canonicalUploads` and `aggregates`; workflow, template and plan are shown before a run begins.
    func contents(_ documents: ArraySlice<Document>) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        for document in documents {
            let (commit, path) = (document.commit, document.path)
            guard let step = commit.step, [step.record, step.timing].contains(path) else { continue }
            let bytes = try ledger.content(of: document.blob, path, commit.id)
            let json: JSONValue
            do {
                json = try JSONValue(parsing: bytes, at: Place(file: path, commit: commit.id.hex))
            } catch {
                faults.append(broken("verify.contents", "the file is no JSON", commit, path))
                continue
            }
            if json.canonical != bytes {
                faults.append(broken("verify.contents", "the file is no canonical JSON", commit, path))
            }
            if path == step.timing {
                if let flaw = RecordShape.timing.flaw(of: json, names) {
                    faults.append(broken("verify.contents", flaw, commit, path))
                }
                continue
            }
            if let flaw = step.kind.rules.record?.flaw(of: json, names) {
                faults.append(broken("verify.contents", flaw, commit, path))
                continue
            }
            let owner = step.kind.rules.owner.map { json[$0 == .site ? "site" : "cohort"]?.text ?? "" }
            if json["round"]?.int != step.round || owner != step.owner {
                faults.append(broken("verify.contents", "round and owner are not those of its path", commit, path))
                continue
            }
            let record = RecordReader(json, path: path, commit: commit.id.hex)
            let subject = try step.kind.subject(round: step.round, owner: step.owner, record)
            if commit.subject != subject || !commit.body.isEmpty {
                faults.append(
                    broken("verify.subject", "the commit's message is not what its record says: \(subject)", commit))
            }
        }
        return faults
    }

    static func names(_ plan: Plan, _ form: AdapterForm, _ template: PromptTemplate?) -> RecordShape.Names {
        var types: Set<String>?
        if let template {
            types = []
            for task in ExtractionTask.allCases {
                if let names = try? template.types(of: task, in: .all) { types?.formUnion(names) }
            }
        }
        return RecordShape.Names(
            sites: Set(plan.declaration.sites.map(\.id.name)), cohorts: Set(plan.declaration.cohorts.map(\.id.name)),
            types: types, tensors: Set(form.tensors.map(\.name)))
    }

    static func template(_ ledger: Ledger, at tip: CommitID) -> PromptTemplate? {
        guard let bytes = (try? ledger.file(RunPath.template, of: tip)).flatMap({ $0 }),
            let node = try? YAMLReader.read(bytes: bytes, file: RunPath.template)
        else { return nil }
        return try? PromptTemplate(json: node.plain, file: RunPath.template)
    }

    /// Every site's commits carry the digest of one plan, and that plan names one model, tokenizer and template.
    func inputsHold(_ all: [CommitRecord]) -> Finding {
        var finding = Finding(
            evidence:
                "model \(plan.inputs.model.digest.hex.prefix(12)), tokenizer \(plan.inputs.tokenizerDigest.hex.prefix(12)), "
                + "template \(plan.inputs.templateDigest.hex.prefix(12)) in one plan under \(all.count) commits; "
                + "\(plan.inputs.datasets.count) commitments", faults: [])
        let digest = planDigest.hex
        for commit in all
        where commit.kind != .call && commit.kind != .part && commit.trailer("Plan-SHA256") != digest {
            finding.faults.append(broken("verify.inputs", "the commit stands on another plan", commit))
        }
        let committed = plan.inputs.datasets.map { "\($0.role.rawValue) \($0.owner) \($0.path)" }
        if committed != sources {
            finding.faults.append(
                brokenTip(
                    "verify.inputs",
                    "the \(committed.count) commitments are not those of the workflow's \(sources.count) sources, in order"
                ))
        }
        return finding
    }

    /// What the workflow reads records from, in the order of the plan: of each source its role, owner and path.
    private var sources: [String] {
        var found: [String] = []
        for site in declaration.sites where declaration.rounds > 0 {
            // Of a site on another machine nobody else knows where its notes are, or of how many sources they are.
            let remote = plan.inputs.datasets.filter { $0.role == .train && $0.owner == site.id.name }.map { _ in
                Plan.withheld
            }
            found += (site.isRemote ? remote : site.sources.map(\.path)).map {
                "\(DatasetRole.train.rawValue) \(site.id) \($0)"
            }
        }
        if isSiteView { return found }
        let scores = declaration.steps.contains { if case .score = $0 { true } else { false } }
        if scores, let coordinator = declaration.coordinator {
            found.append("\(DatasetRole.validation.rawValue) coordinator \(coordinator.validation.path)")
        }
        let evaluated = declaration.evaluatedCohorts
        for cohort in declaration.cohorts where evaluated.contains(cohort.id) {
            let path = cohort.isRemote ? Plan.withheld : cohort.data.path
            found.append("\(DatasetRole.test.rawValue) \(cohort.id) \(path)")
        }
        return found
    }

    /// Whoever resolved the plan held all the notes and counted the documents that two sets share: the ledger alone, with commitments
    /// under the owners' own keys, cannot count again.
    func disjoint() -> Finding {
        let shared = plan.inputs.datasets.reduce(0) { $0 + $1.overlapping }
        let allowed = declaration.allowOverlap
        return Finding(
            evidence: "\(shared) shared, as the plan records"
                + (allowed ? "; the workflow allows it" : " and would have been refused"),
            faults: shared > 0 && !allowed
                ? [brokenTip("verify.disjoint", "the plan records \(shared) shared documents and allows none")] : [],
            isProven: shared == 0)
    }

    func presence(_ tally: RoundTally) throws(Fault) -> Finding {
        let rule =
            declaration.quorum.map {
                "quorum \($0) of \(declaration.sites.count): \(tally.absent) absences, each recorded"
                    + (declaration.deadline == nil ? "" : "; \(tally.late) uploads came later and are in no average")
            }
            ?? "no quorum: every site took its steps"
        return Finding(
            evidence: "\(tally.count) uploads used, \(tally.leftOut) left out with a reason; \(rule)",
            faults: try tally.whole())
    }

    /// What the timing files say of the surroundings of a run's steps.
    struct Surroundings: Sendable {
        /// By the digest of the program's file: what it was built from.
        var programs: [String: String] = [:]
        var threads: Set<Int> = []
        var isComplete = true
    }

    func surroundings(
        _ commits: ArraySlice<CommitRecord>, _ changes: [CommitID: [FileDifference]]
    ) throws(Fault) -> Surroundings {
        var found = Surroundings()
        for commit in commits {
            guard let step = commit.step else { continue }
            let path = step.timing
            let blob = changes[commit.id]?.first { $0.path == path }?.new
            let timing: RecordReader
            if let blob {
                timing = try RecordReader(
                    parsing: ledger.content(of: blob, path, commit.id), path: path, commit: commit.id.hex)
            } else {
                timing = try record(path, commit)
            }
            found.threads.insert(try timing.int("threads"))
            if let program = timing["program_sha256"]?.text {
                found.programs[program] = timing["program_source"]?.text ?? "unknown"
            } else {
                found.isComplete = false
            }
        }
        return found
    }

    func environment(_ parts: [JobResult<Surroundings>]) throws(Fault) -> Finding {
        var programs: [String: String] = [:]
        var threads: Set<Int> = []
        var finding = Finding(evidence: "", faults: [])
        for part in parts {
            let found = try part.value()
            programs.merge(found.programs) { first, _ in first }
            threads.formUnion(found.threads)
            if !found.isComplete { finding.isProven = false }
        }
        let names = programs.sorted { $0.key < $1.key }.map { digest, source in
            "\(digest.prefix(12)) (\(Self.words(source)))"
        }
        // Not a fault: another program that comes to the same numbers is the better witness. But an auditor should know.
        let checker =
            programs.isEmpty || Machine.program == "unknown"
            ? ""
            : programs[Machine.program] != nil
                ? ", the program that checks here"
                : "; checked by another, \(Machine.program.prefix(12)) (\(Self.words(Machine.source)))"
        finding.evidence =
            "engine \(plan.inputs.engineVersion)\(plan.inputs.engineVersion == EngineVersion.text ? "" : ", this is \(EngineVersion.text)"), "
            + "\(declaration.model.numerics.rawValue) numerics, seed \(declaration.seed), "
            + "threads \(threads.sorted().map(String.init).joined(separator: " ")); programs \(names.joined(separator: " "))\(checker)"
            + (finding.isProven ? "" : "; some steps do not name their program")
        return finding
    }

    private static func words(_ source: String) -> String {
        guard source != "unknown" else { return "source not recorded" }
        let isChanged = source.hasSuffix("+changes")
        return "source \(source.prefix(9))\(isChanged ? " with changes" : ", unchanged")"
    }

    func release(_ line: [CommitRecord]) throws(Fault) -> Finding {
        if isSiteView {
            return Finding(
                evidence: "a site's copy does not hold the aggregates", faults: [], isProven: false)
        }
        guard let global = try ledger.digest(of: RunPath.global, in: tip) else {
            let isDue = !rounds(line).isEmpty
            return Finding(
                evidence: "no adapter is published",
                faults: isDue ? [brokenTip("verify.release", "a round was aggregated and no adapter is there")] : [],
                isProven: false)
        }
        let digest = global.digest
        var makers: [(round: Int, commit: CommitRecord)] = []
        for (round, commit) in rounds(line) {
            let output = try record(StepKind.aggregate.record(round: round), commit).object("output")
            if try output.digest("adapter_sha256") == digest { makers.append((round, commit)) }
        }
        guard let last = makers.last, last.round == rounds(line).last?.round else {
            return Finding(
                evidence: "adapter \(digest.hex.prefix(12))",
                faults: [brokenTip("verify.release", "the adapter at the tip is not the last aggregate's")])
        }
        return Finding(
            evidence: "adapter \(digest.hex.prefix(12)) of round \(last.round)", faults: [], commits: [last.commit])
    }
}
