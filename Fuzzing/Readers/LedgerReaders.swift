// The readers of the parts of a ledger: records, commits, trees, allowed signers and bundles.

import Faults
import Federation
import GitLedger
import Identities

extension Reader {
    private static let names = RecordShape.Names(
        sites: Set((1...10).map { "site-\($0)" }), cohorts: ["final"], types: nil, tensors: [])

    /// Reads the input as a record of every kind, and as a timing file; then computes the subject of the first kind whose shape it has.
    @Sendable static func ledgerRecord(_ bytes: [UInt8]) throws {
        let json = try JSONValue(parsing: bytes)
        var flaw: String?
        for kind in StepKind.allCases {
            guard let shape = kind.rules.record else { continue }
            guard let found = shape.flaw(of: json, names) else {
                let owner = kind.rules.owner.map { json[$0 == .site ? "site" : "cohort"]?.text ?? "" }
                _ = try kind.subject(
                    round: json["round"]?.int ?? 0, owner: owner, RecordReader(json, path: "record.json"))
                return
            }
            flaw = flaw ?? found
        }
        guard let flaw, RecordShape.timing.flaw(of: json, names) != nil else { return }
        throw Fault(.ledger, "ledger.bad-record", flaw, mend: "")
    }

    /// The commit, the content that its signature covers, and the signature.
    @Sendable static func ledgerCommit(_ bytes: [UInt8]) throws {
        let commit = try LedgerBytes.commit(bytes)
        _ = (commit.record.isAsWritten, commit.author, commit.headers.count)
        if let (_, signature) = LedgerBytes.signed(bytes) { _ = SSHSignature(armoured: signature) }
    }

    @Sendable static func ledgerTree(_ bytes: [UInt8]) throws { _ = try LedgerBytes.names(ofTree: bytes) }

    /// Writing what was read gives the same bytes, except for comments and empty lines.
    @Sendable static func allowedSigners(_ bytes: [UInt8]) throws {
        let signers = try AllowedSigners(parsing: bytes, file: "allowed_signers")
        _ = try AllowedSigners(parsing: signers.bytes, file: "allowed_signers")
    }

    @Sendable static func bundle(_ bytes: [UInt8]) throws {
        try LedgerBytes.checkBundle(bytes, limits: ReceivingLimits(object: 1 << 20, pack: 1 << 20, count: 1000))
    }
}

extension Grammar {
    static let record = Grammar(
        words: [
            "{", "}", "[", "]", ":", ",", "\"", "\"round\":", "\"site\":", "\"status\":\"done\"", "\"losses\":[",
            "\"NaN\"", "null", "true", "\"reason\":", "\"code\":", "\"adapter_sha256\":", "\"scores\":", "\"types\":",
            "\"site-1\"", "\"final\"", "1e308", "-0.0", "0.1", "\\u0000", "\\ud83d",
        ], brackets: [("[", "]"), ("{\"a\":", "}"), ("{\"scores\":", "}")])
    static let commit = Grammar(
        words: [
            "tree ", "parent ", "author ", "committer ", "gpgsig ", "encoding ", "mergetag ", "\n", "\n\n", "\n ", " ",
            "<", ">", "+0000", "-9999", "Run: ", "Round: ", "Step: train", "Step: aggregate", "Site: ", "Cohort: ",
            "Plan-SHA256: ", "State-SHA256: ", "0000000000000000000000000000000000000000",
            "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----", "U1NIU0lH", "AAAA", "=",
        ], brackets: [("<", ">"), ("gpgsig ", "\n "), ("\n\n", "\n")])
    static let tree = Grammar(
        words: [
            "100644 ", "40000 ", "120000 ", "160000 ", "100755 ", "..", ".git", "rounds", "record.json", "/", "\0",
            "00000000000000000000",
        ], brackets: [], isBinary: true)
    static let signers = Grammar(
        words: [
            "coordinator", "site:east", "approver:east", " ", "\n", "#", "namespaces=\"", "valid-after=\"",
            "valid-before=\"", "cert-authority", "\"", ",", "ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAI", "Z", "=",
            "19700101000000Z", "99991231235959Z", "git", "*",
        ], brackets: [("\"", "\""), ("valid-after=\"", "\""), ("valid-before=\"", "\"")])
    static let bundle = Grammar(
        words: [
            "# v2 git bundle\n", "# v3 git bundle\n", "@object-format=sha256\n", "-", " ", "\n", "refs/heads/runs/a-1",
            "refs/heads/identities", "HEAD", "PACK", "0000000000000000000000000000000000000000",
        ], brackets: [], isBinary: true)
}
