// plan.json: written with every default, read back by the workflow reader itself, and refused unless it has the form in which we write it.

import Faults
import Federation

extension Plan {
    /// The version of the layout of plan.json.
    public static let version: Int64 = 4

    /// The plan as JSON; its canonical form is plan.json.
    public var json: JSONValue {
        [
            "plan_version": .integer(Self.version),
            "workflow": declaration.json,
            "overrides": .array(overrides.map { .string($0) }),
            "inputs": inputs.json,
        ]
    }

    /// Reads what `json` wrote. Throws `plan.unreadable` for anything else: a missing, unknown or wrongly typed member, a setting
    /// out of its range, an unknown version.
    public init(json: JSONValue) throws(Fault) {
        guard json.members != nil else { throw .planUnreadable("the plan is not a JSON object") }
        guard json["plan_version"]?.int == Int(Self.version) else {
            throw .planUnreadable(
                "the plan's plan_version is \(json["plan_version"]?.int.map(String.init) ?? "missing"), this program reads \(Self.version)"
            )
        }
        guard let workflow = json["workflow"] else { throw .planUnreadable("the plan lacks workflow") }
        declaration = try Self.declaration(workflow)
        guard let overrides = json["overrides"]?.elements?.map(\.text), !overrides.contains(nil) else {
            throw .planUnreadable("overrides is not a list of texts")
        }
        self.overrides = overrides.compactMap { $0 }
        guard let inputs = json["inputs"] else { throw .planUnreadable("the plan lacks inputs") }
        self.inputs = try PlanInputs(json: inputs)
        // What was read must give the same JSON when it is written again: no unknown member, and no default left out.
        let changes = Plan.differences(from: json, to: self.json)
        guard changes.isEmpty, self.json == json else {
            throw .planUnreadable(
                "the plan is not written as this program writes it: \(changes.first ?? "its members differ")")
        }
    }

    private static func declaration(_ json: JSONValue) throws(Fault) -> FederationDeclaration {
        let file = "plan.json"
        let source = YAMLSource(shown: [], bytes: [], file: file)
        let mark = YAMLMark(source: source, line: 0, column: 0)
        var root = YAMLNode(json: json, mark: mark)
        if case .string(let digits) = json["seed"], var pairs = root.pairs {
            for index in pairs.indices where pairs[index].key == "seed" {
                pairs[index].value = YAMLNode(.scalar(digits, plain: true), mark: mark)
            }
            root.content = .mapping(pairs)
        }
        // Each site of a plan has a list of sources; participants are already chosen.
        do {
            return try WorkflowReader.read(root, throwing: FaultCollector(files: [file]))
        } catch {
            throw .planUnreadable("workflow: \(error.faults[0].what)", at: Place(file: file))
        }
    }
}

extension PlanInputs {
    /// The inputs as JSON.
    var json: JSONValue {
        var members: [String: JSONValue] = [
            "engine_version": .string(engineVersion),
            "model": [
                "name": .string(model.name), "digest": .string(model.digest.hex),
                "parameters": .integer(Int64(model.parameters)), "tensors": .integer(Int64(model.tensors)),
                "sizes": [
                    "layers": .integer(Int64(model.sizes.layers)), "hidden": .integer(Int64(model.sizes.hidden)),
                    "queries": .integer(Int64(model.sizes.queries)),
                    "key_values": .integer(Int64(model.sizes.keyValues)),
                    "feed_forward": .integer(Int64(model.sizes.feedForward)),
                ],
            ],
            "tokenizer_digest": .string(tokenizerDigest.hex),
            "template_digest": .string(templateDigest.hex),
            "workflow_digest": .string(workflowDigest.hex),
            "datasets": .array(datasets.map(\.json)),
        ]
        if !leftOut.isEmpty { members["left_out"] = .array(leftOut.map(\.json)) }
        return .object(members)
    }

