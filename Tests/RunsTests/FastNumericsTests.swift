// Fast numerics in a run: the loss curve on clinical text beside the exact one, and a federation that replays.

import Engine
import Federation
import Foundation
import ModelFiles
import TestSupport
import Testing
import Tokenization

/// The bound on the curve: means over 25 steps within 1%.
private let curveTolerance = 0.01

@Suite struct FastNumericsTests {
    /// Notes beside the checkout where they are, else the synthetic ones.
    private static let notes: [String] = {
        let root = URL(fileURLWithPath: ShippedWorkflowTests.root)
        let real = root.deletingLastPathComponent().appendingPathComponent(
            "shared/data/clinical/mtsamples-general/train")
        let synthetic = root.appendingPathComponent("workflows/data/harbour-ed/train")
        for folder in [real, synthetic] {
            let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
            let texts = files.filter { $0.hasSuffix(".txt") }.sorted().compactMap {
                try? String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8)
            }
            if !texts.isEmpty { return texts }
        }
        return []
    }()

    @Test(.needsBaseModel)
    func aHundredStepsFollowTheExactCurve() throws {
        let file = try ModelFile.open(path: try #require(baseModelPath))
        let stored = try #require(file.vocabulary)
        let tokenizer = try Tokenizer(
            BPEVocabulary(
                tokens: stored.tokens, tokenTypes: stored.tokenTypes, merges: stored.merges,
                preTokenizer: try PreTokenizer(named: stored.preTokenizer), beginningID: stored.beginningID,
                endID: stored.endID, unknownID: stored.unknownID, paddingID: stored.paddingID))
        let length = 32
        var sequences: [TokenSequence] = []
        for note in Self.notes {
            let ids = tokenizer.encode(note)
            for first in stride(from: 0, to: ids.count - length, by: length) where sequences.count < 100 {
                sequences.append(TokenSequence(tokens: Array(ids[first..<first + length])))
            }
        }
        #expect(sequences.count == 100)
        let losses = try [Numerics.exact, .fast].map { numerics in
            let model = try LanguageModel(file, numerics: numerics)
            let lora = LoRAConfiguration(rank: 16, alpha: 64, dropout: 0.05, targets: LinearMap.allCases)
            let start = try initialAdapter(shape: model.shape, configuration: lora, seed: 1)
            return try train(
                TrainingJob(
                    model: model,
                    configuration: TrainingConfiguration(
                        epochs: 1, batchSize: 1, learningRate: 2e-4, warmupRatio: 0.05, schedule: .cosine,
                        maxLength: 800, lossOn: .sequence, weightDecay: 0, clipNorm: 1),
                    lora: lora, sequences: sequences, start: start, seed: 1, round: 1, site: "s", threads: 2)
            ).losses
        }
        #expect(losses[0].count == 100 && losses[0] != losses[1])
        for first in stride(from: 0, to: 100, by: 25) {
            let means = losses.map { $0[first..<first + 25].reduce(0, +) / 25 }
            #expect(abs(means[0] - means[1]) <= curveTolerance * means[0], "steps \(first)...: \(means)")
        }
    }

    @Test func aFastFederationRunsVerifiesAndReplays() throws {
        let federation = try TinyFederation()
        let run = try federation.run("--set", "model.numerics=fast", "--threads", "1")
        #expect(run.code == 0, "\(run.err)")
        #expect(try federation.medrounds("verify", "tiny-1").code == 0)
        let record = try federation.git("show", "runs/tiny-1:rounds/0001/train/east/record.json")
        #expect(record.contains("\"numerics\": \"fast\""))
        let replay = try federation.medrounds("replay", "tiny-1", "--level", "full", "--threads", "2")
        #expect(replay.code == 0, "\(replay.out) \(replay.err)")
    }
}
