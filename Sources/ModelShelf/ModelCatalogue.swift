// ModelCatalogue: the base models that a workflow may name without a path: models.json, and one of the same form in the cache folder.

import Digests
import Faults
import Federation
import Foundation
import LocalFiles
import RunRecords

/// A base model known by name.
public struct CatalogueModel: Sendable, Equatable {
    /// The name in a workflow.
    public let name: String
    /// The file's or folder's name in the cache folder.
    public let file: String
    /// The file's digest; nil where none is pinned, because a person brings the folder.
    public let digest: Digest?
    /// Where it comes from.
    public let source: String
    /// The Python package that carries the file and its pinned version; nil where no package does.
    public let package: String?
    /// The address the file is downloaded from; nil where there is none.
    public let address: String?
    /// The licence, as SPDX names it where it does.
    public let licence: String
    /// All parameters.
    public let parameters: Int
    /// The parameters of the maps of all layers, which `weights: nf4` quantises.
    public let mapParameters: Int
    /// Bytes of the weights in float32, in bfloat16, and with the maps in NF4 (33 bytes for 64) and the rest in bfloat16.
    public let memory: Memory

    /// Bytes at each precision.
    public struct Memory: Sendable, Equatable {
        /// In float32.
        public let f32: Int
        /// In bfloat16.
        public let bf16: Int
        /// With the maps in NF4.
        public let nf4: Int
    }

    /// Whether `models fetch` can bring it.
    public var isFetched: Bool { package != nil || address != nil }
}

/// The models known by name, and how a workflow's `base` becomes a path.
public enum ModelCatalogue {
    /// The models of the program, then those of models.json in the cache folder; one of the same name there takes its place.
    ///
    /// Throws `catalogue.malformed` where that file is no catalogue.
    public static func models(cache: String) throws(Fault) -> [CatalogueModel] {
        var models = try read(PackageResources.models_json, path: "models.json")
        let path = "\(cache)/models.json"
        guard let bytes = LocalFile.readIfPresent(path) else { return models }
        for model in try read(bytes, path: path) {
            models.removeAll { $0.name == model.name }
            models.append(model)
        }
        return models
    }

    /// Reads a catalogue: docs/models.md gives its form.
    static func read(_ bytes: [UInt8], path: String) throws(Fault) -> [CatalogueModel] {
        func fault(_ what: String) -> Fault {
            Fault(
                .model, "catalogue.malformed", what, at: Place(file: path),
                mend: "Mend the file, or remove it: the program brings its own catalogue.")
        }
        guard let json = try? JSONValue(parsing: bytes), let list = json["models"]?.elements else {
            throw fault("the file is no JSON object with a list of models")
        }
        guard json["version"] == 1 else { throw fault("version is not 1") }
        var models: [CatalogueModel] = []
        for (index, entry) in list.enumerated() {
            func text(_ key: String) throws(Fault) -> String? {
                guard let value = entry[key], value != .null else { return nil }
                guard let text = value.text, !text.isEmpty else {
                    throw fault("\(key) of model \(index + 1) is no text")
                }
                return text
            }
            func required<T>(_ value: T?, _ key: String) throws(Fault) -> T {
                guard let value else { throw fault("model \(index + 1) has no \(key), or a wrong one") }
                return value
            }
            func count(_ group: String, _ key: String) throws(Fault) -> Int {
                let value = entry[group]?[key]?.int
                return try required(value.flatMap { $0 >= 0 ? $0 : nil }, "\(group).\(key)")
            }
            let hex = try text("sha256")
            let model = CatalogueModel(
                name: try required(try text("name"), "name"), file: try required(try text("file"), "file"),
                digest: try hex.map { (hex) throws(Fault) in try required(Digest(hex: hex), "sha256") },
                source: try required(try text("source"), "source"), package: try text("package"),
                address: try text("url"), licence: try required(try text("licence"), "licence"),
                parameters: try count("parameters", "all"), mapParameters: try count("parameters", "maps"),
                memory: CatalogueModel.Memory(
                    f32: try count("memory", "f32"), bf16: try count("memory", "bf16"), nf4: try count("memory", "nf4"))
            )
            guard !model.file.contains("/"), model.file != "..", model.file != "." else {
                throw fault("file of model \(index + 1) is not the name of a file in the cache folder")
            }
            guard !model.isFetched || model.digest != nil else {
                throw fault("model \(index + 1) is fetched, so it needs a sha256")
            }
            guard !models.contains(where: { $0.name == model.name }) else {
                throw fault("model \(index + 1) has the name of another")
            }
            models.append(model)
        }
        return models
    }

    /// The path of a base model: a catalogue name in the cache folder, or a path relative to the workflow's folder.
    ///
    /// Throws `model.missing` with what to do where there is nothing at that path.
    public static func path(of base: String, folder: String, cache: String) throws(Fault) -> (
        path: String, known: CatalogueModel?
    ) {
        let models = try models(cache: cache)
        if let known = models.first(where: { $0.name == base }) {
            let path = "\(cache)/\(known.file)"
            guard FileManager.default.fileExists(atPath: path) else {
                throw Fault(
                    .model, "model.missing", "the base model \(base) is not in the cache", at: Place(file: path),
                    mend: !known.isFetched
                        ? "Copy the folder of \(known.source) to that path, or name a model's path in model.base."
                        : "Run medrounds models fetch \(base), or name a .gguf file in model.base.")
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
