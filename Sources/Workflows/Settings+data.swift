// The declared keys of the sections that name notes: sites and their sources, the coordinator, cohorts.

import Faults
import Federation

extension Settings {
    /// The largest number of records, epochs and similar: far above any use, small enough to multiply without overflow.
    static let maximumCount = 1_000_000

    // MARK: Keys beside every path of notes

    static let limit = ValueType.optional(
        .wholeNumber(1...maximumCount), null: "all")
    private static let limitNote = "the most records, drawn by the seed"
    private static let labelsNote = "the types that the labels of the notes mean, below"
    private static let tasksNote = "what the notes annotate, below"
    private static let allEntities = TaskSelection(ner: .all, re: nil)
    private static let blank = DataSource(path: "", tasks: allEntities, limit: nil)

    /// A source in a list of a site, and the notes of a cohort.
    static let source = Section(
        blank,
        [
            Setting("data", required: .path(.notes), \.path),
            Setting("tasks", tasks, default: allEntities, \.tasks, tasksNote),
            Setting("limit", limit, default: nil, \.limit, limitNote),
            Setting("labels", labels, default: LabelMap(), \.labels, labelsNote, omitted: { $0.labels.names.isEmpty }),
        ])

    /// A site as written: a path with its own keys, or a list of sources.
    struct SiteForm: Sendable {
        var source: DataSource
        /// The elements of a list; nil where `train` is a path.
        var pool: [DataSource]?
        /// The rank of the site's adapter; nil for the workflow's.
        var rank: Int?
        var isRemote = false
    }

    /// What a site declares beside its name.
    struct SiteContents: Sendable {
        var sources: [DataSource]
        var rank: Int?
    }

    static let siteForm = Section(
        SiteForm(source: blank, pool: nil),
        [
            Setting("train", required: trainSource, \SiteForm.train, "notes to train on"),
            Setting("tasks", tasks, default: allEntities, \.source.tasks, tasksNote),
            Setting("limit", limit, default: nil, \.source.limit, limitNote),
            Setting("labels", labels, default: LabelMap(), \.source.labels, labelsNote),
            Setting(
                "rank", .absent(ValueType<Int>.wholeNumber(1...2048)), default: nil,
                shown: .words("that of `adapter`"), \.rank, "only with `product: svd`, at most `adapter.rank`"),
            Setting(
                "remote", .flag, default: false, \SiteForm.isRemote,
                "`true`: the site is on another machine, which alone knows its notes; beside it only `rank`"),
        ])

    private static let trainSource: ValueType<SiteForm.Train> = {
        let path = ValueType.path(.notes)
        return ValueType(
            words: "path, or a list of mappings",
            schema: [
                "anyOf": [
                    .object(path.schema), ["type": "array", "minItems": 1, "items": .object(source.schema)],
                ]
            ],
            read: { node, key, faults in
                guard let elements = node.elements else {
                    return path.read(node, key, faults).map { SiteForm.Train(path: $0, pool: nil) }
                }
                if elements.isEmpty { faults.add(.emptyList(key, of: "data", at: node.mark.place)) }
                let pool = elements.enumerated().compactMap { source.read($1, "\(key).\($0)", faults) }
                return SiteForm.Train(path: "", pool: pool)
            },
            write: { form in
                form.pool.map { .array($0.map { source.write($0) }) } ?? .string(form.path)
            })
    }()

