// RecordSet: the records of a site, a cohort or the coordinator as tokens, with the counts and the commitment that stand for
// them in the ledger.

import Digests
import Engine
import Extraction
import Faults
import Federation
import ModelShelf
import RunRecords
import Workflows

/// The records that somebody holds, ready for the engine.
struct RecordSet: Sendable {
    /// The records, of every source in order.
    var records: [Record] = []
    /// Prompt, completion and end marker as tokens, record by record.
    var sequences: [TokenSequence] = []
    /// The prompts alone, for generation.
    var prompts: [[Int32]] = []
    /// What the plan says of each source.
    var summaries: [DatasetSummary] = []
    /// Every document of the sources, drawn from or not: its id, and a digest of its text without regard to white space and case.
    var prints: [(document: String, print: Digest)] = []
    /// Documents left out because they cannot be read: the source's path, the id and the fault's code.
    var skipped: [(path: String, document: String, code: String)] = []
    /// What a cohort's notes annotate; nil for any other set.
    var tasks: TaskSelection?
    /// The owner's commitment key.
    var key: [UInt8] = []
    /// Stands for all records: anyone with the owner's key and the notes can check what was used.
    var commitment: Digest

    var count: Int { records.count }
    var truncated: Int { summaries.reduce(0) { $0 + $1.truncated } }
    var documents: Int { summaries.reduce(0) { $0 + $1.documents } }
}

/// Turns data sources into record sets.
struct RecordLoader {
    let origin: RunOrigin
    package let declaration: FederationDeclaration
    let template: PromptTemplate
    let encoder: PromptEncoder
    package let workspace: Workspace
    let makesKeys: Bool

    /// The records of a site.
    package func site(_ site: SiteDeclaration) throws -> RecordSet {
        let set = try load(site.sources, role: .train, owner: site.id.name, purpose: .training)
        guard set.count > 0 else {
            throw Fault.noRecords("site \(site.id)", site.sources.map(\.path).joined(separator: ", "))
        }
        return set
    }

    /// The records of a cohort.
    func cohort(_ cohort: CohortDeclaration) throws -> RecordSet {
        var set = try load(
            [cohort.data], role: .test, owner: cohort.id.name, purpose: .evaluation, heads: cohort.heads)
        guard set.count > 0 else { throw Fault.noRecords("cohort \(cohort.id)", cohort.data.path) }
        set.tasks = cohort.data.tasks
        return set
    }

    /// The coordinator's validation records, drawn by the seed.
    func validation(_ coordinator: CoordinatorDeclaration) throws -> RecordSet {
        var source = coordinator.validation
        source.limit = coordinator.records
        let set = try load([source], role: .validation, owner: "coordinator", purpose: .training)
        guard set.count >= coordinator.records else {
            throw Fault.tooFewRecords("the coordinator", asked: coordinator.records, found: set.count, source.path)
        }
        return set
    }

    private func load(
        _ sources: [DataSource], role: DatasetRole, owner: String, purpose: RecordPurpose, heads: HeadSource = .gold
    ) throws -> RecordSet {
        let key = try workspace.commitmentKey(of: owner, makes: makesKeys)
        var set = RecordSet(key: key, commitment: Commitment.joined([]))
        for (index, source) in sources.enumerated() {
            let root = origin.path(declaration.dataRoot, key: "data_root")
            let path = source.path.hasPrefix("/") ? source.path : "\(root)/\(source.path)"
            try checkLabels(source)
            let corpus = try CorpusReader.corpus(
                path: path, labels: source.labels, badDocuments: declaration.badDocuments)
            let documents = corpus.documents
            set.skipped += corpus.skipped.map { (source.path, $0.document, $0.fault.code) }
            set.prints += documents.map { ($0.id, Self.print(of: $0)) }
            let built = try RecordBuilder.records(
                from: documents, tasks: source.tasks, template: template, purpose: purpose)
            let drawn = draw(
                built.records, of: source, role: role, owner: owner, source: index, heads: heads)
            var labels: [String: Int] = [:]
            var truncated = 0
            var parts: [JSONValue] = []
            for record in drawn {
                let (fitting, wasCut) = try fit(record, purpose)
                if wasCut { truncated += 1 }
                for entity in fitting.gold { labels[entity.type, default: 0] += 1 }
                parts.append(Self.committed(fitting))
                set.records.append(fitting)
                let (sequence, prompt) = try encode(fitting, scope: scope(of: role))
                set.sequences.append(sequence)
                set.prompts.append(prompt)
            }
            var summary = DatasetSummary(
                role: role, owner: owner, path: source.path, documents: documents.count, records: drawn.count,
                truncated: truncated, labels: labels,
                commitment: Digest.hmac(JSONValue.array(parts).canonical, key: key))
            summary.skipped = corpus.skipped.count
            if role == .train, declaration.sizeUnit == .labelTokens {
                summary.labelTokens = set.sequences.suffix(drawn.count).reduce(0) {
                    $0 + $1.tokens.count - $1.lossStart
                }
            }
            set.summaries.append(summary)
        }
        set.commitment = Commitment.joined(set.summaries.map(\.commitment))
        return set
    }

