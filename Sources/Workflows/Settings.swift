// Settings: the declared keys at the top of a workflow, with every default. Other sections are in the files beside this one.

import Faults
import Federation

/// Every key of the workflow format, declared once; docs, schema, reader and plan are made from these declarations.
enum Settings {
    /// The most rounds.
    static let maximumRounds = 10_000

    /// A workflow as written, before its parts are compared with each other.
    struct Form: Sendable {
        var version = 1
        var declaration = FederationDeclaration(
            name: "", summary: "", seed: 0, dataRoot: "",
            model: ModelConfiguration(base: "", weights: .stored, numerics: .exact), adapter: Settings.adapter.standard,
            template: "", sites: [], coordinator: nil, cohorts: [], rounds: 0, steps: [])
        /// Nil where every site takes part.
        var participants: [PlacedName]?
        /// Nil where the key is missing or wrong.
        var rounds: Int?
        var steps: [WorkflowReader.PlacedStep] = []

        init() {}
        /// The form that a plan writes: its sites are those that take part.
        init(_ declaration: FederationDeclaration) {
            self.declaration = declaration
            rounds = declaration.rounds
            steps = declaration.steps.map { WorkflowReader.PlacedStep($0, declaration.sizeUnit) }
        }
    }

    static let top = Section(Form(), naming + parts + rules)

    private static let builtIn: String = BuiltInTemplate.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", ")
    private static let rounds: ValueType<Int?> = .absent(ValueType<Int>.wholeNumber(0...maximumRounds))
    private static let siteNames: ValueType<[PlacedName]?> = .absent(ValueType<[PlacedName]>.names(of: "sites"))
    private static let coordinatorOrNone: ValueType<CoordinatorDeclaration?> = .absent(coordinator.type)
    private static let quorum: ValueType<Int?> =
        .absent(ValueType<Int>.wholeNumber(1...maximumCount)).called("whole number from 1 to the number of sites")
    private static let deadline: ValueType<Deadline?> = .absent(ValueType<Deadline>.deadline)

    private static let naming: [Setting<Form>] =
        [
            Setting("version", required: .wholeNumber(1...1).called("the whole number 1"), \.version),
            Setting("name", required: .kebabCase, \.declaration.name, "runs are called `<name>-<n>`"),
            Setting("summary", .line(mayBeEmpty: true), default: "", \.declaration.summary),
            Setting(
                "seed", .unsigned, default: 17, \.declaration.seed, "decides every random number and draw"),
            Setting(
                "data_root", .path(.dataRoot, "folder"), default: ".", \.declaration.dataRoot,
                "data paths are relative to it; it is relative to the workflow file, or, where it is given by `--set`, to the current folder"
            ),
        ]

    private static let parts: [Setting<Form>] =
        [
            Setting("model", required: Settings.model.type, \.declaration.model),
            Setting(
                "adapter", Settings.adapter.type, default: Settings.adapter.standard, shown: .value(.object([:])),
                \.declaration.adapter),
            Setting(
                "template", .path(.template, "name of a built-in template, or path of a file"),
                default: BuiltInTemplate.standard.rawValue, \.declaration.template,
                "built in are \(builtIn); a path is relative to the workflow file, or, where it is given by `--set`, to the current folder"
            ),
            Setting(
                "sites", sites, default: [], shown: .words("none"), \.declaration.sites,
                "at least one where `rounds` is above 0"),
            Setting(
                "participants", siteNames, default: nil, shown: .words("every site"),
                \.participants, "only these take part", omitted: { $0.participants == nil }),
            Setting(
                "coordinator", coordinatorOrNone, default: nil, shown: .words("none"),
                \.declaration.coordinator, "needed by `score`", omitted: { $0.declaration.coordinator == nil }),
            Setting("cohorts", cohorts, default: [], \.declaration.cohorts),
        ]

    private static let rules: [Setting<Form>] =
        [
            Setting(
                "allow_overlap", .flag, default: false, \.declaration.allowOverlap,
                "`true`: a validation or test document may be in training too, and is counted in the plan; `false`: such a document is refused",
                omitted: { !$0.declaration.allowOverlap }),
            Setting(
                "on_bad_document", .choice(), default: .fail, \.declaration.badDocuments,
                "`fail`: a document that cannot be read stops the run; `skip`: it is left out, counted in the plan and named",
                omitted: { $0.declaration.badDocuments == .fail }),
            Setting(
                "rounds", required: rounds, \.rounds,
                "0 evaluates the base model and trains nothing (the zero-shot baseline)"),
            Setting("steps", required: WorkflowReader.stepList, \.steps),
            Setting(
                "signing", .choice(), default: .optional, \.declaration.signing,
                "`optional`: commits are signed where the coordinator and every site have a key; `required`: without keys the run does not begin",
                omitted: { $0.declaration.signing == .optional }),
            Setting(
                "approvals", .choice(), default: .optional, \.declaration.approvals,
                "`optional`: no approval is needed; `required`: a site trains only after its key has approved exactly this plan (`medrounds approve`)",
                omitted: { $0.declaration.approvals == .optional }),
            Setting(
                "quorum", quorum, default: nil, shown: .words("none: a step that fails stops the run"),
                \.declaration.quorum,
                "the number of usable uploads with which a round continues where a site is absent, because its step failed twice, or because `approvals` are required and the site gave none",
                omitted: { $0.declaration.quorum == nil }),
            Setting(
                "deadline", deadline, default: nil, shown: .words("none: sites are waited for until they answer"),
                \.declaration.deadline,
                "how long sites on other machines are waited for, in each round and for their parts of the plan; then a round continues without those that are missing, if the `quorum`, which it needs, is met ([federation.md](federation.md#deadlines))",
                omitted: { $0.declaration.deadline == nil }),
        ]

    /// The sites, in site order.
    private static let sites: ValueType<[SiteDeclaration]> = {
        let named = ValueType.named("site", site)
        return ValueType(
            words: named.words, schema: named.schema,
            read: { node, path, faults in
                named.read(node, path, faults)?.compactMap { named in
                    SiteID(named.name).map { id in
                        var site = SiteDeclaration(id: id, sources: named.thing.sources)
                        site.rank = named.thing.rank
                        return site
                    }
                }.sorted { $0.id < $1.id }
            },
            write: { sites in
                named.write(
                    sites.map {
                        Named(
                            name: $0.id.name, mark: .nowhere,
                            thing: SiteContents(sources: $0.sources, rank: $0.rank))
                    })
            })
    }()

    /// The cohorts, in cohort order.
    private static let cohorts: ValueType<[CohortDeclaration]> = {
        let named = ValueType.named("cohort", cohort)
        return ValueType(
            words: named.words, schema: named.schema,
            read: { node, path, faults in
                named.read(node, path, faults)?.compactMap { named in
                    CohortID(named.name).map {
                        CohortDeclaration(
                            id: $0, data: named.thing.data, heads: named.thing.heads,
                            site: named.thing.site.flatMap(SiteID.init))
                    }
                }.sorted { $0.id < $1.id }
            },
            write: { cohorts in
                named.write(
                    cohorts.map {
                        Named(
                            name: $0.id.name, mark: .nowhere,
                            thing: CohortForm(data: $0.data, heads: $0.heads, site: $0.site?.name))
                    })
            })
    }()
}

extension FederationDeclaration {
    /// The workflow with every default explicit; `sites` holds those that take part. Keys of later versions are left out where they are not
    /// used, so that older plans keep their digest.
    public var json: JSONValue { Settings.top.write(Settings.Form(self)) }
}
