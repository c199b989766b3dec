// Forger: somebody who holds every key commits a history again with other files, parents or messages.

import Digests
import Faults
import Federation
import Foundation
import GitLedger
import Identities
import LocalFiles
import ModelShelf
import Reports
import RunRecords
import Runs
import Testing
import Verification
import Workflows

/// Commits a run's history again from some commit on, with other files, as whoever holds all its keys could.
struct Forger {
    let run: RunName
    let ledger: Ledger
    let folder: String
    /// Parents before children, main line and site lines.
    let history: [CommitRecord]
    let original: CommitID?
    private let keys: [String: SSHPrivateKey]

    init(_ federation: TinyFederation, run name: String) throws {
        run = try #require(RunName(name))
        folder = federation.ledger
        ledger = try Ledger.open(path: folder)
        history = try RunHistory.commits(of: run, ledger: ledger)
        original = try ledger.tip(.main(run))
        var keys: [String: SSHPrivateKey] = [:]
        for owner in ["coordinator", "site-east", "site-west"] {
            keys[owner] = try SSHPrivateKey(reading: "\(federation.work)/keys/\(owner).ed25519")
        }
        self.keys = keys
    }

    func tip() throws -> CommitID? { try ledger.tip(.main(run)) }

    /// The records and the plan that a commit adds.
    func records(of index: Int) throws -> [(path: String, bytes: [UInt8])] {
        let commit = history[index]
        var found: [(String, [UInt8])] = []
        for change in try own(commit) where change.path.hasSuffix("record.json") || change.path == "plan.json" {
            if let bytes = try ledger.file(change.path, of: commit.id) { found.append((change.path, bytes)) }
        }
        return found
    }

    /// Every file but timings that a commit adds.
    func files(of index: Int) throws -> [(path: String, bytes: [UInt8])] {
        let commit = history[index]
        return try own(commit).filter { !$0.path.hasSuffix("timing.json") }.compactMap { change in
            try ledger.file(change.path, of: commit.id).map { (change.path, $0) }
        }
    }

    func verify() throws -> VerificationReport { try Verifier(run: run, ledger: ledger).report() }

    /// Whether verification finds nothing; a plan that cannot be read at all is found.
    var isBelieved: Bool { (try? verify().holds) ?? false }

    /// What a commit changes itself: what merges the sites' lines takes files over from them.
    private func own(_ commit: CommitRecord) throws -> [FileDifference] {
        let isAlone = ["call", "part", "plan"].contains(commit.trailer("Step"))
        return try ledger.differences(from: isAlone ? nil : commit.parents.first, to: commit.id).filter { change in
            switch commit.trailer("Step") {
            case "aggregate": change.path == "adapter.safetensors" || change.path.contains("/aggregate/")
            case "collect": change.path.contains("/collect/")
            default: true
            }
        }
    }

    private func line(of commit: CommitRecord) throws -> LineRef {
        let step = commit.trailer("Step") ?? ""
        if ["call", "publish"].contains(step) { return .published(run) }
        guard ["train", "upload", "evaluate_at_site", "part"].contains(step), let name = commit.trailer("Site") else {
            return .main(run)
        }
        let site = try #require(SiteID(name))
        return step == "part" ? .answers(run, site) : .site(run, site)
    }

    /// The plan that `alter` makes of the committed one; nil where it is left alone or is no plan any more.
    private func forgedPlan(_ alter: (String, [UInt8]) throws -> [UInt8]?) throws -> Plan? {
        for commit in history where commit.kind == .plan {
            guard let bytes = try ledger.file(RunPath.plan, of: commit.id), let forged = try alter(RunPath.plan, bytes)
            else { continue }
            return try? Plan(json: JSONValue(parsing: forged))
        }
        return nil
    }

