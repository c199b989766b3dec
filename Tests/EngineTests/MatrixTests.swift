// Random models over the families' options against PyTorch and PEFT: every logit, with adapters, and decoding against these logits.

import Engine
import Faults
import Federation
import Foundation
import ModelFiles
import Testing

/// Logits of these models are about 1 and sums have at most 64 terms; the largest difference seen is 2e-6.
private let logitTolerance: Float = 1e-5

@Suite struct MatrixTests {
    static let models = [
        "llama-head-dim", "llama-linear-bias", "llama-untied-llama3", "mistral-window", "qwen2-tied", "qwen2-window",
        "qwen3-bias",
    ]
    /// The same families as the gguf package writes them, q and k of llama with their rows in ggml's order; there, Mistral is a llama.
    static let files = ["llama-released", "llama-head-dim", "mistral", "qwen2-tied", "qwen3"].map { "gguf/\($0)" }
    private static let folder = Golden.folder.appendingPathComponent("matrix")

    private struct Fixture {
        let folder: URL
        let model: LanguageModel
        let ids: [Int32]
        let golden: [String: [Float]]

        init(_ name: String) throws {
            folder = MatrixTests.folder.appendingPathComponent(name)
            let file = name.hasPrefix("gguf/") ? folder.appendingPathComponent("model.gguf") : folder
            model = try LanguageModel(ModelFile.open(path: file.path))
            var ids: [Int32] = []
            var golden: [String: [Float]] = [:]
            for entry in try Safetensors.read(path: folder.appendingPathComponent("golden.safetensors").path) {
                let values = try #require(entry.floats)
                if entry.name == "ids" { ids = values.map { Int32($0) } } else { golden[entry.name] = values }
            }
            self.ids = ids
            self.golden = golden
        }

        func logits(_ adapter: Adapter? = nil, of tokens: [Int32]? = nil) throws -> [Float] {
            let tokens = tokens ?? ids
            return try allLogits(model, adapter: adapter, tokens: tokens, threads: 2, positions: Array(tokens.indices))
        }
    }

    private func expectClose(_ found: [Float], _ expected: [Float]?) throws {
        let expected = try #require(expected)
        try #require(found.count == expected.count && !found.isEmpty)
        let worst = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
        #expect(worst <= logitTolerance)
    }

    @Test(arguments: models + files) func meetsEveryLogit(name: String) throws {
        let fixture = try Fixture(name)
        try expectClose(fixture.logits(), fixture.golden["logits"])
    }

    @Test(arguments: [
        ("llama-head-dim", "plain"), ("llama-head-dim", "rslora"), ("llama-head-dim", "patterns"),
        ("qwen3-bias", "patterns"),
    ])
    func meetsEveryLogitWithAnAdapterOfPEFT(name: String, kind: String) throws {
        let fixture = try Fixture(name)
        let adapter = try AdapterFolder.read(
            fixture.folder.appendingPathComponent(kind).path, sizes: fixture.model.shape.sizes)
        let found = try fixture.logits(adapter)
        try expectClose(found, fixture.golden["logits.\(kind)"])
        #expect(try found != fixture.logits())
    }

    @Test(arguments: models + files) func decodingWritesWhatTheLogitsSay(name: String) throws {
        let fixture = try Fixture(name)
        let prompts = [fixture.ids, Array(fixture.ids.prefix(30)), Array(fixture.ids.prefix(25)) + [3, 4]]
        let written = try generate(
            fixture.model, adapter: nil, prompts: prompts, maxNewTokens: 24, stop: [], batchSize: 3, threads: 2)
        for (prompt, generation) in zip(prompts, written) {
            // A circle is cut to its first turn, which has at least one token.
            #expect(!generation.tokens.isEmpty)
            let logits = try fixture.logits(of: prompt + generation.tokens)
            let V = fixture.model.shape.vocabularySize
            for (place, token) in generation.tokens.enumerated() {
                let row = logits[(prompt.count + place - 1) * V..<(prompt.count + place) * V]
                #expect(row[row.startIndex + Int(token)] == row.max())
            }
        }
    }

    /// Windows work: a change before the window of every layer does not reach the last token, and a change inside it does.
    @Test func whatLiesBeforeTheWindowsDoesNotReachTheLastToken() throws {
        let fixture = try Fixture("mistral-window")
        // Two layers of 11 keys: the 20 tokens before it reach the last of 40 tokens.
        func last(changing place: Int) throws -> [Float] {
            var ids = fixture.ids
            ids[place] = (ids[place] + 1) % 128
            return Array(try fixture.logits(of: ids).suffix(128))
        }
        let plain = Array(try fixture.logits().suffix(128))
        #expect(try last(changing: 18) == plain)
        #expect(try last(changing: 19) != plain)
    }

    @Test(arguments: ["mistral-window", "qwen2-window"]) func sharingAPrefixLeavesGradientsOfWindows(name: String)
        throws
    {
        let fixture = try Fixture(name)
        let lora = LoRAConfiguration(rank: 4, alpha: 8, dropout: 0, targets: LinearMap.allCases)
        let sizes = fixture.model.shape.sizes
        var tensors: [NamedTensor] = []
        for layer in 0..<sizes.layers {
            for map in LinearMap.allCases {
                let (out, into) = sizes.shape(of: map)
                for (matrix, shape) in [(Adapter.Matrix.a, [4, into]), (.b, [out, 4])] {
                    let values = (0..<shape[0] * shape[1]).map { 0.1 * sin(Float(7 * tensors.count + 3 * $0)) }
                    tensors.append(
                        NamedTensor(
                            name: Adapter.tensorName(layer: layer, map: map, matrix: matrix), shape: shape,
                            values: values))
                }
            }
        }
        let start = Adapter(configuration: lora, tensors: tensors)
        let batch = [[5, 6, 7], [9, 8], [11, 12, 13, 14]].map { TokenSequence(tokens: fixture.ids + $0) }
        let (loss, gradient) = try lossAndGradient(
            fixture.model, adapter: start, batch: batch, sharing: false, threads: 2)
        let shared = try lossAndGradient(fixture.model, adapter: start, batch: batch, sharing: true, threads: 2)
        #expect(abs(loss - shared.0) <= 1e-6)
        #expect(largestRelativeDistance(shared.1, gradient).distance <= 1e-5)
    }
}
