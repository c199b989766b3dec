// WorkflowReader: nodes become one FederationDeclaration. Sections are in +data and +steps, what they ask of each other in +checks.

import Faults
import Federation

/// Reads a workflow file of version 1.
public enum WorkflowReader {
    static let keys = [
        "version", "name", "summary", "seed", "data_root", "model", "adapter", "template", "sites", "participants",
        "coordinator", "cohorts", "allow_overlap", "on_bad_document", "rounds", "steps", "signing", "approvals",
        "quorum",
    ]
    /// The most rounds.
    static let maximumRounds = 10_000
    /// The most records, epochs and the like: far above any use, low enough to multiply without overflow.
    static let maximumCount = 1_000_000

    /// Reads the bytes of a workflow, applies the overrides in order and fills in every default.
    ///
    /// `file` is the name that faults show. Throws every fault of the file and the overrides at once, sorted by place; an override's
    /// place is `--set path=value:1:column`. A fault in the YAML itself, or an unsupported version, is reported alone.
    public static func read(
        bytes: [UInt8], file: String, overrides: [Override] = []
    ) throws(FaultReport) -> FederationDeclaration {
        let faults = FaultCollector(files: [file] + overrides.map(\.file))
        var root = YAMLReader.compose(bytes: bytes, file: file, form: .workflow, faults: faults)
        for override in overrides { faults.know(override.source) }
        for override in overrides {
            guard let tree = root, tree.pairs != nil else { break }
            do {
                root = try override.apply(to: tree)
            } catch {
                faults.add(error)
            }
        }
        guard let root else {
            try faults.throwIfAny()
            throw FaultReport([.empty(at: Place(file: file))])
        }
        return try read(root, faults: faults)
    }

    /// Reads a tree of nodes.
    static func read(_ root: YAMLNode, faults: FaultCollector) throws(FaultReport) -> FederationDeclaration {
        if let version = root["version"], case .integer(let whole) = version.scalar, whole.int != 1 {
            if case .scalar(let text, _) = version.content {
                throw FaultReport([.unsupportedVersion(String(text.prefix(40)), at: version.mark.place)])
            }
        }
        guard let top = MappingReader(root, path: "", keys: keys, faults: faults) else {
            try faults.throwIfAny()
            preconditionFailure("a reader that fails adds a fault")
        }
        let declaration = declaration(top)
        try faults.throwIfAny()
        return declaration
    }

    private static func declaration(_ top: MappingReader) -> FederationDeclaration {
        _ = top.integer("version", in: 1...1, required: true)
        let name = top.line("name", required: true)
        if let name, let place = top.pair("name")?.value.mark.place, !KebabCase.accepts(name) {
            top.faults.add(.badName("name", name, at: place))
        }
        let sites = sites(top)
        let cohorts = cohorts(top)
        let participants = participants(top, among: sites)
        let rounds = top.integer("rounds", in: 0...maximumRounds, required: true)
        let steps = steps(top)
        var declaration = FederationDeclaration(
            name: name ?? "",
            summary: top.line("summary", mayBeEmpty: true) ?? WorkflowDefaults.summary,
            seed: top.unsigned("seed") ?? WorkflowDefaults.seed,
            dataRoot: top.line("data_root") ?? WorkflowDefaults.dataRoot,
            model: model(top),
            adapter: adapter(top),
            template: top.line("template") ?? WorkflowDefaults.template,
            sites: participants.map { chosen in sites.filter { chosen.contains($0.id) } } ?? sites,
            coordinator: coordinator(top),
            cohorts: cohorts,
            rounds: rounds ?? 0,
            steps: steps.compactMap(\.step))
        declaration.allowOverlap = top.flag("allow_overlap") ?? WorkflowDefaults.allowOverlap
        declaration.badDocuments = top.choice("on_bad_document") ?? WorkflowDefaults.badDocuments
        declaration.sizeUnit = steps.compactMap(\.sizeUnit).first ?? .records
        declaration.signing = top.choice("signing") ?? WorkflowDefaults.signing
        declaration.approvals = top.choice("approvals") ?? WorkflowDefaults.approvals
        declaration.quorum = top.integer("quorum", in: 1...max(1, declaration.sites.count))
        check(declaration, rounds: rounds, steps: steps, top: top)
        return declaration
    }

    private static func model(_ top: MappingReader) -> ModelConfiguration {
        let model = top.mapping("model", keys: ["base", "weights", "numerics"], required: true)
        return ModelConfiguration(
            base: model?.line("base", required: true) ?? "",
            weights: model?.choice("weights") ?? WorkflowDefaults.weights,
            numerics: model?.choice("numerics") ?? WorkflowDefaults.numerics)
    }

    private static func adapter(_ top: MappingReader) -> LoRAConfiguration {
        let adapter = top.mapping("adapter", keys: ["rank", "alpha", "dropout", "targets"])
        return LoRAConfiguration(
            rank: adapter?.integer("rank", in: 1...2048) ?? WorkflowDefaults.rank,
            alpha: adapter?.number("alpha", in: .above(0)) ?? WorkflowDefaults.alpha,
            dropout: adapter?.number("dropout", in: .from(0, below: 1)) ?? WorkflowDefaults.dropout,
            targets: adapter.flatMap(targets) ?? WorkflowDefaults.targets)
    }

    /// `all-linear` or a list of maps; the result is in the order of `LinearMap.allCases`.
    private static func targets(_ adapter: MappingReader) -> [LinearMap]? {
        guard let node = adapter.node("targets") else { return nil }
        let known = LinearMap.allCases.map(\.rawValue)
        if case .string("all-linear") = node.scalar { return LinearMap.allCases }
        guard
            let names = names(
                node, path: adapter.path(of: "targets"), of: "maps", orElse: "all-linear", faults: adapter.faults)
        else { return nil }
        var chosen: Set<LinearMap> = []
        for (name, mark) in names {
            guard let map = LinearMap(rawValue: name) else {
                adapter.faults.add(
                    .unknownValue(adapter.path(of: "targets"), is: name, known: known, at: mark.place))
                continue
            }
            chosen.insert(map)
        }
        return LinearMap.allCases.filter(chosen.contains)
    }

    /// A list of distinct names, never empty, with their marks; `orElse` is the one word that may stand in its place.
    static func names(
        _ node: YAMLNode, path: String, of things: String, orElse word: String?, faults: FaultCollector
    ) -> [(name: String, mark: YAMLMark)]? {
        guard let elements = node.elements else {
            let expected = (word.map { "\($0) or " } ?? "") + "a list of \(things)"
            faults.add(.wrongType(path, is: MappingReader.kind(of: node), expected: expected, at: node.mark.place))
            return nil
        }
        if elements.isEmpty { faults.add(.emptyList(path, of: things, at: node.mark.place)) }
        var seen: Set<String> = []
        var names: [(name: String, mark: YAMLMark)] = []
        for element in elements {
            guard let name = MappingReader.string(element, path: path, expected: "a list of \(things)", faults: faults)
            else { continue }
            if seen.insert(name).inserted {
                names.append((name, element.mark))
            } else {
                faults.add(.duplicateName(path, name, at: element.mark.place))
            }
        }
        return names
    }
}
