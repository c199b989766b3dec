// TrainingStateFile: a training state as the bytes of a safetensors file, and read back with every check.

import Faults
import Federation

/// Reads and writes training states.
///Three tensors for each tensor of the adapter, `adapter.<name>`, `first_moment.<name>` and `second_moment.<name>` in float32, and
///`step_losses` [steps done] in float64.
/// `step_losses` [steps done] in float64.
public enum TrainingStateFile {
    private static let parts = ["adapter.", "first_moment.", "second_moment."]
    private static let losses = "step_losses"

    /// The state as the bytes of a file; the same state always gives the same bytes.
    public static func bytes(of state: TrainingState) -> [UInt8] {
        var items = [
            Safetensors.Item(
                name: losses, shape: [state.losses.count], type: .f64,
                bytes: state.losses.withUnsafeBytes { Array($0) })
        ]
        for (part, adapter) in zip(parts, [state.adapter, state.firstMoment, state.secondMoment]) {
            for tensor in adapter.tensors {
                items.append(
                    Safetensors.Item(
                        name: part + tensor.name, shape: tensor.shape, type: .f32,
                        bytes: tensor.values.withUnsafeBytes { Array($0) }))
            }
        }
        return Safetensors.write(items)
    }

    /// Reads a state for a model of those sizes and that configuration; the path is for faults.
    ///
    /// Throws `adapter.missing-tensor`, `adapter.unknown-tensor`, `adapter.shape`, `adapter.not-finite`, and the `model.` faults
    /// of a broken safetensors file.
    public static func read(
        _ bytes: [UInt8], sizes: BackboneSizes, configuration: LoRAConfiguration, path: String
    ) throws(Fault) -> TrainingState {
        var found = [[Safetensors.Entry]](repeating: [], count: parts.count)
        var stepLosses: [Double]?
        for entry in try Safetensors.read(bytes, path: path) {
            if entry.name == losses, entry.shape.count == 1, let values = entry.doubles {
                stepLosses = values
            } else if let part = parts.firstIndex(where: { entry.name.hasPrefix($0) }) {
                found[part].append(entry.renamed(String(entry.name.dropFirst(parts[part].count))))
            } else {
                throw Fault.adapterUnknownTensor(path, entry.name)
            }
        }
        guard let stepLosses else { throw Fault.adapterMissingTensor(path, losses) }
        var adapters: [Adapter] = []
        for entries in found {
            adapters.append(
                try AdapterFile.adapter(entries, sizes: sizes, configuration: configuration, path: path))
        }
        return TrainingState(
            adapter: adapters[0], firstMoment: adapters[1], secondMoment: adapters[2], losses: stepLosses)
    }
}
