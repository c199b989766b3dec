// StepOutput: what one step computed, before anything is committed, so that a run commits it and a replay compares it.

import Faults
import Federation

/// The deterministic files of a step, with what the run and a replay need beside them.
struct StepOutput {
    /// The step's folder: `rounds/0001/train/general`.
    var folder: String
    /// record.json.
    var record: JSONValue
    /// Further deterministic files by path from the root of the tree, in path order.
    var files: [(path: String, bytes: [UInt8])] = []
    /// timing.json; not compared by a replay.
    var timing: JSONValue
    /// The adapter the step produced, where it produced one.
    var adapter: Adapter?

    /// Every deterministic file: record.json and the further ones.
    var deterministic: [(path: String, bytes: [UInt8])] {
        [("\(folder)/record.json", record.canonical)] + files
    }
}

/// Where in the tree the files of a step lie.
enum StepPaths {
    /// `rounds/0001/<step>` or `rounds/0001/<step>/<owner>`.
    static func folder(round: Int, step: String, owner: String? = nil) -> String {
        "rounds/\(Workspace.folder(of: round))/\(step)" + (owner.map { "/\($0)" } ?? "")
    }
    /// The record of a step.
    static func record(round: Int, step: String, owner: String? = nil) -> String {
        folder(round: round, step: step, owner: owner) + "/record.json"
    }
    /// What left the site.
    static func upload(round: Int, site: SiteID) -> String {
        folder(round: round, step: "upload", owner: site.name) + "/adapter.safetensors"
    }
    /// The global adapter.
    static let global = "adapter.safetensors"
    static let plan = "plan.json"
    static let workflow = "workflow.yaml"
    static let template = "template.yaml"
}

/// Reads the fields of a committed record; a missing one is a damaged ledger, not a slip of ours.
struct RecordReader {
    let value: JSONValue
    let path: String
    let commit: String?

    init(_ value: JSONValue, path: String, commit: String? = nil) {
        self.value = value
        self.path = path
        self.commit = commit
    }

    init(parsing bytes: [UInt8], path: String, commit: String? = nil) throws(Fault) {
        self.init(try JSONValue(parsing: bytes, at: Place(file: path, commit: commit)), path: path, commit: commit)
    }

    subscript(_ key: String) -> JSONValue? { value[key] }

    func text(_ key: String) throws(Fault) -> String {
        guard let text = value[key]?.text else { throw missing(key, "a string") }
        return text
    }
    func int(_ key: String) throws(Fault) -> Int {
        // No count of ours comes near, and sums of a few such numbers do not overflow.
        guard let int = value[key]?.int, int.magnitude < 1 << 50 else { throw missing(key, "an integer below 2^50") }
        return int
    }
    func double(_ key: String) throws(Fault) -> Double {
        guard let double = value[key]?.double else { throw missing(key, "a number") }
        return double
    }
    func digest(_ key: String) throws(Fault) -> Digest {
        guard let digest = value[key]?.text.flatMap(Digest.init(hex:)) else { throw missing(key, "a SHA-256") }
        return digest
    }
    func object(_ key: String) throws(Fault) -> RecordReader {
        guard let object = value[key], object.members != nil else { throw missing(key, "an object") }
        return RecordReader(object, path: path, commit: commit)
    }
    func list(_ key: String) throws(Fault) -> [RecordReader] {
        guard let list = value[key]?.elements else { throw missing(key, "a list") }
        return list.map { RecordReader($0, path: path, commit: commit) }
    }
    func site(_ key: String) throws(Fault) -> SiteID {
        guard let site = SiteID(try text(key)) else { throw missing(key, "a site name") }
        return site
    }

    private func missing(_ key: String, _ kind: String) -> Fault {
        Fault(
            .ledger, "ledger.bad-record", "\(key) should be \(kind)", at: Place(file: path, commit: commit),
            mend: "Fetch the run again from a copy whose verification passes.")
    }
}
