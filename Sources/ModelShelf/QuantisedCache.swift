// QuantisedCache: a model opened with its weights in the form a plan asks for; NF4 is made once a model and kept in the cache folder.

import Digests
import Engine
import Faults
import Federation
import LocalFiles
import ModelFiles
import RunRecords

/// The quantised weights of base models, by the digest of the model.
package enum QuantisedCache {
    /// What the files hold: a new rule of quantisation is a new version.
    private static let version = 1

    /// The model in the plan's form. Quantised weights come from the cache folder where they stand there whole, and are put there else;
    /// where that cannot be, they are made in memory and `note` is told.
    package static func model(
        _ file: ModelFile, _ configuration: ModelConfiguration, digest: Digest, cache: String, note: (String) -> Void
    ) throws(Fault) -> LanguageModel {
        guard configuration.weights == .nf4 else {
            return try LanguageModel(file, numerics: configuration.numerics, weights: configuration.weights)
        }
        let path = "\(cache)/nf4/\(digest.hex)-\(version).safetensors"
        var quantised = opened(path, for: file)
        if quantised == nil {
            do {
                try make(file, at: path)
                quantised = opened(path, for: file)
            } catch {
                guard error.cause == .notWritable else { throw error }
                note("the quantised weights are not kept: \(error.what)")
            }
        }
        return try LanguageModel(file, numerics: configuration.numerics, weights: .nf4, quantised: quantised)
    }

    /// The file under its path, nil where it is not there, is not of this model, or has not the digest beside it.
    private static func opened(_ path: String, for file: ModelFile) -> QuantisedWeights? {
        guard let wanted = LocalFile.readIfPresent(path + ".sha256"), let found = try? digest(of: path),
            wanted == Array("\(found.hex)\n".utf8)
        else { return nil }
        return try? QuantisedWeights(path: path, for: file)
    }

    private static func digest(of path: String) throws(Fault) -> Digest {
        let storage = try Storage(mapping: path)
        return withExtendedLifetime(storage) { Digest.sha256(storage.bytes) }
    }

    /// The weights first, then their digest: what was left half has no digest, or another one.
    private static func make(_ file: ModelFile, at path: String) throws(Fault) {
        LocalFile.remove(path + ".sha256")
        try LocalFile.makeFolder(of: path, for: .everyone)
        try QuantisedWeights.write(file, to: path)
        try LocalFile.write(Array("\(try digest(of: path).hex)\n".utf8), to: path + ".sha256", for: .everyone)
    }
}
