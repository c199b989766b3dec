// Checkpoints: the training states that a site keeps in its work folder inside a long train step, and the list that says which of
// them belong to the training at hand. Nothing of this enters the ledger but each state's digest.

import Digests
import Faults
import Federation
import Foundation
import LocalFiles
import ModelFiles
import RunRecords

/// A position in a training and the digest of the state there.
struct CheckpointPosition: Equatable {
    /// Steps done.
    package var step: Int
    /// SHA-256 of the state's file.
    var digest: Digest

    package var json: JSONValue { ["step": .integer(Int64(step)), "state_sha256": .string(digest.hex)] }

    init(step: Int, digest: Digest) {
        self.step = step
        self.digest = digest
    }

    init(_ record: RecordReader) throws(Fault) {
        step = try record.int("step")
        digest = try record.digest("state_sha256")
    }
}

/// The checkpoints of one site's training in one round.
struct CheckpointFolder {
    /// `work/<run>/<site>/NNNN.checkpoints`.
    package let folder: String
    /// The plan of the run, and the adapter that the training starts from: files of another training are not ours.
    package let plan: Digest
    let input: Digest

    /// The state's file after so many steps.
    func file(after step: Int) -> String {
        let digits = String(step)
        return "\(folder)/\(String(repeating: "0", count: max(0, 7 - digits.count)))\(digits).safetensors"
    }

    private var list: String { "\(folder)/checkpoints.json" }

    /// Keeps a state, then the list that names it: a list never names a file that was not whole.
    func keep(_ bytes: [UInt8], _ positions: [CheckpointPosition]) throws(Fault) {
        guard let last = positions.last else { return }
        try LocalFile.write(bytes, to: file(after: last.step))
        let json: JSONValue = [
            "plan_sha256": .string(plan.hex), "input_adapter_sha256": .string(input.hex),
            "checkpoints": .array(positions.map(\.json)),
        ]
        try LocalFile.write(json.canonical, to: list)
    }

    /// The newest state that is whole and belongs to this training, with the positions up to it; nil where there is none.
    /// Whatever cannot be used is passed over: the steps are then computed again, to the same bits.
    func newest(
        sizes: BackboneSizes, configuration: LoRAConfiguration
    ) -> (state: TrainingState, positions: [CheckpointPosition])? {
        guard let bytes = LocalFile.readIfPresent(list), let record = try? RecordReader(parsing: bytes, path: list),
            (try? record.digest("plan_sha256")) == plan, (try? record.digest("input_adapter_sha256")) == input,
            var positions = try? record.list("checkpoints").map(CheckpointPosition.init)
        else { return nil }
        while let last = positions.last {
            let path = file(after: last.step)
            if let bytes = LocalFile.readIfPresent(path), Digest.sha256(bytes) == last.digest,
                let state = try? TrainingStateFile.read(
                    bytes, sizes: sizes, configuration: configuration, path: path),
                state.steps == last.step
            {
                return (state, positions)
            }
            positions.removeLast()
        }
        return nil
    }
}
