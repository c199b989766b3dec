// StepOutput: what one step computed, before anything is committed, so that a run commits it and a replay compares it.

import Faults
import Federation

/// The deterministic files of a step, with what the run and a replay need beside them.
package struct StepOutput {
    /// The step's folder: `rounds/0001/train/general`.
    package var folder: String
    /// record.json.
    package var record: JSONValue
    /// Further deterministic files by path from the root of the tree, in path order.
    var files: [(path: String, bytes: [UInt8])] = []
    /// timing.json; not compared by a replay.
    package var timing: JSONValue
    /// The adapter the step produced, where it produced one.
    package var adapter: Adapter?

    package init(
        folder: String, record: JSONValue, files: [(path: String, bytes: [UInt8])] = [], timing: JSONValue,
        adapter: Adapter? = nil
    ) {
        self.folder = folder
        self.record = record
        self.files = files
        self.timing = timing
        self.adapter = adapter
    }

    /// Every deterministic file: record.json and the further ones.
    package var deterministic: [(path: String, bytes: [UInt8])] {
        [("\(folder)/record.json", record.canonical)] + files
    }
}
