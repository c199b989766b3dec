// noise: how far a training step by OpenBLAS is from ours, for the bounds of docs/engine.md, "A second arithmetic".
//
//   swift run -c release --package-path Benchmarks noise [--seeds N] [--steps N] [--tokens N] [--dropout P] [--fast]
//
// The base model, batches of 4 random records that share a sixth of their tokens, rank 16, alpha 64, all seven maps; one run for each seed.
// Prints the largest difference of every step, then the largest of all as one JSON object.

import Engine
import Faults
import Federation
import Foundation
import ModelFiles

func option(_ name: String, _ standard: Double) -> Double {
    guard let index = CommandLine.arguments.firstIndex(of: "--\(name)"), index + 1 < CommandLine.arguments.count else {
        return standard
    }
    return Double(CommandLine.arguments[index + 1]) ?? standard
}

/// A fixed sequence of token ids.
struct RandomTokens {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next(_ count: Int, below: Int) -> [Int32] {
        (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int32((state >> 33) % UInt64(below))
        }
    }
}

let variables = ProcessInfo.processInfo.environment
let path = variables["MEDROUNDS_MODEL"] ?? NSHomeDirectory() + "/.cache/medrounds/SmolLM2-135M-Instruct.Q4_1.gguf"
let numerics: Numerics = CommandLine.arguments.contains("--fast") ? .fast : .exact
let model = try LanguageModel(ModelFile.open(path: path), numerics: numerics)
let lora = LoRAConfiguration(rank: 16, alpha: 64, dropout: option("dropout", 0), targets: LinearMap.allCases)
let (steps, tokens) = (Int(option("steps", 3)), Int(option("tokens", 96)))
var worst = (loss: 0.0, norm: 0.0, gradient: 0.0, update: 0.0)
for seed in 1...max(1, Int(option("seeds", 3))) {
    var random = RandomTokens(UInt64(seed))
    let common = random.next(tokens / 6, below: model.shape.vocabularySize)
    let sequences = (0..<4 * steps).map { _ in
        TokenSequence(tokens: common + random.next(tokens - common.count, below: model.shape.vocabularySize))
    }
    let job = TrainingJob(
        model: model,
        configuration: TrainingConfiguration(
            epochs: 1, batchSize: 4, learningRate: 2e-4, warmupRatio: 0, schedule: .cosine, maxLength: 800,
            lossOn: .sequence, weightDecay: 0, clipNorm: 1),
        lora: lora, sequences: sequences,
        start: try initialAdapter(shape: model.shape, configuration: lora, seed: UInt64(seed)), seed: UInt64(seed),
        round: 1, site: "noise", threads: ProcessInfo.processInfo.activeProcessorCount)
    for step in try train(job, second: SecondArithmetic(.openblas)).comparisons {
        print(
            "seed \(seed), step \(step.step): loss \(step.lossDifference), norm \(step.gradientNormDifference), "
                + "gradient \(step.gradient), update \(step.update)")
        worst = (
            max(worst.loss, step.lossDifference), max(worst.norm, step.gradientNormDifference),
            max(worst.gradient, step.gradient), max(worst.update, step.update)
        )
    }
}
print(
    "{\"numerics\": \"\(numerics.rawValue)\", \"loss\": \(worst.loss), \"gradient_norm\": \(worst.norm), "
        + "\"gradient\": \(worst.gradient), \"update\": \(worst.update)}")
