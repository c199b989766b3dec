// WorkflowReader: turns nodes into one FederationDeclaration by the declared settings; conditions between its parts are in +checks.

import Faults
import Federation

/// Reads a workflow file of version 1.
public enum WorkflowReader {
    /// The keys at the top of a workflow.
    static var keys: [String] { Settings.top.keys }

    /// Reads the bytes of a workflow, applies the overrides in order and fills in every default.
    ///
    /// `file` is the name that faults show. Throws every fault of the file and the overrides at once, sorted by place; an override's
    /// place is `--set path=value:1:column`. A fault in the YAML itself, or an unsupported version, is reported alone.
    public static func read(
        bytes: [UInt8], file: String, overrides: [Override] = []
    ) throws(FaultReport) -> FederationDeclaration {
        let faults = FaultCollector(files: [file] + overrides.map(\.file))
        let declaration = read(bytes: bytes, file: file, overrides: overrides, faults: faults)
        try faults.throwIfAny()
        guard let declaration else { throw FaultReport([.empty(at: Place(file: file))]) }
        return declaration
    }

    /// The same, with the faults collected instead of thrown; nil only where a fault was added.
    package static func read(
        bytes: [UInt8], file: String, overrides: [Override], faults: FaultCollector
    ) -> FederationDeclaration? {
        var root = YAMLReader.compose(bytes: bytes, file: file, form: .workflow, faults: faults)
        for override in overrides {
            faults.know(override.source)
            guard let tree = root, tree.pairs != nil else { break }
            do {
                root = try override.apply(to: tree)
            } catch {
                faults.add(error)
            }
        }
        return root.flatMap { read($0, faults: faults) }
    }

    /// Reads a tree of nodes; faults are thrown.
    package static func read(_ root: YAMLNode, throwing faults: FaultCollector) throws(FaultReport)
        -> FederationDeclaration
    {
        let declaration = read(root, faults: faults)
        try faults.throwIfAny()
        guard let declaration else { preconditionFailure("a reader that fails adds a fault") }
        return declaration
    }

    /// Reads a tree of nodes; nil only where a fault was added. If the version is another one, that is the only fault.
    package static func read(_ root: YAMLNode, faults: FaultCollector) -> FederationDeclaration? {
        if let version = root["version"], case .integer(let whole) = version.scalar, whole.int != 1,
            case .scalar(let text, _) = version.content
        {
            faults.only(.unsupportedVersion(String(text.prefix(40)), at: version.mark.place))
            return nil
        }
        guard let top = MappingReader(root, path: "", keys: keys + Settings.study.keys, faults: faults) else {
            return nil
        }
        for pair in top.pairs where Settings.study.keys.contains(pair.key) {
            faults.add(.needsComposition(pair.key, at: pair.keyMark.place))
        }
        let form = Settings.top.read(top)
        var declaration = form.declaration
        declaration.rounds = form.rounds ?? 0
        declaration.steps = form.steps.compactMap(\.step)
        declaration.sizeUnit = form.steps.compactMap(\.sizeUnit).first ?? .records
        if let participants = form.participants {
            let chosen = Set(participants.map(\.name))
            // A site that is declared but wrong must not be reported as unknown too.
            let declared = top.node("sites")?.pairs?.map(\.key) ?? []
            for name in participants where !declared.contains(name.name) {
                faults.add(
                    .unknownName(
                        "participants", "site", name.name, known: declaration.sites.map(\.id.name), at: name.mark.place)
                )
            }
            declaration.sites = declaration.sites.filter { chosen.contains($0.id.name) }
        }
        if let quorum = declaration.quorum, let node = top.node("quorum"), quorum > max(1, declaration.sites.count) {
            faults.outOfRange("quorum", node, "from 1 to \(max(1, declaration.sites.count))")
        }
        check(declaration, rounds: form.rounds, steps: form.steps, top: top)
        return declaration
    }
}
