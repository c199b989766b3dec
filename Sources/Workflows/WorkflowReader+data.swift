// Where the notes are: sites, participants, the coordinator, cohorts, and what each annotates.

import Faults
import Federation

extension WorkflowReader {
    /// The sites, in site order.
    static func sites(_ top: MappingReader) -> [SiteDeclaration] {
        guard let sites = top.mapping("sites", keys: nil) else { return [] }
        return sites.pairs.compactMap { pair in
            guard let id = SiteID(pair.key) else {
                top.faults.add(.badName("the site", pair.key, at: pair.keyMark.place))
                return nil
            }
            return site(id, sites)
        }.sorted { $0.id < $1.id }
    }

    private static func site(_ id: SiteID, _ sites: MappingReader) -> SiteDeclaration? {
        guard let site = sites.mapping(id.name, keys: ["train", "tasks", "limit", "labels"]) else { return nil }
        guard let train = site.node("train", required: true) else { return SiteDeclaration(id: id, sources: []) }
        guard let elements = train.elements else {
            return SiteDeclaration(id: id, sources: [source(site, path: "train")])
        }
        for key in ["tasks", "limit", "labels"] {
            if let pair = site.pair(key) {
                site.faults.add(
                    .misplacedKey(
                        key, "\(site.path(of: "train")) is a list, so each source has its own", at: pair.keyMark.place))
            }
        }
        if elements.isEmpty { site.faults.add(.emptyList(site.path(of: "train"), of: "data", at: train.mark.place)) }
        let sources = elements.enumerated().compactMap { index, element in
            MappingReader(
                element, path: "\(site.path(of: "train")).\(index)", keys: ["data", "tasks", "limit", "labels"],
                faults: site.faults
            ).map { source($0, path: "data") }
        }
        return SiteDeclaration(id: id, sources: sources)
    }

    /// A path under the key `path`, with `tasks` and `limit` beside it.
    private static func source(_ mapping: MappingReader, path: String) -> DataSource {
        DataSource(
            path: mapping.line(path, required: true) ?? "",
            tasks: tasks(mapping),
            limit: limit(mapping), labels: labels(mapping))
    }

    /// `labels`: what each label stands for; null for annotations that are passed over.
    private static func labels(_ mapping: MappingReader) -> LabelMap {
        guard let labels = mapping.mapping("labels", keys: nil) else { return WorkflowDefaults.labels }
        var names: [String: String?] = [:]
        for pair in labels.pairs {
            if pair.value.isNull {
                names[pair.key] = .some(nil)
            } else if let type = MappingReader.string(
                pair.value, path: labels.path(of: pair.key), expected: "a type or null", faults: labels.faults)
            {
                if type != LabelMap.relation && !isTypeName(type) {
                    labels.faults.add(.badType(labels.path(of: pair.key), type, at: pair.value.mark.place))
                }
                names[pair.key] = type
            }
        }
        return LabelMap(names)
    }

    /// `limit`; null is written for all records, so that `--set` can lift a limit.
    private static func limit(_ mapping: MappingReader) -> Int? {
        if mapping.node("limit")?.isNull == true { return nil }
        return mapping.integer("limit", in: 1...maximumCount) ?? WorkflowDefaults.limit
    }

    private static func tasks(_ mapping: MappingReader) -> TaskSelection {
        let known = ExtractionTask.allCases.map(\.rawValue)
        guard let tasks = mapping.mapping("tasks", keys: known) else { return WorkflowDefaults.tasks }
        if tasks.pairs.isEmpty { tasks.faults.add(.emptyList(tasks.path, of: "task", at: tasks.mark.place)) }
        return TaskSelection(ner: types(tasks, .ner), re: types(tasks, .re))
    }

    private static func types(_ tasks: MappingReader, _ task: ExtractionTask) -> TypeSelection? {
        guard let node = tasks.node(task.rawValue) else { return nil }
        if case .string("all") = node.scalar { return .all }
        let path = tasks.path(of: task.rawValue)
        guard let names = names(node, path: path, of: "types", orElse: "all", faults: tasks.faults) else { return nil }
        for (name, mark) in names where !isTypeName(name) || name == "all" {
            tasks.faults.add(.badType(path, name, at: mark.place))
        }
        return .some(names.map(\.name))
    }

    private static func isTypeName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 0x61...0x7a, 0x30...0x39, 0x2d, 0x5f: true
                default: false
                }
            }
    }

    /// The sites that take part, or nil for all.
    static func participants(_ top: MappingReader, among sites: [SiteDeclaration]) -> Set<SiteID>? {
        guard let node = top.node("participants"),
            let names = names(node, path: "participants", of: "sites", orElse: nil, faults: top.faults)
        else { return nil }
        // A site that is declared but at fault must not be reported as unknown too.
        let declared = top.node("sites")?.pairs?.map(\.key) ?? []
        for (name, mark) in names where !declared.contains(name) {
            top.faults.add(.unknownName("participants", "site", name, known: sites.map(\.id.name), at: mark.place))
        }
        return Set(names.compactMap { SiteID($0.name) })
    }

    /// The coordinator, or nil where the workflow has none.
    static func coordinator(_ top: MappingReader) -> CoordinatorDeclaration? {
        guard let coordinator = top.mapping("coordinator", keys: ["validation", "tasks", "records", "labels"]) else {
            return nil
        }
        let validation = DataSource(
            path: coordinator.line("validation", required: true) ?? "", tasks: tasks(coordinator), limit: nil,
            labels: labels(coordinator))
        return CoordinatorDeclaration(
            validation: validation,
            records: coordinator.integer("records", in: 1...maximumCount) ?? WorkflowDefaults.records)
    }

    /// The cohorts, in cohort order.
    static func cohorts(_ top: MappingReader) -> [CohortDeclaration] {
        guard let cohorts = top.mapping("cohorts", keys: nil) else { return [] }
        return cohorts.pairs.compactMap { pair -> CohortDeclaration? in
            guard let id = CohortID(pair.key) else {
                top.faults.add(.badName("the cohort", pair.key, at: pair.keyMark.place))
                return nil
            }
            guard let cohort = cohorts.mapping(pair.key, keys: ["data", "tasks", "limit", "labels", "heads"]) else {
                return nil
            }
            let data = source(cohort, path: "data")
            let heads: HeadSource = cohort.choice("heads") ?? WorkflowDefaults.heads
            if heads == .predicted, data.tasks.ner == nil, let pair = cohort.pair("heads") {
                cohort.faults.add(.predictedHeads(in: cohort.path, at: pair.keyMark.place))
            }
            return CohortDeclaration(id: id, data: data, heads: heads)
        }.sorted { $0.id < $1.id }
    }
}
