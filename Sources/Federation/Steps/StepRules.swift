// StepRules: the rules for a kind of commit: who makes it, on which line, with which parents, files, trailers and subject.

import Faults

/// The rules of a kind of commit. A commit that does not follow the rules of any kind is a fault of the ledger.
package struct StepRules: Sendable {
    /// Who makes the commit, and signs it where the run is signed.
    package enum Actor: Sendable, CaseIterable {
        case coordinator
        /// The site that the commit names.
        case site
        /// The site that the commit names, or a person who approves for it.
        case siteOrApprover
    }

    /// The line that the commit moves.
    package enum Line: Sendable, CaseIterable {
        /// The coordinator's line of the run.
        case main
        /// What leaves the coordinator for the sites of the run.
        case published
        /// The line of the site that the commit names.
        case site
        /// The answers of the site that the commit names.
        case answers
        /// The line of the allowed signers, for all runs.
        case identities
        /// The line of the pruned adapters, for all runs.
        case pruned
    }

    /// What the commit belongs to, by the trailer that names it.
    package enum Owner: String, Sendable, CaseIterable {
        case site = "Site"
        case cohort = "Cohort"
    }

    /// The exact parents.
    package enum Parents: Sendable, CaseIterable {
        /// None: the root of the run.
        case none
        /// The call of the run.
        case call
        /// The call, then the part of each site, in site order.
        case callAndParts
        /// The commit before it on its line; none where it is the first.
        case before
        /// The publish that the round starts from, then the commit before it on the site's line, if there is one.
        case publishAndBefore
        /// The publish of its own round, then the commit before it on the site's line, if there is one.
        case ownPublishAndBefore
        /// The train commit of the same site and round.
        case train
        /// The commit before it on the main line, then the line of each site that took part in the round, in site order.
        case beforeAndSites
        /// The commit before it on the main line, then the last evaluation of each site that made one, in site order.
        case beforeAndCards
        /// The answer before it on its line; the site's part, then the publish of the plan, where it is the first answer.
        case beforeOrPart

        /// Whether the first parent was published, so that the line of the site goes on with the second.
        package var growsFromPublish: Bool { self == .publishAndBefore || self == .ownPublishAndBefore }
        /// Whether the commit takes over files of the lines that it merges.
        package var merges: Bool { self == .beforeAndSites || self == .beforeAndCards }
    }

    /// A file that the commit adds or changes.
    package struct File: Sendable {
        /// Whether the file is at the root of the tree or in the step's folder.
        package enum Place: Sendable { case root, folder }
        /// What decides its bytes.
        package enum Content: Sendable, CaseIterable {
            /// Canonical JSON of the kind's record.
            case record
            /// Canonical JSON of `StepRules.timing`; the only file outside State-SHA256.
            case timing
            /// A file that a person wrote; plan.json names its digest.
            case written
            /// Canonical JSON of the plan.
            case plan
            /// Canonical JSON of the plan as sites see it.
            case view
            /// An adapter in the only form that its tensors and the plan's precision allow.
            case adapter
            /// The allowed signers in the only form of their lines.
            case signers
            /// The pruned contents in the only form of their lines.
            case prunedList
        }
        package var name: String
        package var place: Place
        package var content: Content
        /// When the file is there; nil where it always is. An upload that was left out holds no adapter.
        package var presence: String?
        package var isOptional: Bool { presence != nil }
        /// Whether the file takes the place of the one before it; every other file is new.
        package var replaces: Bool { place == .root && (content == .adapter || name == RunPath.published) }

        init(_ name: String, in place: Place, _ content: Content, only presence: String? = nil) {
            self.name = name
            self.place = place
            self.content = content
            self.presence = presence
        }
    }

    package var kind: StepKind
    package var actor: Actor
    package var line: Line
    package var owner: Owner?
    package var parents: Parents
    package var files: [File]
    /// The fields of record.json, or of the kind's own JSON file; nil where there is none.
    package var record: RecordShape?
    /// The subject of the commit without `round N kind owner: `; it says in a few words what the record holds.
    package var summary: @Sendable (RecordReader) throws(Fault) -> String
    /// What a checker computes again without the engine, as text for the docs.
    package var recomputed: [String]

    /// Whether the kind is one of a round: its files are in a folder of the round and its subject begins with the round.
    package var isOfRound: Bool { files.contains { $0.place == .folder } }

    /// Whether the commit's tree holds its own files alone; every other tree is its first parent's with the commit's own files.
    package var startsEmpty: Bool {
        switch parents {
        case .none, .call, .callAndParts, .beforeOrPart: true
        case .before, .publishAndBefore, .ownPublishAndBefore, .train, .beforeAndSites, .beforeAndCards: false
        }
    }

    /// The keys of the trailers in order. What comes before the plan names the call in its place; a publish names the commit of the main line
    /// that it is made from; what a site does for a cohort names both.
    package var trailers: [String] {
        switch line {
        case .identities, .pruned: return ["Step", "State-SHA256"]
        case .main, .published, .site, .answers:
            let isBeforePlan = kind == .call || kind == .part
            let site = line == .site && owner == .cohort ? [Owner.site.rawValue] : []
            return ["Run", "Round", "Step"] + site + (owner.map { [$0.rawValue] } ?? [])
                + [isBeforePlan ? "Call-SHA256" : "Plan-SHA256"]
                + (kind == .publish ? ["Source", "Source-State-SHA256"] : []) + ["State-SHA256"]
        }
    }

    /// The files of a kind that has a record.
    static let recordFiles: [File] = [
        File("record.json", in: .folder, .record), File("timing.json", in: .folder, .timing),
    ]
}