    /// A site. A plan always writes a list of sources.
    static let site = ValueType<SiteContents>(
        words: "mapping, below", schema: ["anyOf": [.object(siteForm.schema), remoteSchema]],
        read: { node, path, faults in
            if node["remote"]?.scalar == .bool(true) {
                guard let mapping = MappingReader(node, path: path, keys: siteForm.keys, faults: faults) else {
                    return nil
                }
                for pair in mapping.pairs
                where !["remote", "rank"].contains(pair.key) && siteForm.keys.contains(pair.key) {
                    faults.add(
                        .misplacedKey(
                            pair.key, "\(path) is on another machine, which alone knows its notes",
                            at: pair.keyMark.place))
                }
                let rank = mapping.pair("rank").flatMap {
                    ValueType<Int>.wholeNumber(1...2048).read($0.value, mapping.path(of: "rank"), faults)
                }
                return SiteContents(sources: [], rank: rank)
            }
            guard let mapping = MappingReader(node, path: path, keys: siteForm.keys, faults: faults) else { return nil }
            let form = siteForm.read(mapping)
            guard let pool = form.pool else {
                return SiteContents(sources: mapping.pair("train") == nil ? [] : [form.source], rank: form.rank)
            }
            for key in ["tasks", "limit", "labels"] {
                guard let pair = mapping.pair(key) else { continue }
                faults.add(
                    .misplacedKey(
                        key, "\(mapping.path(of: "train")) is a list, so each source has its own",
                        at: pair.keyMark.place))
            }
            return SiteContents(sources: pool, rank: form.rank)
        },
        write: { site in
            var members: [String: JSONValue] =
                site.sources.isEmpty
                ? ["remote": true] : ["train": .array(site.sources.map { source.write($0) })]
            members["rank"] = site.rank.map { .integer(Int64($0)) }
            return .object(members)
        })

    /// A site on another machine.
    private static let remoteSchema: JSONValue = [
        "type": "object", "additionalProperties": false, "required": ["remote"],
        "properties": [
            "remote": ["const": true], "rank": .object(ValueType<Int>.wholeNumber(1...2048).schema),
        ],
    ]

    static let coordinator = Section(
        CoordinatorDeclaration(validation: blank, records: 0),
        [
            Setting("validation", required: .path(.notes), \.validation.path, "notes that nobody trains on"),
            Setting("tasks", tasks, default: allEntities, \.validation.tasks, tasksNote),
            Setting(
                "labels", labels, default: LabelMap(), \.validation.labels, labelsNote,
                omitted: { $0.validation.labels.names.isEmpty }),
            Setting(
                "records", .wholeNumber(1...maximumCount), default: 5, \.records,
                "how many records are drawn by the seed"),
        ])

    /// A cohort without its name.
    struct CohortForm: Sendable {
        var data: DataSource
        var heads: HeadSource
        /// The site that has the notes; nil where the coordinator has them.
        var site: String?
    }

    static let cohortForm = Section(
        CohortForm(data: blank, heads: .gold),
        [
            Setting(
                "site", .absent(ValueType<String>.kebabCase), default: nil, shown: .words("none: the coordinator"),
                \.site,
                "the site that has the notes: they are decoded and scored there, and the card alone leaves it; of a site on another machine, only `site` and `heads`",
                omitted: { $0.site == nil }),
            Setting("data", required: .path(.notes), \.data.path),
            Setting("tasks", tasks, default: allEntities, \.data.tasks, tasksNote),
            Setting("limit", limit, default: nil, \.data.limit, limitNote),
            Setting(
                "labels", labels, default: LabelMap(), \.data.labels, labelsNote,
                omitted: { $0.data.labels.names.isEmpty }),
            Setting(
                "heads", .choice(), default: .gold, \.heads,
                "`gold`: relation extraction is asked about the annotated heads; `predicted`: about the mentions that the model found, which needs `ner` in the tasks",
                omitted: { $0.data.tasks.re == nil }),
        ])

    /// A cohort of which the site alone knows the notes.
    private static let remoteCohort = Section(
        CohortForm(data: blank, heads: .gold),
        [
            Setting("site", required: .absent(ValueType<String>.kebabCase), \.site),
            Setting("heads", .choice(), default: .gold, \.heads, omitted: { $0.heads == .gold }),
        ])

    static let cohort = ValueType<CohortForm>(
        words: "mapping, below", schema: ["anyOf": [.object(cohortForm.schema), .object(remoteCohort.schema)]],
        read: { node, path, faults in
            guard let mapping = MappingReader(node, path: path, keys: cohortForm.keys, faults: faults) else {
                return nil
            }
            if mapping.pair("site") != nil, mapping.pair("data") == nil {
                for pair in mapping.pairs where ["tasks", "limit", "labels"].contains(pair.key) {
                    faults.add(
                        .misplacedKey(
                            pair.key, "\(path) has no data here, so the site alone knows its notes",
                            at: pair.keyMark.place))
                }
                return remoteCohort.read(mapping)
            }
            let form = cohortForm.read(mapping)
            if form.heads == .predicted, form.data.tasks.ner == nil, let pair = mapping.pair("heads") {
                faults.add(.predictedHeads(in: path, at: pair.keyMark.place))
            }
            return form
        },
        write: { $0.site != nil && $0.data.path.isEmpty ? remoteCohort.write($0) : cohortForm.write($0) })

