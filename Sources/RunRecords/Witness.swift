// Witness: a small statement of where a run stood, to be kept elsewhere; a ledger that was rolled back or rewritten contradicts it.

import Digests
import Faults
import Federation
import Foundation
import GitLedger
import Identities
import LocalFiles

/// A statement of where every line of a run stood: its main line, the sites' lines and answers, and the two lines that all runs share.
public struct Witness: Sendable, Equatable {
    /// The version of the statement's layout.
    static let version = 2

    /// The run.
    public var run: RunName
    /// The tip of its main line.
    public var tip: CommitID
    /// The State-SHA256 of that commit.
    public var state: Digest
    /// The tips of all lines by their refs, the main line's among them.
    public var lines: [String: CommitID]
    /// When the statement was made, in seconds since 1970.
    public var time: Int64
    /// An armoured SSH signature over the statement without this member, for `medrounds-witness`; nil where nobody signed.
    public var signature: String?

    /// States where a run stands now, signed where there is a key.
    public init(of run: RunName, ledger: Ledger, key: SSHSigner?) throws(Fault) {
        guard let tip = try ledger.tip(.main(run)) else { throw .runMissing(run, known: try ledger.runs()) }
        self.run = run
        self.tip = tip
        state = try ledger.stateDigest(of: tip)
        lines = [:]
        for line in try ledger.lines(of: run) + [.identities, .pruned] { lines[line.ref] = try ledger.tip(line) }
        time = Int64(Date().timeIntervalSince1970)
        signature = nil
        if let key { signature = try SSHSignature.sign(statement.canonical, with: key, for: SSHSignature.witness) }
    }

    /// Reads a statement. Throws `witness.missing` or `witness.bad`.
    public init(reading path: String) throws(Fault) {
        let bytes = try LocalFile.read(
            path, kind: .data, code: "witness.missing", mend: "Name the file that medrounds witness wrote.")
        let json = try JSONValue(parsing: bytes, at: Place(file: path))
        func bad(_ what: String) -> Fault {
            Fault(
                .data, "witness.bad", what, at: Place(file: path),
                mend: "Name the file that medrounds witness wrote, unchanged.")
        }
        guard let version = json["witness_version"]?.int else {
            throw bad("the file is no statement of a ledger's tip")
        }
        guard version == Self.version else {
            throw bad("the statement has version \(version); this program reads version \(Self.version)")
        }
        guard let run = json["run"]?.text.flatMap(RunName.init),
            let tip = json["tip"]?.text.flatMap({ CommitID(hex: $0) }),
            let state = json["state_sha256"]?.text.flatMap({ Digest(hex: $0) }), let time = json["time"]?.int,
            let members = json["lines"]?.members
        else { throw bad("the file is no statement of a ledger's tip") }
        self.run = run
        self.tip = tip
        self.state = state
        self.time = Int64(time)
        lines = [:]
        for (ref, value) in members {
            guard let line = LineRef(named: ref), line.run == nil || line.run == run,
                let tip = value.text.flatMap({ CommitID(hex: $0) })
            else { throw bad("the statement names a line that is none of the run's") }
            lines[ref] = tip
        }
        guard lines[LineRef.main(run).ref] == tip else { throw bad("the statement names two tips of the main line") }
        signature = json["signature"]?.text
    }

    private var statement: JSONValue {
        [
            "witness_version": .integer(Int64(Self.version)), "run": .string(run.name), "tip": .string(tip.hex),
            "state_sha256": .string(state.hex), "lines": .object(lines.mapValues { .string($0.hex) }),
            "time": .integer(time),
        ]
    }

    /// The statement's file.
    public var json: JSONValue {
        var members = statement.members ?? [:]
        members["signature"] = signature.map { .string($0) } ?? .null
        return .object(members)
    }

    /// What in the ledger contradicts the statement, with what was looked at. A line may have grown; it may not have lost the witnessed commit.
    package func faults(tip now: CommitID, signers: AllowedSigners, ledger: Ledger) throws(Fault) -> (String, [Fault]) {
        var faults: [Fault] = []
        func add(_ what: String) {
            faults.append(
                Fault(
                    .mismatch, "verify.witness", what, at: Place(commit: tip.hex),
                    mend: "The ledger was rolled back, rewritten or exchanged: keep it, and ask who holds it."))
        }
        var since = 0
        for (ref, witnessed) in lines.sorted(by: { $0.key < $1.key }) {
            guard let line = LineRef(named: ref) else { continue }
            guard let current = try ledger.tip(line) else {
                add("the line \(ref) is gone; it was at \(witnessed.hex.prefix(9))")
                continue
            }
            if current == witnessed { continue }
            let reached = try ledger.ancestry(of: [current])
            if reached.contains(where: { $0.id == witnessed }) {
                if ref == LineRef.main(run).ref,
                    let place = try ledger.firstParents(from: current).lastIndex(where: { $0.id == witnessed })
                {
                    since = try ledger.firstParents(from: current).count - 1 - place
                }
            } else {
                add(
                    "the line \(ref) at \(current.hex.prefix(9)) does not descend from the witnessed tip \(witnessed.hex.prefix(9))"
                )
            }
        }
        if faults.isEmpty, try ledger.stateDigest(of: tip) != state { add("the witnessed commit has another state") }
        let counted = "\(lines.count) lines, \(since) commits since on the main one"
        guard let signature else { return ("\(counted); the statement is not signed", faults) }
        guard let read = SSHSignature(armoured: signature), read.namespace == SSHSignature.witness,
            read.covers(statement.canonical)
        else {
            add("the statement's signature is not its own")
            return ("\(counted); signature checked", faults)
        }
        let signer = signers.signers.first { $0.key == read.key && $0.isValid(at: time) }
        if signer == nil { add("the statement is signed by \(read.key), which was not allowed then") }
        return ("\(counted); signed by \(signer?.role.description ?? "nobody")", faults)
    }
}
