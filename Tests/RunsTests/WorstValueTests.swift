// Worst values: somebody who holds every key puts the worst value into each field, and one more of everything into each commit. The checker
// says no, or the table says that the value is the maker's word; no reader of the ledger traps, hangs or takes the machine.

import Digests
import Faults
import Federation
import Foundation
import GitLedger
import Identities
import Reports
import RunRecords
import Runs
import Testing
import Verification

@Suite struct WorstValueTests {
    private static let sentence = "The patient denies chest pain and takes aspirin."

    private static let worst: [JSONValue] = [
        0, -1, .integer(1 << 31), .integer(1 << 49), .integer(.max), "NaN", .string(sentence),
        .string(String(repeating: "a", count: 1 << 20)), .array([]), [:], .null, .number(1e308), .number(-1e-320),
    ]

    @Test func everyWorstValueIsFoundOrTheMakersWord() throws {
        let federation = try TinyFederation()
        try federation.addCohortAtEast()
        try federation.makeKeys()
        #expect(try federation.run("--name", "small", "--set", "rounds=1").code == 0)
        let forger = try Forger(federation, run: "small")
        let names = try Verifier(run: forger.run, ledger: forger.ledger).names
        var (tried, refused, turn) = (0, 0, 0)
        for index in forger.history.indices {
            let step = try #require(forger.history[index].step)
            for (path, bytes) in try forger.documents(of: index) {
                let value = try JSONValue(parsing: bytes)
                let shape = path.hasSuffix("timing.json") ? RecordShape.timing : step.kind.rules.record
                for place in Self.places(in: value) {
                    turn += 1
                    // Every value meets every field: the shape refuses most. A value that has the shape is committed, with every digest and
                    // signature made anew, and so is one of the others, to see that what the shape refuses is found.
                    var committed: [JSONValue] = []
                    for (number, worst) in Self.worst.enumerated() where value[at: place] != worst {
                        if let shape, shape.flaw(of: value.replacing(place, with: worst), names) != nil {
                            refused += 1
                            if number == turn % Self.worst.count { committed.append(worst) }
                        } else if shape != nil || [turn, turn * 5].contains(where: { $0 % Self.worst.count == number })
                        {
                            committed.append(worst)
                        }
                    }
                    // Of values that are alike to a shape, two: ends of its range were tried at other fields of that shape.
                    let first = turn % max(1, committed.count)
                    for worst in (committed[first...] + committed[..<first]).prefix(2) {
                        let forged = value.replacing(place, with: worst).canonical
                        do {
                            try forger.recommit(from: index) { at, file in at == path && file == bytes ? forged : nil }
                        } catch let fault as Fault
                            where fault.code == "ledger.invalid-message" || fault.cause == .tooLarge
                        {
                            // The subject that would follow from the record is one that the ledger does not write.
                            continue
                        }
                        tried += 1
                        // Every reader looks at it: none may trap.
                        if tried % 4 == 0 { try forger.readEverything() }
                        if forger.isBelieved {
                            let evidence = shape?.evidence(of: place)
                            #expect(
                                evidence == .claimed || Self.isOfPlan(path, place),
                                "\(path) \(place.joined(separator: ".")) passes with \(String(worst.canonicalText.prefix(40)))"
                            )
                        }
                    }
                }
            }
        }
        print("refused \(refused) worst values by their shape")
        #expect(refused > 1000)
        print("tried \(tried) worst values")
        #expect(tried > 300)
        try forger.recommit(from: 0) { _, _ in nil }
        #expect(forger.isBelieved)
    }

    /// What the plan says of a model and notes that are not in the ledger, as ForgedRecordTests lists.
    private static func isOfPlan(_ path: String, _ place: [String]) -> Bool {
        guard path == RunPath.plan, place.first == "inputs" else { return false }
        return ["documents", "truncated", "labels", "digest", "tensors", "engine_version", "tokenizer_digest"].contains
        {
            place.contains($0)
        }
    }

    /// One more of everything in each commit: a parent, a file, a folder of another round, a trailer, a paragraph.
    @Test func oneMoreOfEverythingIsFound() throws {
        let federation = try TinyFederation()
        try federation.addCohortAtEast()
        try federation.makeKeys()
        #expect(try federation.run("--name", "small", "--set", "rounds=1").code == 0)
        #expect(try federation.run("--name", "other", "--set", "rounds=1", "--set", "seed=6").code == 0)
        let forger = try Forger(federation, run: "small")
        let other = try #require(RunName("other"))
        let foreign = try #require(try forger.ledger.tip(.main(other)))
        let note = FileChange(path: "note.txt", bytes: Array(Self.sentence.utf8))
        let changes: [(String, (inout CommitDraft) -> Void)] = [
            ("a foreign parent", { $0.parents.append(foreign) }),
            (
                "a parent of its own line",
                { if let first = $0.parents.first { $0.parents.append(first) } else { $0.body = "x" } }
            ),
            ("a file", { $0.changes.append(note) }),
            (
                "a file in the round",
                { $0.changes.append(FileChange(path: "rounds/0001/note/x.json", bytes: [0x7b, 0x7d])) }
            ),
            (
                "a round more",
                { $0.changes.append(FileChange(path: "rounds/0099/score/record.json", bytes: [0x7b, 0x7d])) }
            ),
            ("a trailer", { $0.trailers.append(Trailer("Note", Self.sentence)) }),
            ("a paragraph", { $0.body += ($0.body.isEmpty ? "" : "\n\n") + Self.sentence }),
            ("another subject", { $0.subject = Self.sentence }),
            ("another author", { $0.author = CommitAuthor(name: Self.sentence, email: "x@x") }),
            ("a time before its parent", { $0.time = 1 }),
            (
                "another kind",
                { draft in
                    draft.trailers = draft.trailers.map {
                        $0.key == "Step" ? Trailer("Step", $0.value == "plan" ? "score" : "plan") : $0
                    }
                }
            ),
        ]
        for index in forger.history.indices {
            for (what, change) in changes {
                // The root has no parent to be older than, and its description is the workflow's.
                if what == "a time before its parent", forger.history[index].parents.isEmpty { continue }
                do {
                    try forger.recommit(from: index, message: (index, change)) { _, _ in nil }
                } catch { continue }  // The ledger itself refuses to write it.
                #expect(!forger.isBelieved, "\(forger.history[index].subject): \(what)")
            }
        }
        try forger.recommit(from: 0) { _, _ in nil }
        #expect(forger.isBelieved)
    }

    /// A ref that no plan names, below the run or beside it, in each kind of line.
    @Test func refsThatNoPlanNamesAreFound() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--name", "small", "--set", "rounds=1").code == 0)
        for ref in ["runs/small.sites/ghost", "runs/small.answers/ghost"] {
            try federation.git("update-ref", "refs/heads/\(ref)", "refs/heads/runs/small")
            let verify = try federation.medrounds("verify", "small")
            #expect(verify.code == 5 && verify.out.contains("verify.foreign-ref"), "\(ref): \(verify.out)")
            try federation.git("update-ref", "-d", "refs/heads/\(ref)")
        }
        // What was published, moved to the main line.
        let published = try federation.git("rev-parse", "runs/small.published")
        try federation.git("update-ref", "refs/heads/runs/small.published", "refs/heads/runs/small")
        #expect(try federation.medrounds("verify", "small").code == 5)
        try federation.git("update-ref", "refs/heads/runs/small.published", published)
        #expect(try federation.medrounds("verify", "small").code == 0)
    }

    // MARK: Places in a JSON value

    private static func places(in value: JSONValue, _ path: [String] = []) -> [[String]] {
        switch value {
        case .object(let members):
            return (path.isEmpty ? [] : [path])
                + members.keys.sorted().flatMap { places(in: members[$0] ?? .null, path + [$0]) }
        case .array(let elements):
            // The first element stands for all.
            return [path] + (elements.first.map { places(in: $0, path + ["0"]) } ?? [])
        default: return [path]
        }
    }
}

