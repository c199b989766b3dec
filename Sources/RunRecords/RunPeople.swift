// RunPeople: which sites approved a run's plan, who signed each of its commits, and when, for the pages that show it. Whether
// that was enough is what verify says.

import Digests
import Faults
import Federation
import GitLedger
import Identities

/// Who a commit's signature names.
public enum CommitSigner: Sendable, Hashable, CustomStringConvertible {
    /// The commit carries no signature.
    case nobody
    /// A key that was allowed for the role when the commit was made.
    case allowed(role: String, key: String)
    /// A key that was not allowed then.
    case notAllowed(key: String)
    /// A signature that is not that of the commit, or none of OpenSSH for git.
    case broken

    /// `site:east SHA256:...`, or what is wrong.
    public var description: String {
        switch self {
        case .nobody: "not signed"
        case .allowed(let role, let key): "\(role) \(key)"
        case .notAllowed(let key): "NOT ALLOWED \(key)"
        case .broken: "SIGNATURE DOES NOT HOLD"
        }
    }

    /// The role alone, for narrow columns; what is wrong where there is none.
    public var role: String {
        if case .allowed(let role, _) = self { return role }
        return description
    }

    /// The key's fingerprint; nil where none can be named.
    public var key: String? {
        switch self {
        case .allowed(_, let key), .notAllowed(let key): key
        case .nobody, .broken: nil
        }
    }
}

/// The answers of sites and the signers of commits.
public struct RunPeople: Sendable {
    /// One answer of a site to the plan.
    public struct Answer: Sendable {
        /// The site.
        public let site: SiteID
        /// True for an approval, false for one that was taken back.
        public let approves: Bool
        /// The commit of the answer.
        public let commit: CommitRecord
        /// Who signed it.
        public let signer: CommitSigner
        /// What is wrong with it, in a few words; nil where nothing is.
        public let flaw: String?

        /// `approved`, `withdrawn`, or that the answer does not hold.
        public var status: String { flaw != nil ? "DOES NOT HOLD" : approves ? "approved" : "withdrawn" }
    }

    /// The sites of the plan, in order.
    public let sites: [SiteID]
    /// Whether the workflow requires approvals.
    public let isRequired: Bool
    /// By site, then time: every answer, those that were overtaken too.
    public let answers: [Answer]
    private let signers: [CommitID: CommitSigner]

    /// Reads the answers of a run and the signers of its commits.
    package init(of committed: CommittedPlan, commits: [CommitRecord], ledger: Ledger) throws(Fault) {
        let plan = Digest.sha256(committed.bytes)
        let allowed = try Identities.read(ledger)?.signers ?? AllowedSigners([])
        sites = committed.plan.declaration.sites.map(\.id)
        isRequired = committed.plan.declaration.approvals == .required
        var answers: [Answer] = []
        for site in sites {
            let found: [(commit: CommitRecord, approves: Bool)]
            let faults: [Fault]
            do throws(Fault) {
                (found, faults) = try Approval.answers(committed.run, site, plan: plan, allowed, ledger)
            } catch {
                // A line that cannot be read is verify's to tell; the rest of the run is shown all the same.
                continue
            }
            for (commit, approves) in found {
                answers.append(
                    Answer(
                        site: site, approves: approves, commit: commit,
                        signer: try Self.signer(of: commit, allowed, ledger),
                        flaw: faults.first { $0.place?.commit == commit.id.hex }?.what))
            }
        }
        self.answers = answers
        var signers = Dictionary(answers.map { ($0.commit.id, $0.signer) }) { first, _ in first }
        for commit in commits { signers[commit.id] = try Self.signer(of: commit, allowed, ledger) }
        self.signers = signers
    }

    /// Who signed a commit of the run.
    public func signer(of commit: CommitID) -> CommitSigner { signers[commit] ?? .nobody }

    /// The last answer of each site, in site order; nil where a site has not answered.
    public var latest: [(site: SiteID, answer: Answer?)] {
        sites.map { site in (site, answers.last { $0.site == site }) }
    }

    /// Whether there is anything to say of approvals.
    public var asksForApproval: Bool { isRequired || !answers.isEmpty }

    /// Each signer of the commits with the count of what it signed and the first and last time; by role, then key.
    public func keys(of commits: [CommitRecord]) -> [(signer: CommitSigner, commits: Int, first: Int64, last: Int64)] {
        var rows: [CommitSigner: (count: Int, first: Int64, last: Int64)] = [:]
        for commit in commits {
            let signer = signer(of: commit.id)
            let row = rows[signer] ?? (0, commit.time, commit.time)
            rows[signer] = (row.count + 1, min(row.first, commit.time), max(row.last, commit.time))
        }
        return rows.sorted { $0.key.description < $1.key.description }.map {
            ($0.key, $0.value.count, $0.value.first, $0.value.last)
        }
    }

    /// The signer of a commit, whose role is that of the commit's owner where the key has several.
    private static func signer(
        of commit: CommitRecord, _ allowed: AllowedSigners, _ ledger: Ledger
    ) throws(Fault) -> CommitSigner {
        guard commit.signature != nil else { return .nobody }
        guard let (content, text) = try ledger.signedContent(of: commit.id),
            let signature = SSHSignature(armoured: text),
            signature.isOfCommits, signature.covers(content)
        else { return .broken }
        let fitting = allowed.signers.filter { $0.key == signature.key && $0.isValid(at: commit.time) }
        let owner = commit.trailer("Site")
        let own = fitting.first { signer in
            switch signer.role {
            case .coordinator: owner == nil
            case .site(let site), .approver(let site): site.name == owner
            }
        }
        guard let signer = own ?? fitting.first else { return .notAllowed(key: signature.key.fingerprint) }
        return .allowed(role: signer.role.description, key: signature.key.fingerprint)
    }
}