    // MARK: Tasks and labels

    private struct TaskForm: Sendable {
        var ner: TypeSelection?
        var re: TypeSelection?
    }

    static let tasks: ValueType<TaskSelection> = {
        let section = Section(
            TaskForm(),
            [
                Setting(
                    "ner", .absent(types), default: nil, shown: .words("not annotated"), \TaskForm.ner,
                    "named entities", omitted: { $0.ner == nil }),
                Setting(
                    "re", .absent(types), default: nil, shown: .words("not annotated"), \TaskForm.re,
                    "modifiers of entities", omitted: { $0.re == nil }),
            ])
        var schema = section.schema
        schema["minProperties"] = 1
        return ValueType(
            words: "mapping", schema: schema,
            read: { node, path, faults in
                guard let mapping = MappingReader(node, path: path, keys: section.keys, faults: faults) else {
                    return nil
                }
                if mapping.pairs.isEmpty { faults.add(.emptyList(path, of: "task", at: mapping.mark.place)) }
                let form = section.read(mapping)
                return TaskSelection(ner: form.ner, re: form.re)
            },
            write: { section.write(TaskForm(ner: $0.ner, re: $0.re)) })
    }()

    private static let types: ValueType<TypeSelection> = {
        let list = ValueType.names(of: "types", orElse: "all")
        return ValueType(
            words: "`all` or a list of types",
            schema: ["anyOf": [["const": "all"], .object(nameListSchema(typeSchema))]],
            read: { node, path, faults in
                if case .string("all") = node.scalar { return .all }
                guard let names = list.read(node, path, faults) else { return nil }
                for name in names where !isTypeName(name.name) || name.name == "all" {
                    faults.add(.badType(path, name.name, at: name.mark.place))
                }
                return .some(names.map(\.name))
            },
            write: { selection in
                switch selection {
                case .all: "all"
                case .some(let names): .array(names.map { .string($0) })
                }
            })
    }()

    private static let typeSchema: [String: JSONValue] = ["type": "string", "pattern": "^[a-z0-9_-]{1,64}$"]

    private static func isTypeName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 0x61...0x7a, 0x30...0x39, 0x2d, 0x5f: true
                default: false
                }
            }
    }

    /// The type of each label; null for annotations that are passed over.
    static let labels = ValueType<LabelMap>(
        words: "mapping",
        schema: [
            "type": "object",
            "additionalProperties": [
                "anyOf": [.object(typeSchema), ["const": .string(LabelMap.relation)], ["type": "null"]]
            ],
        ],
        read: { node, path, faults in
            guard let labels = MappingReader(node, path: path, keys: nil, faults: faults) else { return nil }
            var names: [String: String?] = [:]
            for pair in labels.pairs {
                if pair.value.isNull {
                    names[pair.key] = .some(nil)
                } else if let type = MappingReader.string(
                    pair.value, path: labels.path(of: pair.key), expected: "a type or null", faults: faults)
                {
                    if type != LabelMap.relation && !isTypeName(type) {
                        faults.add(.badType(labels.path(of: pair.key), type, at: pair.value.mark.place))
                    }
                    names[pair.key] = type
                }
            }
            return LabelMap(names)
        },
        write: { map in .object(map.names.mapValues { type in type.map { .string($0) } ?? .null }) })
}

extension Settings.SiteForm {
    /// The value of `train`.
    fileprivate var train: Settings.SiteForm.Train {
        get { Train(path: source.path, pool: pool) }
        set {
            source.path = newValue.path
            pool = newValue.pool
        }
    }
    fileprivate struct Train: Sendable {
        var path: String
        var pool: [DataSource]?
    }
}
