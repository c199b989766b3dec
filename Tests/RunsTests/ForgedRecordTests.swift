// Forged records: somebody who holds every key alters one value of one record and commits the rest of the history again, every digest
// and signature made anew. Verification must find it by computing again, or the value stands in the list of what a liar can say.

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

@Suite struct ForgedRecordTests {
    /// What nobody can compute from the ledger alone: docs/ledger.md names each. `N` stands for a place in a list.
    private static let unfindable: Set<String> = [
        // What a site says of its own training, between the losses that others are computed from.
        "train/record.json step_losses.N", "train/record.json tokens",
        // What the coordinator says of texts that only it and the model saw.
        "evaluate/record.json generation.cut_in_a_loop", "evaluate/record.json predictions_commitment",
        // What a site says of texts that only it and the model saw.
        "evaluate_at_site/record.json generation.cut_in_a_loop", "evaluate_at_site/record.json predictions_commitment",
        "evaluate_at_site/record.json scores.not_annotated",
        "evaluate_at_site/record.json whole_words.scores.not_annotated",
        // Faults of marks and mentions that are nowhere are counted twice, with and without whole words, so that one alone is found.
        "evaluate/record.json scores.not_annotated", "evaluate/record.json whole_words.scores.not_annotated",
        // What the plan says of a model, a program and notes that are not in the ledger: a replay refuses another plan.
        "plan.json inputs.model.digest",
        "plan.json inputs.model.tensors", "plan.json inputs.tokenizer_digest", "plan.json inputs.datasets.N.documents",
        "plan.json inputs.datasets.N.truncated",
        "plan.json inputs.datasets.N.labels.drug", "plan.json inputs.datasets.N.labels.drug taken out",
        "plan.json inputs.datasets.N.labels.problem", "plan.json inputs.datasets.N.labels.problem taken out",
        // Said twice, it means the same.
        "plan.json overrides doubled",
    ]

    @Test func everyAlteredValueIsFoundOrListed() throws {
        let federation = try TinyFederation()
        try federation.addCohortAtEast()
        try federation.makeKeys()
        #expect(try federation.run("--name", "small", "--set", "seed=6").code == 0)
        let forger = try Forger(federation, run: "small")
        // The forger's own way of committing changes nothing where nothing is altered.
        try forger.recommit(from: 0) { _, _ in nil }
        #expect(try forger.tip() == forger.original)
        #expect(try forger.verify().holds)
        var tried = 0
        var missed: [String: Int] = [:]
        for index in forger.history.indices {
            for (path, bytes) in try forger.records(of: index) {
                let value = try JSONValue(parsing: bytes)
                for change in Self.changes(of: value) {
                    try forger.recommit(from: index) { at, file in
                        at == path && file == bytes ? change.value.canonical : nil
                    }
                    tried += 1
                    if forger.isBelieved { missed[Self.name(path, change.what), default: 0] += 1 }
                }
            }
        }
        print("forged \(tried) values; not found: \(missed.keys.sorted())")
        #expect(tried > 500)
        #expect(Set(missed.keys) == Self.unfindable)
    }

