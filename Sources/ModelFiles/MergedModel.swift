// MergedModel: a model with an adapter's products added to its weights, written in the form of the base: GGUF or folder.

import Faults
import Federation

/// Writes merged models.
public enum MergedModel {
    /// Copies the model with the values that `merged` gives for the adapted weights, by Hugging Face name, row-major; nil leaves a weight
    /// unchanged. Merged weights become float32; all others keep their bytes. The base's path is not written. Throws `file.write` and what
    /// reading the base throws.
    public static func write(
        _ file: ModelFile, to path: String, merged: @escaping (String) throws(Fault) -> [Float]?, adapted: Set<String>
    ) throws(Fault) {
        if try Storage.isFolder(file.path) {
            try writeFolder(file, to: path, merged: merged, adapted: adapted)
        } else {
            try writeGGUF(file, to: path, merged: merged, adapted: adapted)
        }
    }

    private static func writeFolder(
        _ file: ModelFile, to path: String, merged: @escaping (String) throws(Fault) -> [Float]?, adapted: Set<String>
    ) throws(Fault) {
        try FileWriting.makeFolder(path)
        for (name, bytes) in file.files where !name.hasSuffix(".safetensors") && !name.hasSuffix(".index.json") {
            try FileWriting.put(Array(bytes), at: "\(path)/\(name)")
        }
        let tensors = file.tensorNames.compactMap { file.tensor($0) }
        let items = tensors.map { tensor in
            let type = adapted.contains(tensor.name) ? .f32 : Safetensors.ElementType(stored: tensor.type)
            return (name: tensor.name, shape: tensor.shape, type: type ?? .f32)
        }
        try Safetensors.write(items, to: "\(path)/model.safetensors") { (index) throws(Fault) in
            try bytes(tensors[index], merged, adapted)
        }
    }

    private static func writeGGUF(
        _ file: ModelFile, to path: String, merged: @escaping (String) throws(Fault) -> [Float]?, adapted: Set<String>
    ) throws(Fault) {
        let storage = try Storage(mapping: file.path)
        let (base, _) = try GGUF.whole(storage, path: file.path)
        let shape = file.shape
        var items: [GGUFItem] = []
        for tensor in base.tensors {
            let name = GGUF.huggingFaceName(tensor.name) ?? tensor.name
            let isAdapted = adapted.contains(name)
            let heads = base.headsOfTurnedRows(tensor.name, shape)
            let dimensions = tensor.shape
            let count = isAdapted ? 4 * dimensions.reduce(1, *) : tensor.count
            items.append(
                GGUFItem(
                    name: tensor.name, shape: dimensions, type: isAdapted ? 0 : tensor.type, count: count,
                    bytes: { () throws(Fault) in
                        guard isAdapted, let values = try merged(name) else {
                            return withExtendedLifetime(tensor.storage) { Array(tensor.bytes) }
                        }
                        var out = values
                        if let heads {
                            let (columns, half) = (dimensions[1], shape.headDimension / 2)
                            for row in 0..<dimensions[0] {
                                let (head, inner) = row.quotientAndRemainder(dividingBy: shape.headDimension)
                                let to = head * shape.headDimension + 2 * (inner % half) + inner / half
                                out.replaceSubrange(
                                    to * columns..<(to + 1) * columns, with: values[row * columns..<(row + 1) * columns]
                                )
                            }
                            precondition(heads > 0)
                        }
                        return out.withUnsafeBytes { Array($0) }
                    }))
        }
        // A split model becomes one file: the settings of the split are left out.
        let pairs = base.settingRanges.filter { !GGUF.splitKeys.contains($0.key) }
        try GGUFWriter.write(
            pairs: pairs.flatMap { Array(storage.bytes[$0.bytes]) }, pairCount: pairs.count, items: items, to: path)
    }

    private static func bytes(
        _ tensor: StoredTensor, _ merged: (String) throws(Fault) -> [Float]?, _ adapted: Set<String>
    ) throws(Fault) -> [UInt8] {
        guard adapted.contains(tensor.name), let values = try merged(tensor.name) else { return Array(tensor.bytes) }
        return values.withUnsafeBytes { Array($0) }
    }
}