    init(json: JSONValue) throws(Fault) {
        let model = json["model"] ?? .null
        let sizes = model["sizes"] ?? .null
        self.init(
            engineVersion: try json.planText("engine_version"),
            model: ModelSummary(
                name: try model.planText("name"), digest: try model.planDigest("digest"),
                parameters: try model.planCount("parameters"), tensors: try model.planCount("tensors"),
                sizes: BackboneSizes(
                    layers: try sizes.planCount("layers", below: 1 << 12),
                    hidden: try sizes.planCount("hidden", below: 1 << 20),
                    queries: try sizes.planCount("queries", below: 1 << 20),
                    keyValues: try sizes.planCount("key_values", below: 1 << 20),
                    feedForward: try sizes.planCount("feed_forward", below: 1 << 22))),
            tokenizerDigest: try json.planDigest("tokenizer_digest"),
            templateDigest: try json.planDigest("template_digest"),
            workflowDigest: try json.planDigest("workflow_digest"),
            datasets: [])
        guard let elements = json["datasets"]?.elements else { throw .planUnreadable("datasets is not a list") }
        for element in elements { datasets.append(try DatasetSummary(json: element)) }
        guard let left = json["left_out"] else { return }
        guard let elements = left.elements, !elements.isEmpty else {
            throw .planUnreadable("left_out is not a list of sites")
        }
        for element in elements { leftOut.append(try LeftOutSite(json: element)) }
    }
}

extension LeftOutSite {
    var json: JSONValue {
        ["site": .string(site.name), "reason": .string(reason), "documents": .integer(Int64(documents))]
    }

    init(json: JSONValue) throws(Fault) {
        let reason = try json.planText("reason")
        guard let site = SiteID(try json.planText("site")), FaultCode.isKnown(reason) else {
            throw .planUnreadable("an entry of left_out is not a site with the code of a fault")
        }
        self.init(site: site, reason: reason, documents: try json.planCount("documents"))
    }
}

extension DatasetSummary {
    /// The summary as JSON.
    var json: JSONValue {
        var members: [String: JSONValue] = [
            "role": .string(role.rawValue), "owner": .string(owner), "path": .string(path),
            "documents": .integer(Int64(documents)), "records": .integer(Int64(records)),
            "truncated": .integer(Int64(truncated)),
            "labels": .object(labels.mapValues { .integer(Int64($0)) }),
            "commitment": .string(commitment.hex),
        ]
        members["label_tokens"] = labelTokens.map { .integer(Int64($0)) }
        if skipped > 0 { members["skipped"] = .integer(Int64(skipped)) }
        if overlapping > 0 { members["overlapping"] = .integer(Int64(overlapping)) }
        return .object(members)
    }

    init(json: JSONValue) throws(Fault) {
        guard let role = DatasetRole(rawValue: try json.planText("role")) else {
            throw .planUnreadable("role is not one of \(Wording.list(DatasetRole.allCases.map(\.rawValue)))")
        }
        let members = json["labels"] ?? .null
        var labels: [String: Int] = [:]
        for name in (members.members ?? [:]).keys.sorted() { labels[name] = try members.planCount(name) }
        self.init(
            role: role, owner: try json.planText("owner"), path: try json.planText("path"),
            documents: try json.planCount("documents"), records: try json.planCount("records"),
            truncated: try json.planCount("truncated"), labels: labels, commitment: try json.planDigest("commitment"))
        if json["label_tokens"] != nil { labelTokens = try json.planCount("label_tokens") }
        if json["skipped"] != nil { skipped = try json.planCount("skipped") }
        if json["overlapping"] != nil { overlapping = try json.planCount("overlapping") }
    }
}

extension JSONValue {
    fileprivate func planText(_ key: String) throws(Fault) -> String {
        guard let text = self[key]?.text else { throw .planUnreadable("\(key) is not a text") }
        return text
    }
    /// A count below 2^40, or a size below a smaller limit that no model reaches: products of the values read here fit in 64 bits.
    fileprivate func planCount(_ key: String, below end: Int = 1 << 40) throws(Fault) -> Int {
        guard let count = self[key]?.int, 0..<end ~= count else {
            throw .planUnreadable("\(key) is not a count below \(end)")
        }
        return count
    }
    fileprivate func planDigest(_ key: String) throws(Fault) -> Digest {
        guard let digest = Digest(hex: try planText(key)) else {
            throw .planUnreadable("\(key) is not 64 hexadecimal digits")
        }
        return digest
    }
}