    /// A few kilobytes of a pack can stand for a gigabyte of zeros: it is found by its size and not inflated.
    @Test func anUploadBeyondThePlansSizeIsNotRead() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        #expect(try federation.run("--name", "small").code == 0)
        let forger = try Forger(federation, run: "small")
        let index = try #require(forger.history.firstIndex { $0.kind == .upload })
        try forger.recommit(from: index) { path, file in
            path.hasSuffix("upload/east/adapter.safetensors") ? file + [UInt8](repeating: 0, count: 100 << 20) : nil
        }
        let verified = try federation.medrounds("verify", "small")
        #expect(verified.code == 5)
        let faults = try forger.verify().checks.flatMap(\.faults)
        #expect(faults.contains { $0.code == "ledger.too-large" && $0.place?.file?.hasSuffix("safetensors") == true })
    }

    /// Records and adapters exchanged between sites, rounds and runs, and one bit of an adapter, each consistent in itself.
    @Test func everyExchangedFileIsFound() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        #expect(try federation.run("--name", "small").code == 0)
        #expect(try federation.run("--name", "other", "--set", "seed=6").code == 0)
        let (forger, other) = (try Forger(federation, run: "small"), try Forger(federation, run: "other"))
        var files: [(index: Int, path: String, bytes: [UInt8])] = []
        for index in forger.history.indices {
            for (path, bytes) in try forger.files(of: index) { files.append((index, path, bytes)) }
        }
        var foreign: [String: [UInt8]] = [:]
        for index in other.history.indices { for (path, bytes) in try other.files(of: index) { foreign[path] = bytes } }
        var tried = 0
        func expectFound(_ file: (index: Int, path: String, bytes: [UInt8]), _ what: String, _ bytes: [UInt8]) throws {
            if bytes == file.bytes { return }
            try forger.recommit(from: file.index) { path, old in
                path == file.path && old == file.bytes ? bytes : nil
            }
            tried += 1
            #expect(!forger.isBelieved, "\(file.path): \(what)")
        }
        for file in files {
            if let bytes = foreign[file.path] { try expectFound(file, "of another run", bytes) }
            let last = file.path.split(separator: "/").last
            for twin in files where twin.path != file.path && twin.path.split(separator: "/").last == last {
                try expectFound(file, "in place of \(twin.path)", twin.bytes)
            }
            if file.path.hasSuffix(".safetensors") {
                var flipped = file.bytes
                flipped[flipped.count - 1] ^= 1
                try expectFound(file, "one bit flipped", flipped)
                try expectFound(file, "cut", Array(file.bytes.dropLast()))
            }
        }
        print("exchanged \(tried) files")
        #expect(tried > 80)
        try forger.recommit(from: 0) { _, _ in nil }
        #expect(forger.isBelieved)
    }

    /// A site that sends other numbers, with its own record of them right: its signature holds, and the published average does not follow.
    @Test func anAlteredUploadContradictsTheAverageAtItsElement() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        #expect(
            try federation.run("--name", "small", "--set", "steps.upload.precision=f32", "--set", "rounds=1").code == 0)
        let forger = try Forger(federation, run: "small")
        let index = try #require(
            forger.history.firstIndex { $0.trailer("Step") == "upload" && $0.trailer("Site") == "west" })
        let adapter = "rounds/0001/upload/west/adapter.safetensors"
        let sent = try #require(try forger.files(of: index).first { $0.path == adapter }?.bytes)
        var altered = sent
        // The last number of the last tensor, v_proj.lora_B of layer 1, moves by 64 units in the last place.
        altered[altered.count - 4] ^= 64
        let digests = (Digest.sha256(sent).hex, Digest.sha256(altered).hex)
        try forger.recommit(from: index) { path, bytes in
            if path == adapter { return altered }
            // Every record that names the upload names the altered one.
            guard path.hasSuffix("record.json") else { return nil }
            return Array(
                String(decoding: bytes, as: UTF8.self).replacingOccurrences(of: digests.0, with: digests.1).utf8)
        }
        for command in ["verify", "replay"] {
            let found = try federation.medrounds(command, "small")
            #expect(found.code == 5, "\(found.out)")
            #expect(found.out.contains("layers.1.self_attn.v_proj.lora_B.weight"), "\(found.out)")
            let words = try #require(
                found.out.firstMatch(
                    of: /element (\d+): recomputed (\S+), committed (\S+), (\d+) units in the last place/))
            #expect(words.1 == "31" && words.2 != words.3 && (Int(words.4) ?? 0) > 0, "\(words.0)")
        }
        let full = try federation.medrounds("replay", "small", "--level", "full", "--quiet")
        #expect(full.code == 5 && full.out.contains("DIFFERS  round 1 upload west"), "\(full.out)\(full.err)")
        #expect(full.out.contains("64 units in the last place of float32 apart"), "\(full.out)")
    }

    /// Every trailer, the people, the subject and the body, altered by whoever signs them.
    @Test func everyAlteredMessageIsFound() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        #expect(try federation.run("--name", "small", "--set", "rounds=1").code == 0)
        let forger = try Forger(federation, run: "small")
        var changes: [(String, (inout CommitDraft) -> Void)] = [
            ("subject", { $0.subject += " x" }), ("body", { $0.body += "\nmore" }),
            ("author", { $0.author = CommitAuthor(name: "MedRound", email: $0.author.email) }),
            ("address", { $0.author = CommitAuthor(name: $0.author.name, email: "x@localhost") }),
            ("a trailer more", { $0.trailers.append(Trailer("Note", "x")) }),
            ("trailers reversed", { $0.trailers.reverse() }),
        ]
        for place in 0..<5 {
            changes.append(
                (
                    "trailer \(place)",
                    { if place < $0.trailers.count { $0.trailers[place].value += "1" } else { $0.subject += "!" } }
                ))
            changes.append(
                (
                    "trailer \(place) gone",
                    { if place < $0.trailers.count { $0.trailers.remove(at: place) } else { $0.subject += "?" } }
                ))
        }
        for index in forger.history.indices {
            for (what, change) in changes {
                try forger.recommit(from: index, message: (index, change)) { _, _ in nil }
                #expect(!forger.isBelieved, "\(forger.history[index].subject): \(what)")
            }
        }
        try forger.recommit(from: 0) { _, _ in nil }
        #expect(forger.isBelieved)
    }

    /// The kind of record and the place in it, without round, site and places in lists.
    private static func name(_ path: String, _ what: String) -> String {
        let parts = path.split(separator: "/")
        let kind = parts.count > 2 ? "\(parts[2])/\(parts.last ?? "")" : path
        return "\(kind) \(what)"
    }

    // MARK: Alterations

    private struct Change {
        var what: String
        var value: JSONValue
    }

    /// Every value altered in the least way, every member taken out, and every object given one more.
    private static func changes(of value: JSONValue, _ path: String = "") -> [Change] {
        switch value {
        case .object(let members):
            var found: [Change] = []
            var more = members
            more["note"] = 1
            found.append(Change(what: "\(path) + note", value: .object(more)))
            for name in members.keys.sorted() {
                guard let member = members[name] else { continue }
                let inner = path.isEmpty ? name : "\(path).\(name)"
                var less = members
                less[name] = nil
                found.append(Change(what: "\(inner) taken out", value: .object(less)))
                for change in changes(of: member, inner) {
                    var other = members
                    other[name] = change.value
                    found.append(Change(what: change.what, value: .object(other)))
                }
            }
            return found
        case .array(let elements):
            var found: [Change] = []
            if !elements.isEmpty {
                found.append(Change(what: "\(path) cut", value: .array(elements.dropLast())))
                found.append(Change(what: "\(path) doubled", value: .array(elements + elements.suffix(1))))
            }
            if elements.count > 1, elements.first != elements.last {
                found.append(Change(what: "\(path) reversed", value: .array(elements.reversed())))
            }
            for (index, element) in elements.enumerated() {
                for change in changes(of: element, "\(path).N") {
                    var other = elements
                    other[index] = change.value
                    found.append(Change(what: change.what, value: .array(other)))
                }
            }
            return found
        case .null: return [Change(what: path, value: 1)]
        case .bool(let flag): return [Change(what: path, value: .bool(!flag))]
        case .integer(let number):
            return [number &+ 1, .max].map { Change(what: path, value: .integer($0)) }
        case .number(let number): return [Change(what: path, value: .number(number.nextUp))]
        case .string(let text):
            // A digest stays one; any other word becomes another word.
            let other = text.count == 64 ? (text.hasPrefix("0") ? "1" : "0") + text.dropFirst() : text + "x"
            return [Change(what: path, value: .string(other))]
        }
    }
}
