// The plan as sites see it, and the call: the same before anything is known of notes. One site learns of another its name, its size and its
// commitment; no path, no count of labels, nothing of validation and test notes.

import Faults
import Federation

extension Plan {
    /// What is written in the place of a path that is not shown.
    public static let withheld = "withheld"

    /// The plan as every site sees it. It is a plan of its own, whose sites are all on other machines. `joined` makes one commitment
    /// of those of a site's sources.
    public func view(joining joined: ([Digest]) -> Digest) -> Plan {
        var view = self
        view.overrides = []
        view.declaration = declaration.view
        view.inputs.datasets = []
        // What is wrong with the notes of a hospital is no other hospital's business.
        view.inputs.leftOut = []
        for site in declaration.sites.map(\.id.name) {
            let sources = inputs.datasets.filter { $0.role == .train && $0.owner == site }
            guard !sources.isEmpty else { continue }
            func sum(_ count: (DatasetSummary) -> Int) -> Int { sources.reduce(0) { $0 + count($1) } }
            var row = DatasetSummary(
                role: .train, owner: site, path: Self.withheld, documents: 0, records: sum(\.records), truncated: 0,
                labels: [:], commitment: joined(sources.map(\.commitment)))
            if declaration.sizeUnit == .labelTokens { row.labelTokens = sum { $0.labelTokens ?? 0 } }
            view.inputs.datasets.append(row)
        }
        return view
    }

    /// What is asked of the sites before any of them has looked at its notes.
    public var call: Plan {
        var call = self
        call.overrides = []
        call.declaration = declaration.view
        call.inputs.datasets = []
        call.inputs.leftOut = []
        return call
    }

    /// The sites that a call names and this plan does not.
    package func missing(from call: Plan) -> [SiteID] {
        let own = Set(declaration.sites.map(\.id))
        return call.declaration.sites.map(\.id).filter { !own.contains($0) }
    }

    /// The sites that the plan leaves out because their parts came too late, in site order. The plan as sites see it names none.
    package var late: [SiteID] { inputs.leftOut.filter { $0.reason == LeftOutSite.latePart }.map(\.site) }

    /// Whether this plan, or what sites see of it, may follow a call: it asks for the same, of the same sites. Under a deadline it may leave out
    /// sites, as long as the quorum remains.
    package func isAnswer(to call: Plan) -> Bool {
        let out = missing(from: call)
        guard out.isEmpty || (declaration.deadline != nil && declaration.sites.count >= declaration.quorum ?? .max)
        else { return false }
        var asked = call
        asked.declaration = call.declaration.without(out)
        return asked.json == self.call.json
    }

    /// The plan of a run that begins without sites that were called.
    package func leavingOut(_ late: [SiteID]) -> Plan {
        var plan = self
        plan.declaration = declaration.without(late)
        plan.inputs.leftOut =
            (inputs.leftOut + late.map { LeftOutSite(site: $0, reason: LeftOutSite.latePart, documents: 0) })
            .sorted { $0.site < $1.site }
        return plan
    }

    /// The plan with the sources of each site as its part says them; the coordinator's own sets stay. Training comes first, then validation,
    /// then the cohorts in their order, those at sites among them.
    public func completed(with parts: [PlanPart]) -> Plan {
        var plan = self
        let said = declaration.sites.flatMap { site in parts.first { $0.site == site.id }?.datasets ?? [] }
        let own = inputs.datasets.filter { $0.role != .train && !isAtSite($0) }
        plan.inputs.datasets = said.filter { $0.role == .train } + own.filter { $0.role == .validation }
        for cohort in declaration.cohorts.map(\.id) {
            plan.inputs.datasets += (own + said).filter { $0.role == .test && $0.owner == cohort.name }
        }
        return plan
    }

    private func isAtSite(_ set: DatasetSummary) -> Bool {
        set.role == .test && CohortID(set.owner).flatMap(declaration.site(of:)) != nil
    }
}

extension FederationDeclaration {
    fileprivate var view: FederationDeclaration {
        var view = self
        view.dataRoot = Plan.withheld
        view.sites = sites.map { site in
            var remote = SiteDeclaration(id: site.id, sources: [])
            remote.rank = site.rank
            return remote
        }
        view.coordinator?.validation = withheld(coordinator?.validation)
        view.cohorts = cohorts.map { cohort in
            if let site = cohort.site {
                // A plan writes the heads of known notes only where these have relations.
                let areHeads = cohort.isRemote || cohort.data.tasks.re != nil
                return CohortDeclaration(id: cohort.id, at: site, heads: areHeads ? cohort.heads : .gold)
            }
            return CohortDeclaration(id: cohort.id, data: withheld(cohort.data), heads: cohort.heads)
        }
        view.model.base = model.base.split(separator: "/").last.map(String.init) ?? model.base
        if BuiltInTemplate.bytes(named: template) == nil { view.template = "template.yaml" }
        return view
    }

