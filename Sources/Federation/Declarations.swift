// What a workflow declares about sites, the coordinator and cohorts: paths as written, never resolved on this machine.

/// A path to annotated notes, and what they annotate.
public struct DataSource: Hashable, Sendable {
    /// A folder of BRAT pairs, a .jsonl file or a folder of .bio files; relative to `data_root`.
    public var path: String
    /// What the source annotates.
    public var tasks: TaskSelection
    /// The most records, drawn by the seed; nil for all.
    public var limit: Int?
    /// The meaning of its labels.
    public var labels: LabelMap

    /// Makes a source.
    public init(path: String, tasks: TaskSelection, limit: Int?, labels: LabelMap = LabelMap()) {
        self.path = path
        self.tasks = tasks
        self.limit = limit
        self.labels = labels
    }
}

/// A site: the notes it trains on.
public struct SiteDeclaration: Hashable, Sendable {
    /// The site's name.
    public var id: SiteID
    /// One source, or several where a workflow pools notes (the centralised baseline); none where the site is on another machine.
    public var sources: [DataSource]
    /// The rank of the site's adapter; nil for the workflow's.
    public var rank: Int?
    /// Whether the site runs its own process, which alone knows its notes.
    public var isRemote: Bool { sources.isEmpty }

    /// Makes a declaration.
    public init(id: SiteID, sources: [DataSource]) {
        self.id = id
        self.sources = sources
    }
}

/// The coordinator: the validation records on which uploads are scored.
public struct CoordinatorDeclaration: Hashable, Sendable {
    /// The validation notes; `limit` is unused here.
    public var validation: DataSource
    /// How many records are drawn from them by the seed.
    public var records: Int

    /// Makes a declaration.
    public init(validation: DataSource, records: Int) {
        self.validation = validation
        self.records = records
    }
}

/// A cohort: a named test set.
public struct CohortDeclaration: Hashable, Sendable {
    /// The cohort's name.
    public var id: CohortID
    /// The test notes; with an empty path where they are at a site on another machine, which alone knows them.
    public var data: DataSource
    /// The heads that relation extraction is asked about.
    public var heads: HeadSource
    /// The site that has the notes and scores them; nil where the coordinator does.
    public var site: SiteID?
    /// Whether only the site knows the notes.
    public var isRemote: Bool { site != nil && data.path.isEmpty }

    /// Makes a declaration.
    public init(id: CohortID, data: DataSource, heads: HeadSource = .gold, site: SiteID? = nil) {
        self.id = id
        self.data = data
        self.heads = heads
        self.site = site
    }

    /// The cohort as others than its site see it: nothing of its notes but where they are.
    package init(id: CohortID, at site: SiteID, heads: HeadSource) {
        self.init(
            id: id, data: DataSource(path: "", tasks: TaskSelection(ner: .all, re: nil), limit: nil), heads: heads,
            site: site)
    }
}

/// A federation as declared: the content of `workflow.yaml` with every default filled in and every `--set` applied.
public struct FederationDeclaration: Hashable, Sendable {
    /// The workflow's name, kebab-case.
    public var name: String
    /// One line for people, possibly empty.
    public var summary: String
    /// The seed of every random number of the run.
    public var seed: UInt64
    /// The folder that data paths are relative to, as written; itself relative to the workflow file.
    public var dataRoot: String
    /// The base model.
    public var model: ModelConfiguration
    /// The adapter.
    public var adapter: LoRAConfiguration
    /// The prompt template's path, relative to the workflow file.
    public var template: String
    /// The sites that take part, in site order.
    public var sites: [SiteDeclaration]
    /// The coordinator; nil where no step scores.
    public var coordinator: CoordinatorDeclaration?
    /// The cohorts, in cohort order.
    public var cohorts: [CohortDeclaration]
    /// Whether a document may be both in training and in validation or a test.
    public var allowOverlap = false
    /// What happens to a document that cannot be read.
    public var badDocuments = BadDocuments.fail
    /// The unit of a site's size in the aggregate step.
    public var sizeUnit = SizeUnit.records
    /// How many rounds; zero where only the base model is evaluated.
    public var rounds: Int
    /// The steps of each round, in order.
    public var steps: [Step]
    /// The number of usable uploads with which a round continues when sites are absent; nil where every site must finish its step.
    public var quorum: Int?
    /// How long sites on other machines are waited for, in a round and for their parts of the plan; nil where they are waited for until they
    /// answer. Only with a quorum.
    public var deadline: Deadline?
    /// Whether every commit must be signed by an allowed key.
    public var signing: Requirement
    /// Whether a site trains only a plan that it has approved.
    public var approvals: Requirement

    /// Makes a declaration.
    public init(
        name: String, summary: String, seed: UInt64, dataRoot: String, model: ModelConfiguration,
        adapter: LoRAConfiguration, template: String, sites: [SiteDeclaration], coordinator: CoordinatorDeclaration?,
        cohorts: [CohortDeclaration], rounds: Int, steps: [Step], signing: Requirement = .optional,
        approvals: Requirement = .optional
    ) {
        self.name = name
        self.summary = summary
        self.seed = seed
        self.dataRoot = dataRoot
        self.model = model
        self.adapter = adapter
        self.template = template
        self.sites = sites
        self.coordinator = coordinator
        self.cohorts = cohorts
        self.rounds = rounds
        self.steps = steps
        self.signing = signing
        self.approvals = approvals
    }
}