    /// What a careful forger writes in a commit so that it fits a forged plan: the call and the parts say what the plan says, and what is published is
    /// made from what was forged. Nil for a file that stays.
    private func fitting(
        _ plan: Plan, _ commit: CommitRecord, _ path: String, made: [CommitID: CommitID]
    ) throws -> [UInt8]? {
        switch (commit.kind, path) {
        case (.call, RunPath.call): return PublishStep.call(plan).canonical
        case (.part, RunPath.part):
            let site = try #require(commit.owner.flatMap(SiteID.init))
            return PlanPart(of: site, in: plan).json.canonical
        case (.publish, RunPath.plan): return plan.view.json.canonical
        case (.publish, RunPath.published):
            let digest = Digest.sha256(plan.json.canonical)
            guard let round = commit.round, round > 0 else { return PublishStep.record(plan: digest).canonical }
            let source = try #require(commit.trailer("Source").flatMap { CommitID(hex: $0) }.flatMap { made[$0] })
            let adapter = try #require(try ledger.file(RunPath.global, of: source))
            let record = StepKind.aggregate.record(round: round)
            let aggregate = try #require(try ledger.file(record, of: source))
            let sites = plan.declaration.sites.map(\.id)
            return try? PublishStep.record(
                round: round, plan: digest, adapter: (Digest.sha256(adapter), adapter.count),
                aggregate: RecordReader(parsing: aggregate, path: record, commit: source.hex), sites: sites,
                uploads: PublishStep.uploads(round, sites, in: source, ledger)
            ).canonical
        default: return nil
        }
    }

