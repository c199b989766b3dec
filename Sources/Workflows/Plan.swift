// Plan: a workflow with every default, digest and count resolved: what a run promises to do. The runner resolves them.

import Faults
import Federation

/// What a run will do, before it does it: committed as plan.json, and compared when a run is resumed.
public struct Plan: Sendable, Equatable {
    /// The workflow with every default filled in and every override applied.
    public var declaration: FederationDeclaration
    /// The `--set` arguments as given, in order.
    public var overrides: [String]
    /// What the runner found on this machine.
    public var inputs: PlanInputs

    /// Makes a plan. Sites and cohorts must be in their order, as `WorkflowReader` gives them.
    public init(declaration: FederationDeclaration, overrides: [String], inputs: PlanInputs) {
        self.declaration = declaration
        self.overrides = overrides
        self.inputs = inputs
    }
}

/// What a plan's names and paths referred to: digests and counts, never paths of a machine, never text.
public struct PlanInputs: Sendable, Equatable {
    /// The version of the engine, which decides the bits of a result.
    public var engineVersion: String
    /// The base model.
    public var model: ModelSummary
    /// The digest of the tokenizer's vocabulary and merges.
    public var tokenizerDigest: Digest
    /// The digest of the template file.
    public var templateDigest: Digest
    /// The digest of the workflow file as written.
    public var workflowDigest: Digest
    /// One entry for each data source, in the runner's order.
    public var datasets: [DatasetSummary]
    /// Sites of the workflow that take no part in the run, because their notes could not be read when it began or their parts came too late; in
    /// the workflow's order.
    public var leftOut: [LeftOutSite] = []

    /// Makes a summary of inputs.
    public init(
        engineVersion: String, model: ModelSummary, tokenizerDigest: Digest, templateDigest: Digest,
        workflowDigest: Digest, datasets: [DatasetSummary]
    ) {
        self.engineVersion = engineVersion
        self.model = model
        self.tokenizerDigest = tokenizerDigest
        self.templateDigest = templateDigest
        self.workflowDigest = workflowDigest
        self.datasets = datasets
    }
}

/// A site that a run began without.
public struct LeftOutSite: Sendable, Equatable {
    /// The site.
    public var site: SiteID
    /// The code of the first fault of its notes, or `part.late`.
    public var reason: String
    /// How many of its documents are refused; 0 where the fault is of none.
    public var documents: Int

    /// The reason of a site on another machine whose part of the plan had not come by the deadline.
    package static let latePart = "part.late"

    /// Makes an entry.
    public init(site: SiteID, reason: String, documents: Int) {
        self.site = site
        self.reason = reason
        self.documents = documents
    }

    /// `data.offset in 3 documents`.
    public var words: String {
        documents == 0 ? reason : "\(reason) in \(documents) document\(documents == 1 ? "" : "s")"
    }
}

/// The base model that a plan's `model.base` named.
public struct ModelSummary: Sendable, Equatable {
    /// The model's own name.
    public var name: String
    /// The digest of its weights.
    public var digest: Digest
    /// Parameters of the backbone.
    public var parameters: Int
    /// Tensors of the backbone.
    public var tensors: Int
    /// The sizes that decide the shapes of adapters, so that adapters can be checked without the model.
    public var sizes: BackboneSizes

    /// Makes a summary.
    public init(name: String, digest: Digest, parameters: Int, tensors: Int, sizes: BackboneSizes) {
        self.name = name
        self.digest = digest
        self.parameters = parameters
        self.tensors = tensors
        self.sizes = sizes
    }
}

/// What a data source is used for.
public enum DatasetRole: String, Sendable, CaseIterable {
    /// A site trains on it.
    case train
    /// The coordinator scores uploads on it.
    case validation
    /// A cohort.
    case test
}

/// A data source as counts and a keyed commitment.
public struct DatasetSummary: Sendable, Equatable {
    /// What it is used for.
    public var role: DatasetRole
    /// The site, the cohort, or `coordinator`.
    public var owner: String
    /// The path as the workflow writes it.
    public var path: String
    /// Documents in the source.
    public var documents: Int
    /// How many of its records are used.
    public var records: Int
    /// Records whose input text was cut to fit.
    public var truncated: Int
    /// How many of their tokens the loss covers; nil where sizes count in records.
    public var labelTokens: Int?
    /// Documents that were left out because they cannot be read.
    public var skipped = 0
    /// Documents of a validation or a test that are also in training.
    public var overlapping = 0
    /// How many annotations of each type.
    public var labels: [String: Int]
    /// HMAC-SHA-256 of the source under its owner's key.
    public var commitment: Digest

    /// Makes a summary.
    public init(
        role: DatasetRole, owner: String, path: String, documents: Int, records: Int, truncated: Int,
        labels: [String: Int], commitment: Digest
    ) {
        self.role = role
        self.owner = owner
        self.path = path
        self.documents = documents
        self.records = records
        self.truncated = truncated
        self.labels = labels
        self.commitment = commitment
    }
}
