// What a run may hold and must record: kinds and shapes of everything reachable, inputs, presence, environment, the release.

import Digests
import Faults
import Federation
import GitLedger
import Workflows

extension Verifier {
    /// Fields of records that hold words of this program; every other text is a single word: a name, a code, a digest, a time.
    private static let sentences: Set<String> = ["averaging", "formula", "what", "processor"]
    /// No text of a record is longer.
    private static let longestText = 200

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
                guard let blob = file.new, file.path != StepPaths.plan, seen.insert(blob).inserted else { continue }
                documents.append(Document(commit: commit, path: file.path, blob: blob))
            }
        }
        return documents
    }

    /// Only fields and numbers. What files there may be at all is held by `additions`, an adapter's
    /// shapes by `uploads` and `aggregates`; workflow, template and plan are shown to everybody before a run begins.
    func contents(_ documents: ArraySlice<Document>) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        for document in documents {
            let (commit, path) = (document.commit, document.path)
            let bytes = try ledger.content(of: document.blob, path, commit.id)
            let json = try JSONValue(parsing: bytes, at: Place(file: path, commit: commit.id.hex))
            if json.canonical != bytes {
                faults.append(broken("verify.contents", "the file is no canonical JSON", commit, path))
            }
            for flaw in [Self.flaw(of: json, key: "", path: ""), RecordShape.flaw(of: json, at: path)] {
                if let flaw { faults.append(broken("verify.contents", flaw, commit, path)) }
            }
            faults += try checkSubject(json, document)
        }
        return faults
    }

    /// The subject of the commit that made a record says what the record says.
    private func checkSubject(_ json: JSONValue, _ document: Document) throws(Fault) -> [Fault] {
        let commit = document.commit
        guard document.path.hasSuffix("/record.json"), let round = commit.trailer("Round").flatMap({ Int($0) }),
            let step = commit.trailer("Step")
        else { return [] }
        let owner = commit.trailer("Site") ?? commit.trailer("Cohort")
        guard document.path == StepPaths.record(round: round, step: step, owner: owner) else { return [] }
        let record = RecordReader(json, path: document.path, commit: commit.id.hex)
        let subject = try StepSummary.subject(round: round, step: step, owner: owner, record)
        if commit.subject == subject && commit.body.isEmpty { return [] }
        return [broken("verify.subject", "the commit's message is not what its record says: \(subject)", commit)]
    }

    func foreignRefs() throws(Fault) -> [Fault] {
        try ledger.foreignRefs().map { ref in
            Fault(
                .mismatch, "verify.foreign-ref", "the ref is none of a ledger's; nobody checks what it reaches",
                at: Place(commit: ref), mend: "Find out who made it, then delete it or leave it out of the clone.")
        }
    }

    /// What in a record could be text of a note; the text itself is not shown.
    private static func flaw(of value: JSONValue, key: String, path: String) -> String? {
        switch value {
        case .string(let text):
            let isWord = text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
            // Counts by document, joined by spaces.
            if key == "by_document", text.utf8.allSatisfy({ $0 == 0x20 || (0x30...0x39).contains($0) }) { return nil }
            if text.utf8.count > longestText || !(isWord || sentences.contains(key)) {
                return "\(path) holds a text of \(text.utf8.count) bytes that is no name, code or digest"
            }
        case .array(let elements):
            if elements.count > 64, elements.allSatisfy({ if case .integer = $0 { true } else { false } }) {
                return "\(path) holds \(elements.count) whole numbers, which could be tokens"
            }
            for (index, element) in elements.enumerated() {
                if let flaw = flaw(of: element, key: key, path: "\(path).\(index)") { return flaw }
            }
        case .object(let members):
            for name in members.keys.sorted() {
                if name.utf8.count > 64 || !name.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) {
                    return "\(path.isEmpty ? "the record" : path) has a member that is no field's name"
                }
                if let member = members[name],
                    let flaw = flaw(of: member, key: name, path: path.isEmpty ? name : "\(path).\(name)")
                {
                    return flaw
                }
            }
        default: break
        }
        return nil
    }

    /// Every site's commits carry the digest of one plan, and that plan names one model, tokenizer and template.
    func inputsHold(_ all: [CommitRecord]) -> Finding {
        var finding = Finding(
            evidence:
                "model \(plan.inputs.model.digest.hex.prefix(12)), tokenizer \(plan.inputs.tokenizerDigest.hex.prefix(12)), "
                + "template \(plan.inputs.templateDigest.hex.prefix(12)) in one plan under \(all.count) commits; "
                + "\(plan.inputs.datasets.count) commitments", faults: [])
        let digest = Digest.sha256(planBytes).hex
        for commit in all where commit.trailer("Plan-SHA256") != digest {
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
            found += site.sources.map { "\(DatasetRole.train.rawValue) \(site.id) \($0.path)" }
        }
        let scores = declaration.steps.contains { if case .score = $0 { true } else { false } }
        if scores, let coordinator = declaration.coordinator {
            found.append("\(DatasetRole.validation.rawValue) coordinator \(coordinator.validation.path)")
        }
        let evaluated = declaration.evaluatedCohorts
        for cohort in declaration.cohorts where evaluated.contains(cohort.id) {
            found.append("\(DatasetRole.test.rawValue) \(cohort.id) \(cohort.data.path)")
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
            guard let round = commit.trailer("Round").flatMap({ Int($0) }), let step = commit.trailer("Step") else {
                continue
            }
            let owner = commit.trailer("Site") ?? commit.trailer("Cohort")
            let path = StepPaths.folder(round: round, step: step, owner: owner) + "/timing.json"
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
                ? ", the one that checks"
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
        guard let global = try ledger.digest(of: StepPaths.global, in: tip) else {
            let isDue = !rounds(line).isEmpty
            return Finding(
                evidence: "no adapter is published",
                faults: isDue ? [brokenTip("verify.release", "a round was aggregated and no adapter is there")] : [],
                isProven: false)
        }
        let digest = global.digest
        var makers: [(round: Int, commit: CommitRecord)] = []
        for (round, commit) in rounds(line) {
            let output = try record(StepPaths.record(round: round, step: "aggregate"), commit).object("output")
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