    private func withheld(_ source: DataSource?) -> DataSource {
        DataSource(
            path: Plan.withheld, tasks: source?.tasks ?? TaskSelection(ner: .all, re: nil), limit: source?.limit)
    }
}

/// What one site says of itself before there is a plan: what it found on its own machine, and its notes as counts and commitments.
public struct PlanPart: Sendable, Equatable {
    /// The site.
    public var site: SiteID
    /// The version of the engine at the site.
    public var engineVersion: String
    /// The base model at the site.
    public var model: ModelSummary
    /// Its tokenizer.
    public var tokenizerDigest: Digest
    /// The template that the site was sent.
    public var templateDigest: Digest
    /// The class of numerics that the site will compute in.
    public var numerics: Numerics
    /// The site's sources, then its cohorts; of a site on another machine without their paths.
    public var datasets: [DatasetSummary]

    /// The part that a plan, or the findings at a site, give of it.
    public init(of site: SiteID, in plan: Plan) {
        self.site = site
        engineVersion = plan.inputs.engineVersion
        model = plan.inputs.model
        tokenizerDigest = plan.inputs.tokenizerDigest
        templateDigest = plan.inputs.templateDigest
        numerics = plan.declaration.model.numerics
        let cohorts = plan.declaration.cohorts(at: site).map(\.id.name)
        datasets =
            plan.inputs.datasets.filter { $0.role == .train && $0.owner == site.name }
            + plan.inputs.datasets.filter { $0.role == .test && cohorts.contains($0.owner) }
    }

    /// One of the site's cohorts.
    public func cohort(_ cohort: CohortID) -> DatasetSummary? {
        datasets.first { $0.role == .test && $0.owner == cohort.name }
    }

    /// part.json.
    public var json: JSONValue {
        let inputs = PlanInputs(
            engineVersion: engineVersion, model: model, tokenizerDigest: tokenizerDigest,
            templateDigest: templateDigest, workflowDigest: templateDigest, datasets: datasets
        ).json
        return [
            "step": .string(StepKind.part.rawValue), "round": 0, "site": .string(site.name), "part_version": 1,
            "engine_version": inputs["engine_version"] ?? .null, "model": inputs["model"] ?? .null,
            "tokenizer_digest": .string(tokenizerDigest.hex), "template_digest": .string(templateDigest.hex),
            "numerics": .string(numerics.rawValue), "datasets": inputs["datasets"] ?? .null,
        ]
    }

    /// Reads part.json. Throws `plan.unreadable` for anything that `json` does not write.
    public init(json: JSONValue) throws(Fault) {
        guard let name = json["site"]?.text, let site = SiteID(name),
            let numerics = json["numerics"]?.text.flatMap(Numerics.init(rawValue:))
        else { throw .planUnreadable("the part names no site or no class of numerics") }
        var members = json.members ?? [:]
        members["workflow_digest"] = json["template_digest"]
        let inputs = try PlanInputs(json: .object(members))
        self.site = site
        self.numerics = numerics
        engineVersion = inputs.engineVersion
        model = inputs.model
        tokenizerDigest = inputs.tokenizerDigest
        templateDigest = inputs.templateDigest
        datasets = inputs.datasets
        // Notes to train on, and after them cohorts, whose names are compared with the call's.
        let training = datasets.prefix { $0.role == .train && $0.owner == name }
        let cohorts = datasets.dropFirst(training.count)
        let isOwn =
            !training.isEmpty && datasets.allSatisfy { $0.records > 0 }
            && cohorts.allSatisfy { $0.role == .test && CohortID($0.owner) != nil }
        guard isOwn, self.json == json else {
            throw .planUnreadable("the part is not written as this program writes it")
        }
    }

    /// What the site found otherwise than the call names it, in words; nil where nothing is.
    public func difference(from call: Plan) -> String? {
        let other = PlanPart(of: site, in: call)
        let asked = call.declaration.cohorts(at: site).map(\.id.name)
        let found = datasets.filter { $0.role == .test }.map(\.owner)
        if found != asked {
            func words(_ names: [String]) -> String { names.isEmpty ? "no cohort" : Wording.list(names) }
            return "notes of \(words(found)) to score, the call asks for \(words(asked))"
        }
        if engineVersion != other.engineVersion { return "engine \(engineVersion), the call \(other.engineVersion)" }
        if model != other.model {
            return
                "a base model of SHA-256 \(model.digest.hex.prefix(12)), the call \(other.model.digest.hex.prefix(12))"
        }
        if tokenizerDigest != other.tokenizerDigest {
            return
                "a tokenizer of SHA-256 \(tokenizerDigest.hex.prefix(12)), the call \(other.tokenizerDigest.hex.prefix(12))"
        }
        if templateDigest != other.templateDigest {
            return
                "a template of SHA-256 \(templateDigest.hex.prefix(12)), the call \(other.templateDigest.hex.prefix(12))"
        }
        return numerics == other.numerics ? nil : "numerics \(numerics.rawValue), the call \(other.numerics.rawValue)"
    }
}
