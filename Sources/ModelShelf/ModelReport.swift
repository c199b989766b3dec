// ModelReport: what a base model is, what an adapter of it costs, and a short test that it works here.

import Engine
import Faults
import Federation
import Foundation
import ModelFiles
import RunRecords
import Tokenization

/// A base model opened for `models info` and `models check`.
public struct ModelReport {
    private let file: ModelFile

    /// Opens the model, a catalogue name or a path.
    public init(model base: String, cache: String, current: String) throws(Fault) {
        file = try AdapterExchange.model(base, cache: cache, current: current)
    }

    /// Rows of a name and a value: family, sizes, tokenizer, weights, and what an adapter of that rank holds and uploads.
    public func rows(rank: Int) -> [(String, String)] {
        let shape = file.shape
        var parameters = 0
        var bytes = 0
        var types: [String: Int] = [:]
        for name in file.tensorNames {
            guard let tensor = file.tensor(name) else { continue }
            parameters += tensor.shape.reduce(1, *)
            bytes += tensor.bytes.count
            types["\(tensor.type)", default: 0] += 1
        }
        let sizes = shape.sizes
        let adapted = LinearMap.allCases.reduce(0) { $0 + sizes.shape(of: $1).in * sizes.shape(of: $1).out }
        let low = LinearMap.allCases.reduce(0) { $0 + rank * (sizes.shape(of: $1).in + sizes.shape(of: $1).out) }
        let adapter = low * shape.layerCount
        let frozen = adapted * shape.layerCount
        let options =
            (shape.biases.isEmpty ? [] : ["bias on " + shape.biases.map(\.rawValue).joined(separator: ", ")])
            + (shape.headNorms ? ["norms over the heads of q and k"] : [])
            + (shape.slidingWindow.map { ["a window of \($0) tokens"] } ?? [])
        return [
            ("family", shape.architecture),
            ("layers", "\(shape.layerCount)"),
            ("hidden size", "\(shape.hiddenSize)"),
            ("heads", "\(shape.headCount) query, \(shape.keyValueHeadCount) key-value, \(shape.headDimension) wide"),
            ("feed-forward size", "\(shape.feedForwardSize)"),
            ("vocabulary", "\(shape.vocabularySize), head \(shape.tiedHead ? "tied" : "of its own")"),
            ("context", "\(shape.contextLength) tokens"),
            ("rotary", "theta \(shape.ropeTheta), scaling \(shape.ropeScaling)"),
            ("options", options.isEmpty ? "none" : options.joined(separator: "; ")),
            ("tokenizer", tokenizerText),
            ("parameters", "\(parameters)"),
            ("weights", types.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")),
            ("memory as stored", Self.megabytes(bytes)),
            ("memory in bf16 / f32", "\(Self.megabytes(2 * parameters)) / \(Self.megabytes(4 * parameters))"),
            ("trains", "A and B of 7 maps a layer, \(adapter) numbers at rank \(rank) for \(frozen) frozen weights"),
            ("upload a site and round", "\(Self.megabytes(2 * adapter)) bf16, \(Self.megabytes(4 * adapter)) f32"),
        ]
    }

    private var tokenizerText: String {
        guard let vocabulary = file.vocabulary else { return "none" }
        let kind = vocabulary.byteFallback == nil ? vocabulary.model : "bpe with byte fallback"
        return "\(kind), \(vocabulary.tokens.count) tokens, cut by \(vocabulary.preTokenizer.prefix(60))"
    }

    private static func megabytes(_ count: Int) -> String { "\(Figures.fixed(Double(count) / 1e6, 1)) MB" }

    /// The paragraph that `check` reads: written for it.
    static let paragraph = """
        The patient is a 64-year-old woman with a history of hypertension who came in with two days of chest pain and \
        shortness of breath. An electrocardiogram showed no acute changes, and she was started on aspirin 81 mg daily.
        """

    /// Opens weights and tokenizer, reads the paragraph and looks at what comes out. Rows of what was tested, whether it holds,
    /// and the figure.
    public func check(threads: Int) throws(Fault) -> [(name: String, holds: Bool, figure: String)] {
        let model = try LanguageModel(file)
        var rows: [(name: String, holds: Bool, figure: String)] = []
        var ids: [Int32] = (0..<32).map { Int32($0 % file.shape.vocabularySize) }
        if let vocabulary = file.vocabulary {
            let tokenizer = try Tokenizer(BPEVocabulary(vocabulary, at: Place(file: file.path)))
            ids = tokenizer.encode(Self.paragraph)
            let back = tokenizer.decode(ids)
            rows.append(
                (
                    "tokens give the text back", back == Self.paragraph || back == " " + Self.paragraph,
                    "\(ids.count) tokens"
                ))
            let fits = tokenizer.vocabularySize <= file.shape.vocabularySize
            rows.append(
                (
                    "the vocabulary fits the embedding", fits,
                    "\(tokenizer.vocabularySize) tokens, \(file.shape.vocabularySize) rows"
                ))
        }
        let probe = try Engine.probe(model, adapter: nil, tokens: ids, threads: threads, top: 1)
        rows.append(("logits are finite", probe.logSumExp.isFinite, "log-sum-exp \(probe.logSumExp)"))
        if let loss = probe.crossEntropy {
            // A model that knows nothing has the logarithm of its vocabulary; random weights a little more.
            let blind = log(Double(file.shape.vocabularySize))
            rows.append(
                (
                    "the paragraph is likelier than by chance", file.vocabulary == nil || loss < 0.7 * blind,
                    "perplexity \(Figures.fixed(exp(loss), 1))"
                ))
        }
        return rows
    }
}