extension StepKind {
    /// The folder of the step's files: `rounds/0001/<kind>` or `rounds/0001/<kind>/<owner>`.
    package func folder(round: Int, owner: String? = nil) -> String {
        "\(RunPath.round(round))/\(rawValue)" + (owner.map { "/\($0)" } ?? "")
    }
    /// The record of the step.
    package func record(round: Int, owner: String? = nil) -> String {
        let file = rules.files.first { $0.content == .record }
        if let file, file.place == .root { return file.name }
        return folder(round: round, owner: owner) + "/record.json"
    }
    /// The timing file of the step.
    package func timing(round: Int, owner: String? = nil) -> String {
        folder(round: round, owner: owner) + "/timing.json"
    }

    /// Every path that a commit of this kind may add or change, with its rule.
    package func paths(round: Int, owner: String?) -> [(path: String, file: StepRules.File)] {
        rules.files.map { file in
            (file.place == .root ? file.name : "\(folder(round: round, owner: owner))/\(file.name)", file)
        }
    }

    /// The commit's subject: `round 1 train general: loss 2.31 -> 1.07 (48 records, 2 epochs)`. Throws where the record lacks a field.
    package func subject(round: Int, owner: String?, _ record: RecordReader) throws(Fault) -> String {
        guard rules.isOfRound else { return try rules.summary(record) }
        let lead = "round \(round) \(rawValue)" + (owner.map { " \($0)" } ?? "")
        return try lead + rules.summary(record)
    }
}

/// Paths of a run's tree that belong to no single step.
package enum RunPath {
    /// The folder of a round: `rounds/0001`.
    package static func round(_ round: Int) -> String { "rounds/\(folder(of: round))" }
    /// A round as a four-digit folder name.
    package static func folder(of round: Int) -> String {
        let digits = String(round)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
    /// The file that left the site.
    package static func upload(round: Int, site: SiteID) -> String {
        StepKind.upload.folder(round: round, owner: site.name) + "/" + adapter
    }
    /// The published global adapter, at the root of the tree.
    package static let global = adapter
    package static let adapter = "adapter.safetensors"
    package static let plan = "plan.json"
    package static let workflow = "workflow.yaml"
    package static let template = "template.yaml"
    package static let call = "call.json"
    package static let part = "part.json"
    package static let published = "published.json"
    package static let approval = "approval.json"
    package static let signers = "allowed_signers"
    package static let pruned = "pruned"
}
