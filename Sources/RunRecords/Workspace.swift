// Workspace: where a run's ledger, work folders and commitment keys lie on this machine. Nothing of it enters a commit.

import Faults
import Federation
import Foundation
import LocalFiles

/// What a site keeps of a run beside its ledger.
package struct SiteDesk: Sendable {
    fileprivate let folder: String

    /// What the site trained in a round, in float32.
    package func trainedAdapter(_ round: Int) -> String { "\(folder)/\(RunPath.folder(of: round)).safetensors" }
    /// What the model wrote for one of the site's cohorts in a round: text, so it stays here.
    package func predictions(_ round: Int, _ cohort: CohortID) -> String {
        "\(folder)/predictions/\(RunPath.folder(of: round))-\(cohort).jsonl"
    }
    /// The training states kept inside a train step.
    package func checkpoints(_ round: Int) -> String { "\(folder)/\(RunPath.folder(of: round)).checkpoints" }
}

/// The folders of one machine: the ledger, and the work folders that never enter it.
public struct Workspace: Sendable {
    /// The bare git repository.
    public let ledger: String
    /// The folder of what stays here: trained adapters, predictions, commitment keys.
    public let work: String

    /// Makes a workspace; `ledger.git` and `work` stand side by side by default.
    public init(ledger: String, work: String) {
        self.ledger = ledger
        self.work = work
    }

    /// What a site keeps of a run, and nothing of any other site.
    package func desk(of site: SiteID, in run: RunName) -> SiteDesk { SiteDesk(folder: "\(work)/\(run)/\(site)") }

    /// What the model wrote for a cohort in a round: text, so it stays here.
    public func predictions(run: RunName, cohort: CohortID, round: Int) -> String {
        "\(work)/\(run)/predictions/\(RunPath.folder(of: round))-\(cohort).jsonl"
    }

    /// Since when the coordinator waits for sites on other machines.
    package func waiting(_ run: RunName) -> String { "\(work)/\(run)/waiting.json" }

    /// A round as a four-digit folder name.
    public static func folder(of round: Int) -> String {
        let digits = String(round)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// Where signing keys lie by default, beside the commitment keys.
    public var keys: String { "\(work)/keys" }

    /// The commitment key of a site, a cohort or the coordinator: 32 random bytes, made on first use and kept.
    ///
    /// Throws `work.no-key` where it is not there and may not be made, `work.bad-key` for a key file of another length and `work.not-writable` where none can be made.
    public func commitmentKey(of owner: String, makes: Bool = true) throws(Fault) -> [UInt8] {
        let path = "\(work)/keys/\(owner).key"
        if let bytes = LocalFile.readIfPresent(path) {
            guard bytes.count == 32 else {
                throw Fault(
                    .data, "work.bad-key", "\(bytes.count) bytes are no commitment key of 32 bytes",
                    at: Place(file: path),
                    mend: "Restore the key from a copy; a new one would break the commitments of past runs.")
            }
            return bytes
        }
        guard makes else {
            throw Fault(
                .data, "work.no-key", "the commitment key of \(owner) is not here", at: Place(file: path),
                mend: "Copy the key from the machine of the run, or name its work folder with --work.")
        }
        // The one place where true randomness is wanted: a key must not be guessable from the workflow.
        var generator = SystemRandomNumberGenerator()
        let key = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
        try LocalFile.write(key, to: path)
        return key
    }
}