extension JSONValue {
    fileprivate subscript(at place: [String]) -> JSONValue? {
        guard let first = place.first else { return self }
        return (members?[first] ?? elements?.first)?[at: Array(place.dropFirst())]
    }

    fileprivate func replacing(_ place: [String], with value: JSONValue) -> JSONValue {
        guard let first = place.first else { return value }
        let rest = Array(place.dropFirst())
        if var members {
            members[first] = (members[first] ?? .null).replacing(rest, with: value)
            return .object(members)
        }
        if var elements, !elements.isEmpty {
            elements[0] = elements[0].replacing(rest, with: value)
            return .array(elements)
        }
        return value
    }
}

extension RecordShape {
    /// The evidence of the field at a place; that of the innermost field where the place goes on inside a value.
    fileprivate func evidence(of place: [String]) -> Evidence? {
        guard let name = place.first, let field = fields.first(where: { $0.name == name }) else { return nil }
        let rest = Array(place.dropFirst())
        func inner(_ form: Form, _ rest: [String]) -> Evidence? {
            switch form {
            case .object(let shape): rest.isEmpty ? field.evidence : shape.evidence(of: rest)
            case .byType(let shape), .byTask(let shape):
                rest.count < 2 ? field.evidence : shape.evidence(of: Array(rest.dropFirst()))
            case .list(let form, _): rest.isEmpty ? field.evidence : inner(form, Array(rest.dropFirst()))
            case .orNull(let form): inner(form, rest)
            default: field.evidence
            }
        }
        return inner(field.form, rest)
    }
}

extension Forger {
    /// The records, the timings and the plan that a commit adds.
    fileprivate func documents(of index: Int) throws -> [(path: String, bytes: [UInt8])] {
        let commit = history[index]
        return try ledger.differences(from: commit.parents.first, to: commit.id)
            .filter { change in
                guard let kind = commit.kind, [.aggregate, .collect].contains(kind) else {
                    return change.path.hasSuffix(".json")
                }
                return change.path.hasSuffix(".json") && change.path.contains("/\(kind)/")
            }
            .compactMap { change in try ledger.file(change.path, of: commit.id).map { (change.path, $0) } }
    }

    /// Every reader of a run that needs the ledger alone; a fault is fine, a trap is not.
    fileprivate func readEverything() throws {
        _ = try? RunSummary(run: run, ledger: ledger).json
        _ = try? RunReport(run: run, ledger: ledger).html
        _ = try? ScoreComparison(runs: [run], ledger: ledger)
        _ = try? Replayer(run: run, ledger: ledger).aggregates(round: nil)
        _ = try? WeightExplanation(run: run, round: 1, site: nil, ledger: ledger).json
        _ = try? RunOverview(run: run, ledger: ledger)
    }
}
