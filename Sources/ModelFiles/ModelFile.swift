// ModelFile: a model opened for reading, in any of the file formats. The engine computes with it.

import Faults

/// A llama model opened for reading: a GGUF file or a Hugging Face folder, under Hugging Face names.
///
/// Every tensor that the shape requires exists with the right shape; otherwise opening fails.
public final class ModelFile: Sendable {
    /// The sizes and constants of the model.
    public let shape: ModelShape
    /// The tokenizer's data, where the files hold any.
    public let vocabulary: StoredVocabulary?
    /// The path as it was given.
    public let path: String
    private let tensors: [String: StoredTensor]
    private let parts: [(name: String, storage: Storage)]

    /// Takes what a reader found and checks that tensors and shape belong together.
    /// Throws `model.missing-tensor`, `model.unknown-tensor`, `model.tensor-shape`, `model.malformed`.
    init(
        path: String, shape: ModelShape, vocabulary: StoredVocabulary?, tensors list: [StoredTensor],
        parts: [(name: String, storage: Storage)]
    ) throws(Fault) {
        var tensors: [String: StoredTensor] = [:]
        for tensor in list {
            guard tensors.updateValue(tensor, forKey: tensor.name) == nil else {
                throw Fault.modelMalformed(path, "the tensor occurs twice", tensor: tensor.name)
            }
        }
        func check(_ expected: [(name: String, shape: [Int])]) throws(Fault) {
            for (name, wanted) in expected {
                guard let tensor = tensors[name] else { throw Fault.modelMissingTensor(path, name) }
                guard tensor.shape == wanted else {
                    throw Fault.modelTensorShape(path, name, tensor.shape, wanted)
                }
            }
        }
        var known = Set(shape.outerTensors.map(\.name))
        try check(shape.outerTensors)
        for layer in 0..<shape.layerCount {
            let expected = shape.tensors(ofLayer: layer)
            try check(expected)
            known.formUnion(expected.map(\.name))
        }
        if let other = tensors.keys.filter({ !known.contains($0) }).min() {
            throw Fault.modelUnknownTensor(path, other)
        }
        self.path = path
        self.shape = shape
        self.vocabulary = vocabulary
        self.tensors = tensors
        self.parts = parts
    }

    /// Opens a .gguf file or a Hugging Face folder. Throws faults of the family `model.`.
    public static func open(path: String) throws(Fault) -> ModelFile {
        if try Storage.isFolder(path) { return try HuggingFaceFolder.open(path) }
        return try open(gguf: try Storage(mapping: path), path: path)
    }

    /// Reads a GGUF file that is already in memory; the path is for faults, and for the other files of a split model.
    package static func open(gguf storage: Storage, path: String) throws(Fault) -> ModelFile {
        let (file, parts) = try GGUF.whole(storage, path: path)
        let shape = try file.llamaShape()
        return try ModelFile(
            path: path, shape: shape, vocabulary: try file.vocabulary(), tensors: try file.llamaTensors(shape),
            parts: parts)
    }

    /// The tensor of that Hugging Face name, such as `model.layers.0.self_attn.q_proj.weight`; nil where there is none.
    public func tensor(_ name: String) -> StoredTensor? { tensors[name] }

    /// Every tensor's name, sorted by UTF-8.
    public var tensorNames: [String] {
        tensors.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The files of the model by name without folder, sorted, with their bytes: a digest of the model covers these.
    ///
    /// The bytes are valid while this object lives.
    public var files: [(name: String, bytes: UnsafeRawBufferPointer)] {
        parts.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }.map { ($0.name, $0.storage.bytes) }
    }
}
