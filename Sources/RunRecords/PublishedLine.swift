// PublishedLine: what left the coordinator of a run: the call, the plan as sites see it, and each round's adapter; and the receipts by which
// a site finds its own upload in what was published.

import Digests
import Faults
import Federation
import GitLedger
import Workflows

/// The line of what was published in a run.
package struct PublishedLine {
    package let call: CommitRecord
    /// The publish of the plan, then one a round.
    package let publishes: [CommitRecord]
    package var tip: CommitRecord { publishes.last ?? call }
    /// The newest round whose adapter is there; 0 where only the plan is; nil before it.
    package var round: Int? { publishes.isEmpty ? nil : publishes.count - 1 }

    /// Nil where nothing was published. Throws the ledger's faults, and `ledger.bad-record` for a line that no coordinator makes.
    package init?(of run: RunName, in ledger: Ledger) throws(Fault) {
        guard let tip = try ledger.tip(.published(run)) else { return nil }
        let line = try ledger.firstParents(from: tip)
        guard let call = line.first, call.kind == .call,
            line.dropFirst().enumerated().allSatisfy({ $1.kind == .publish && $1.round == $0 })
        else {
            throw Fault(
                .ledger, "ledger.bad-record", "the line is not a call and a publish a round",
                at: Place(commit: LineRef.published(run).ref),
                mend: "Fetch the run again from a copy whose verification passes.", cause: .badRecord)
        }
        self.call = call
        publishes = Array(line.dropFirst())
    }

    /// The digest of call.json.
    package func callDigest(_ ledger: Ledger) throws(Fault) -> Digest {
        guard let bytes = try ledger.file(RunPath.call, of: call.id) else {
            throw .missingFile(RunPath.call, call.id.hex)
        }
        return Digest.sha256(bytes)
    }

    /// The plan that the call asks for.
    package func called(_ ledger: Ledger) throws(Fault) -> Plan {
        guard let bytes = try ledger.file(RunPath.call, of: call.id) else {
            throw .missingFile(RunPath.call, call.id.hex)
        }
        let record = try RecordReader(parsing: bytes, path: RunPath.call, commit: call.id.hex)
        return try Plan(json: record.object("plan").value)
    }

    /// published.json of a round.
    package func record(_ round: Int, _ ledger: Ledger) throws(Fault) -> RecordReader {
        let commit = publishes[round].id
        guard let bytes = try ledger.file(RunPath.published, of: commit) else {
            throw .missingFile(RunPath.published, commit.hex)
        }
        return try RecordReader(parsing: bytes, path: RunPath.published, commit: commit.hex)
    }
}

/// What published.json and call.json say, made for the run and its check alike.
package enum PublishStep {
    package static func call(_ plan: Plan) -> JSONValue {
        ["step": .string(StepKind.call.rawValue), "round": 0, "call_version": 1, "plan": plan.call.json]
    }

    /// The publish of the plan.
    package static func record(plan: Digest) -> JSONValue {
        [
            "step": .string(StepKind.publish.rawValue), "round": 0, "publish_version": 1,
            "plan_sha256": .string(plan.hex),
        ]
    }

    /// The publish of a round, from its aggregate's record and adapter. `uploads` are the digests of all that arrived, by site; a site
    /// without a row among the weights was left out.
    package static func record(
        round: Int, plan: Digest, adapter: (digest: Digest, bytes: Int), aggregate: RecordReader, sites: [SiteID],
        uploads: [SiteID: Digest]
    ) throws(Fault) -> JSONValue {
        var weights: [SiteID: Double] = [:]
        for row in try aggregate.list("weights") { weights[try row.site("site")] = try row.double("weight") }
        let receipts = sites.compactMap { site -> JSONValue? in
            guard let upload = uploads[site] else { return nil }
            let receipt = UploadReceipt(
                upload: upload, plan: plan, round: round, site: site, weight: weights[site] ?? 0)
            return [
                "site": .string(site.name), "weight": .string(receipt.sealed), "receipt": .string(receipt.digest.hex),
            ]
        }
        return [
            "step": .string(StepKind.publish.rawValue), "round": .integer(Int64(round)), "publish_version": 1,
            "plan_sha256": .string(plan.hex), "adapter_sha256": .string(adapter.digest.hex),
            "bytes": .integer(Int64(adapter.bytes)), "receipts": .array(receipts),
        ]
    }

    /// The digests of what the sites sent in a round, from their records in a commit's tree.
    package static func uploads(
        _ round: Int, _ sites: [SiteID], in commit: CommitID, _ ledger: Ledger
    ) throws(Fault) -> [SiteID: Digest] {
        var uploads: [SiteID: Digest] = [:]
        for site in sites {
            let path = StepKind.upload.record(round: round, owner: site.name)
            guard let bytes = try ledger.file(path, of: commit) else { continue }
            // A record that cannot be read, or that sent nothing, is answered by nothing.
            guard let record = try? RecordReader(parsing: bytes, path: path, commit: commit.hex),
                record["status"]?.text == "sent"
            else { continue }
            uploads[site] = try? record.digest("adapter_sha256")
        }
        return uploads
    }
}

/// The answer to one upload. Its key is the upload's digest, which the site and the coordinator know and no other site can compute.
package struct UploadReceipt: Equatable {
    /// The weight's eight bytes, most significant first, XORed with a keyed digest: 16 hexadecimal digits.
    package let sealed: String
    /// A keyed digest of plan, round, site and weight.
    package let digest: Digest

    package init(upload: Digest, plan: Digest, round: Int, site: SiteID, weight: Double) {
        let pattern = String(weight.bitPattern, radix: 16)
        let digits = String(repeating: "0", count: 16 - pattern.count) + pattern
        sealed = Self.mask(digits, upload: upload, plan: plan, round: round, site: site)
        digest = Digest.hmac(Array("receipt\n\(plan.hex)\n\(round)\n\(site)\n\(digits)\n".utf8), key: upload.bytes)
    }

    /// The weight that a receipt holds for the sender of that upload; nil where the receipt is not for it.
    package static func weight(
        sealed: String, digest: Digest, upload: Digest, plan: Digest, round: Int, site: SiteID
    ) -> Double? {
        let digits = mask(sealed, upload: upload, plan: plan, round: round, site: site)
        guard let pattern = UInt64(digits, radix: 16) else { return nil }
        let weight = Double(bitPattern: pattern)
        let own = UploadReceipt(upload: upload, plan: plan, round: round, site: site, weight: weight)
        return own.digest == digest && own.sealed == sealed ? weight : nil
    }

    /// 16 hexadecimal digits XORed with those of a keyed digest; the same again undoes it.
    private static func mask(_ digits: String, upload: Digest, plan: Digest, round: Int, site: SiteID) -> String {
        let key = Digest.hmac(Array("weight\n\(plan.hex)\n\(round)\n\(site)\n".utf8), key: upload.bytes).hex
        return zip(digits, key).map { left, right in
            String((left.hexDigitValue ?? 0) ^ (right.hexDigitValue ?? 0), radix: 16)
        }.joined()
    }
}

extension Ledger {
    /// The commits of the main line, from the plan on; none of a commit that is on another line.
    package func mainLine(from tip: CommitID) throws(Fault) -> [CommitRecord] {
        let line = try firstParents(from: tip)
        return line.first?.kind == .call ? Array(line.dropFirst()).filter { $0.kind != .publish } : line
    }
}

extension Plan {
    /// The plan as sites see it.
    package var view: Plan { view(joining: Commitment.joined) }
}