    /// Commits the history from a commit on again; `alter` gives other bytes for a file, or nil for its own, and `message` changes the
    /// message of one commit.
    func recommit(
        from first: Int, message: (index: Int, change: (inout CommitDraft) -> Void)? = nil,
        alter: (String, [UInt8]) throws -> [UInt8]?
    ) throws {
        // Another plan begins with another call.
        let forgedPlan = try forgedPlan(alter)
        let start = forgedPlan == nil ? first : 0
        var tips: [LineRef: CommitID] = [:]
        for commit in history[..<start] { tips[try line(of: commit)] = commit.id }
        // The lines back to where they stood before: as files, since no ledger moves a line back.
        for line in try Set(history.map(line(of:))) {
            let file = "\(folder)/\(line.ref)"
            try? FileManager.default.removeItem(atPath: file)
            guard let tip = tips[line] else { continue }
            try FileManager.default.createDirectory(
                at: URL(fileURLWithPath: file).deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data("\(tip)\n".utf8).write(to: URL(fileURLWithPath: file))
        }
        var made: [CommitID: CommitID] = [:]
        var states: [String: String] = [:]
        var plan: String?
        var call: String?
        var digests: [String: String] = [:]
        for commit in history[start...] {
            let parents = commit.parents.map { made[$0] ?? $0 }
            let line = try line(of: commit)
            var changes: [FileChange] = []
            var subject = commit.subject
            for change in try own(commit) {
                guard let bytes = try ledger.file(change.path, of: commit.id) else { continue }
                var fitting: [UInt8]?
                if let forgedPlan { fitting = try self.fitting(forgedPlan, commit, change.path, made: made) }
                var forged = try alter(change.path, bytes) ?? fitting ?? bytes
                // A careful forger's list of cards names the forged ones.
                if change.path.hasSuffix("/collect/record.json"), forged == bytes {
                    var text = String(decoding: bytes, as: UTF8.self)
                    for (old, new) in digests { text = text.replacingOccurrences(of: old, with: new) }
                    forged = Array(text.utf8)
                }
                if forged != bytes { digests[Digest.sha256(bytes).hex] = Digest.sha256(forged).hex }
                if change.path == "plan.json", line == .main(run) { plan = Digest.sha256(forged).hex }
                if change.path == "call.json" { call = Digest.sha256(forged).hex }
                if forged != bytes, let step = commit.step, change.path == step.record,
                    let told = try? step.kind.subject(
                        round: step.round, owner: step.owner,
                        RecordReader(JSONValue(parsing: forged), path: change.path))
                {
                    // A careful forger's commit says what its record says.
                    subject = told
                }
                changes.append(FileChange(path: change.path, bytes: forged))
            }
            var trailers = commit.trailers.filter { $0.key != "State-SHA256" }
            if let call { trailers = trailers.map { $0.key == "Call-SHA256" ? Trailer($0.key, call) : $0 } }
            // A careful forger's publish names the forged commit and its state.
            trailers = trailers.map { trailer in
                if trailer.key == "Source", let id = CommitID(hex: trailer.value), let new = made[id] {
                    return Trailer("Source", new.hex)
                }
                return Trailer(
                    trailer.key,
                    trailer.key.hasSuffix("State-SHA256") ? states[trailer.value] ?? trailer.value : trailer.value)
            }
            if let plan { trailers = trailers.map { $0.key == "Plan-SHA256" ? Trailer($0.key, plan) : $0 } }
            var draft = CommitDraft(
                line: line, expectedTip: try ledger.tip(line), parents: parents,
                base: ["call", "part", "plan"].contains(commit.trailer("Step")) ? nil : parents.first, changes: changes,
                subject: subject, trailers: trailers, author: commit.author, time: commit.time)
            draft.body = commit.body
            for (before, parent) in zip(commit.parents, parents).dropFirst() where commit.trailer("Step") == "aggregate"
            {
                guard let site = try ledger.read(before).trailer("Site"), let round = commit.trailer("Round") else {
                    continue
                }
                for step in ["train", "upload"] {
                    let number = String(repeating: "0", count: 4 - round.count) + round
                    draft.taken.append(TakenFolder(from: parent, path: "rounds/\(number)/\(step)/\(site)"))
                }
            }
            if commit.trailer("Step") == "collect" {
                for card in history where card.trailer("Step") == "evaluate_at_site" {
                    guard let round = card.trailer("Round"), let cohort = card.trailer("Cohort") else { continue }
                    let number = String(repeating: "0", count: 4 - round.count) + round
                    draft.taken.append(
                        TakenFolder(
                            from: made[card.id] ?? card.id, path: "rounds/\(number)/evaluate_at_site/\(cohort)"))
                }
            }
            switch line {
            case .site(_, let site), .answers(_, let site): draft.signer = keys["site-\(site)"]?.signer
            default: draft.signer = keys["coordinator"]?.signer
            }
            if let message, history[message.index].id == commit.id { message.change(&draft) }
            let new = try ledger.commit(draft)
            made[commit.id] = new
            if let old = commit.trailer("State-SHA256") { states[old] = try ledger.stateDigest(of: new).hex }
        }
    }
}

/// The keys in a federation's work folder, as signers.
enum SSHKeys {
    /// The signer of a site; of the coordinator where there is none.
    static func signer(of site: String?, in federation: TinyFederation) throws -> CommitDraft.Signer {
        let name = site.map { "site-\($0)" } ?? "coordinator"
        return try SSHPrivateKey(reading: "\(federation.work)/keys/\(name).ed25519").signer
    }
}

extension TinyFederation {
    /// The commits of a site's line of run r, the newest first.
    func siteLine(_ site: String) throws -> [(commit: String, step: String, round: String)] {
        let format = "--format=%H %(trailers:key=Step,valueonly,separator=) %(trailers:key=Round,valueonly,separator=)"
        return try git("log", format, "runs/r.sites/\(site)").split(separator: "\n").map { line in
            let words = line.split(separator: " ").map(String.init)
            return (words[0], words.count > 1 ? words[1] : "", words.count > 2 ? words[2] : "")
        }
    }

    /// The bytes of a file in the ledger.
    func file(_ object: String) throws -> [UInt8] {
        let path = "\(folder)/object"
        let shown = try Self.run("/bin/sh", ["-c", "git --git-dir='\(ledger)' show '\(object)' > object"], in: folder)
        try #require(shown.code == 0, "\(shown.err)")
        return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    }
}
