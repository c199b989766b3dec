// SiteFile: site.yaml, which a hospital writes on its own machine: its name, its mailbox, its notes, and what it accepts without asking a person.

import Faults
import Federation

/// What a hospital says of its site. Nothing of it leaves the hospital but what its part of a plan says.
public struct SiteFile: Sendable, Equatable {
    /// The site's name.
    public var site: SiteID
    /// Where its mailbox is.
    public var mailbox: MailboxPlace
    /// The base model: a name of the catalogue, or a path.
    public var model: String
    /// The folder that paths of notes are relative to, as written.
    public var dataRoot: String
    /// The notes to train on.
    public var sources: [DataSource]
    /// Notes that the site decodes and scores where a call asks for it, by cohort; the card leaves the site.
    public var cohorts: [CohortID: DataSource]
    /// Plans within these bounds are approved without asking; nil where a person is always asked.
    public var accept: Bounds?

    /// The coordinator's keys, as written: public key lines or fingerprints; none where the first list of signers that comes is trusted.
    public var coordinatorKeys: [String] = []

    /// What is accepted without asking.
    public struct Bounds: Sendable, Equatable {
        /// The most rounds.
        public var rounds: Int
        /// The highest rank.
        public var rank: Int
        /// The most that leaves in one round, in millions of bytes.
        public var megabytes: Int
    }

    private static let notes = ["train", "tasks", "limit", "labels"]
    private static let keys =
        ["version", "site", "mailbox", "coordinator_key", "model", "data_root"] + MailboxPlace.keys + notes
        + ["cohorts", "accept"]

    /// Reads the file. Throws every fault of it at once.
    public static func read(bytes: [UInt8], file: String) throws(FaultReport) -> SiteFile {
        let faults = FaultCollector(files: [file])
        let root: YAMLNode
        do { root = try YAMLReader.read(bytes: bytes, file: file, form: .unknown) } catch {
            throw FaultReport(error.faults)
        }
        guard let top = MappingReader(root, path: "", keys: keys, faults: faults) else {
            try faults.throwIfAny()
            preconditionFailure("a reader that fails adds a fault")
        }
        func text(_ key: String, orElse standard: String? = nil) -> String {
            guard let node = top.node(key, required: standard == nil) else { return standard ?? "" }
            return MappingReader.string(node, path: key, expected: "a text", faults: faults) ?? ""
        }
        if let node = top.node("version", required: true), node.scalar.flatMap(Self.whole) != 1 {
            faults.add(
                .wrongType("version", is: MappingReader.kind(of: node), expected: "the number 1", at: node.mark.place))
        }
        let name = text("site")
        if SiteID(name) == nil, let node = top.node("site") {
            faults.add(
                .wrongType("site", is: "another text", expected: "a name in kebab-case", at: node.mark.place))
        }
        let mailbox = MailboxPlace(text("mailbox"), top, path: "", faults)
        let (model, dataRoot) = (text("model"), text("data_root", orElse: "."))
        var notes = root
        notes.content = .mapping(top.pairs.filter { Self.notes.contains($0.key) })
        let sources = Settings.site.read(notes, "", faults)?.sources ?? []
        let named = top.node("cohorts").flatMap {
            ValueType.named("cohort", Settings.source.type).read($0, "cohorts", faults)
        }
        var cohorts: [CohortID: DataSource] = [:]
        for entry in named ?? [] {
            if let cohort = CohortID(entry.name) { cohorts[cohort] = entry.thing }
        }
        let accept = top.node("accept").flatMap { bounds($0, faults) }
        // One key, or a list while an old and a new one are used.
        let pins = top.node("coordinator_key").map { $0.elements ?? [$0] } ?? []
        let coordinatorKeys = pins.compactMap {
            MappingReader.string($0, path: "coordinator_key", expected: "a public key", faults: faults)
        }
        try faults.throwIfAny()
        guard let site = SiteID(name) else { preconditionFailure("a bad name is a fault") }
        return SiteFile(
            site: site, mailbox: mailbox, model: model, dataRoot: dataRoot, sources: sources, cohorts: cohorts,
            accept: accept, coordinatorKeys: coordinatorKeys)
    }

    private static func whole(_ scalar: CoreScalar) -> Int? {
        if case .integer(let whole) = scalar { return whole.int }
        return nil
    }

    private static func bounds(_ node: YAMLNode, _ faults: FaultCollector) -> Bounds? {
        let keys = ["rounds", "rank", "megabytes"]
        guard let mapping = MappingReader(node, path: "accept", keys: keys, faults: faults) else { return nil }
        let counts = keys.map { key -> Int in
            guard let node = mapping.node(key, required: true) else { return 0 }
            guard let count = node.scalar.flatMap(whole), 1...1_000_000 ~= count else {
                faults.add(
                    .wrongType(
                        "accept.\(key)", is: MappingReader.kind(of: node), expected: "a whole number from 1",
                        at: node.mark.place))
                return 0
            }
            return count
        }
        return Bounds(rounds: counts[0], rank: counts[1], megabytes: counts[2])
    }
}