    /// What a label map maps to must be a type of ours.
    private func checkLabels(_ source: DataSource) throws(Fault) {
        for (label, type) in source.labels.names.sorted(by: { $0.key < $1.key }) {
            guard let type, type != LabelMap.relation, !AnnotationType.all.contains(type) else { continue }
            throw Fault(
                .workflow, "workflow.label-target",
                "labels of \(source.path): \(label) stands for \(type), which is no type",
                mend: "Use \(LabelMap.relation) for a relation, null to pass over, or one of: "
                    + "\(AnnotationType.all.joined(separator: ", ")).")
        }
    }

    private static func print(of document: Document) -> Digest {
        let words = String(scalars: document.text).lowercased().split(whereSeparator: \.isWhitespace)
        return Digest.sha256(words.joined(separator: " "))
    }

    /// What the seed draws of a source: of each task as many as `limit` says, but of the coordinator's records so many in all. Where heads are
    /// predicted, relation records are those of the sentences that were drawn.
    private func draw(
        _ records: [Record], of source: DataSource, role: DatasetRole, owner: String, source index: Int,
        heads: HeadSource
    ) -> [Record] {
        func drawn(_ records: [Record], part: Int) -> [Record] {
            let order = drawOrder(
                count: records.count, seed: declaration.seed, owner: owner, source: index, part: part)
            return RecordBuilder.draw(records, limit: source.limit, by: order)
        }
        if role == .validation { return drawn(records, part: 0) }
        let mentions = drawn(records.filter { $0.task == .ner }, part: 0)
        let relations = records.filter { $0.task == .re }
        switch heads {
        case .gold: return mentions + drawn(relations, part: 1)
        case .predicted:
            struct Sentence: Hashable {
                var document: String
                var range: Range<Int>
            }
            let sentences = Set(mentions.map { Sentence(document: $0.document, range: $0.range) })
            return mentions
                + relations.filter { sentences.contains(Sentence(document: $0.document, range: $0.range)) }
        }
    }

    /// What a commitment covers of a record: where it comes from and every character the model sees.
    private static func committed(_ record: Record) -> JSONValue {
        [
            .string(record.document), .integer(Int64(record.range.lowerBound)),
            .integer(Int64(record.range.upperBound)),
            .string(record.prompt), .string(record.completion),
        ]
    }

    /// The tokens that a loss covers: of validation records those that the score step names.
    private func scope(of role: DatasetRole) -> LossScope {
        let training = declaration.training?.lossOn ?? .sequence
        return role == .validation ? declaration.scoring?.lossOn ?? training : training
    }

    private func encode(
        _ record: Record, scope: LossScope = .sequence
    ) throws(Fault) -> (TokenSequence, prompt: [Int32]) {
        let prompt = try encoder.prompt(record.prompt)
        let completion = encoder.completion(record.completion)
        let lossStart: Int
        switch scope {
        case .sequence: lossStart = 1
        case .completion: lossStart = prompt.count
        }
        return (TokenSequence(tokens: prompt + completion + [encoder.endToken], lossStart: lossStart), prompt)
    }

    /// The record cut on the input side until prompt and completion fit `max_length`; a record to be extracted from by its prompt
    /// alone, since what is to be found must not decide what is asked.
    private func fit(_ record: Record, _ purpose: RecordPurpose) throws(Fault) -> (Record, wasCut: Bool) {
        func length(_ record: Record) throws(Fault) -> Int {
            let (sequence, prompt) = try encode(record)
            return purpose == .training ? sequence.tokens.count : prompt.count
        }
        let limit = declaration.training?.maxLength ?? 800
        var fitting = record
        guard try length(record) > limit else { return (record, false) }
        var low = 1
        var high = record.text.count
        while low < high {
            let middle = (low + high) / 2
            fitting = RecordBuilder.cut(record, to: middle, template: template)
            if try length(fitting) > limit { high = middle } else { low = middle + 1 }
        }
        fitting = RecordBuilder.cut(record, to: max(1, low - 1), template: template)
        guard try length(fitting) <= limit else {
            throw Fault(
                .data, "data.instruction-too-long", "the instruction alone fills max_length \(limit)",
                at: Place(document: record.document), mend: "Raise max_length or shorten the template.")
        }
        return (fitting, true)
    }
}
