// Witness: a small statement of where a run stood, to be kept elsewhere; a ledger that was rolled back or rewritten contradicts it.

import Digests
import Faults
import Federation
import Foundation
import GitLedger

/// A statement that a run's main line stood at a commit.
public struct Witness: Sendable, Equatable {
    /// The run.
    public var run: RunName
    /// The tip of its main line.
    public var tip: CommitID
    /// The State-SHA256 of that commit.
    public var state: Digest
    /// The tip of the line of allowed signers; nil where the ledger had none.
    public var identities: CommitID?
    /// When the statement was made, in seconds since 1970.
    public var time: Int64
    /// An armoured SSH signature over the statement without this member, for `medrounds-witness`; nil where nobody signed.
    public var signature: String?

    /// States where a run stands now, signed where there is a key.
    public init(of run: RunName, ledger: Ledger, key: SSHPrivateKey?) throws(Fault) {
        guard let tip = try ledger.tip(.main(run)) else { throw .runMissing(run, known: try ledger.runs()) }
        self.run = run
        self.tip = tip
        state = try ledger.stateDigest(of: tip)
        identities = try ledger.tip(.identities)
        time = Int64(Date().timeIntervalSince1970)
        signature = nil
        if let key { signature = try SSHSignature.sign(statement.canonical, with: key, for: SSHSignature.witness) }
    }

    /// Reads a statement. Throws `witness.missing` or `witness.bad`.
    public init(reading path: String) throws(Fault) {
        let bytes = try Files.read(
            path, kind: .data, code: "witness.missing", mend: "Name the file that medrounds witness wrote.")
        let json = try JSONValue(parsing: bytes, at: Place(file: path))
        guard json["witness_version"]?.int == 1, let run = json["run"]?.text.flatMap(RunName.init),
            let tip = json["tip"]?.text.flatMap({ CommitID(hex: $0) }),
            let state = json["state_sha256"]?.text.flatMap({ Digest(hex: $0) }), let time = json["time"]?.int
        else {
            throw Fault(
                .data, "witness.bad", "the file is no statement of a ledger's tip", at: Place(file: path),
                mend: "Name the file that medrounds witness wrote, unchanged.")
        }
        self.run = run
        self.tip = tip
        self.state = state
        self.time = Int64(time)
        identities = json["identities"]?.text.flatMap { CommitID(hex: $0) }
        signature = json["signature"]?.text
    }

    private var statement: JSONValue {
        [
            "witness_version": 1, "run": .string(run.name), "tip": .string(tip.hex), "state_sha256": .string(state.hex),
            "identities": identities.map { .string($0.hex) } ?? .null, "time": .integer(time),
        ]
    }

    /// The statement's file.
    public var json: JSONValue {
        var members = statement.members ?? [:]
        members["signature"] = signature.map { .string($0) } ?? .null
        return .object(members)
    }

    /// What in the ledger contradicts the statement, with what was looked at.
    func faults(tip now: CommitID, signers: AllowedSigners, ledger: Ledger) throws(Fault) -> (String, [Fault]) {
        var faults: [Fault] = []
        func add(_ what: String) {
            faults.append(
                Fault(
                    .mismatch, "verify.witness", what, at: Place(commit: tip.hex),
                    mend: "The ledger was rolled back, rewritten or exchanged: keep it, and ask who holds it."))
        }
        let line = try ledger.firstParents(from: now)
        if let index = line.firstIndex(where: { $0.id == tip }) {
            if try ledger.stateDigest(of: tip) != state { add("the witnessed commit has another state") }
            if let identities {
                var known: [CommitRecord] = []
                if let tip = try ledger.tip(.identities) { known = try ledger.firstParents(from: tip) }
                if !known.contains(where: { $0.id == identities }) {
                    add("the allowed signers no longer descend from the witnessed \(identities.hex.prefix(9))")
                }
            }
            guard let signature else {
                return ("\(line.count - 1 - index) commits since; the statement is not signed", faults)
            }
            guard let read = SSHSignature(armoured: signature), read.namespace == SSHSignature.witness,
                read.covers(statement.canonical)
            else {
                add("the statement's signature is not its own")
                return ("signature checked", faults)
            }
            let signer = signers.signers.first { $0.key == read.key && $0.isValid(at: time) }
            if signer == nil { add("the statement is signed by \(read.key), which was not allowed then") }
            return (
                "\(line.count - 1 - index) commits since; signed by \(signer?.role.description ?? "nobody")", faults
            )
        }
        add("the tip \(now.hex.prefix(9)) does not descend from the witnessed tip")
        return ("\(line.count) commits on the line", faults)
    }
}
