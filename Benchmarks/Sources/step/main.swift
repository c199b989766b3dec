// step: the median time of a LoRA step of SmolLM2-135M-Instruct, for a comparison with other trainers on the same machine.
//
//   swift run -c release --package-path Benchmarks step [--threads N] [--steps N] [--dropout P] [--shared N] [--fast]
//       [--sequences FILE]
//
// Batch 4 x 256 random tokens, rank 16, alpha 64, all seven maps. --shared N lets the records share their first N tokens.
// --sequences FILE takes real records, as `medrounds bench sequences` prints them, cut to 800 tokens. Prints one JSON object.

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

let threads = Int(option("threads", Double(ProcessInfo.processInfo.activeProcessorCount)))
let steps = Int(option("steps", 8))
let shared = Int(option("shared", 0))
let variables = ProcessInfo.processInfo.environment
let path = variables["MEDROUNDS_MODEL"] ?? NSHomeDirectory() + "/.cache/medrounds/SmolLM2-135M-Instruct.Q4_1.gguf"

let clock = ContinuousClock()
let begin = clock.now
let model = try LanguageModel(
    ModelFile.open(path: path), numerics: CommandLine.arguments.contains("--fast") ? .fast : .exact)
let lora = LoRAConfiguration(rank: 16, alpha: 64, dropout: option("dropout", 0), targets: LinearMap.allCases)
let start = try initialAdapter(shape: model.shape, configuration: lora, seed: 1)
/// A fixed sequence of token ids.
struct RandomTokens {
    private var state: UInt64 = 1
    mutating func next(_ count: Int) -> [Int32] {
        (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int32((state >> 33) % 49_000)
        }
    }
}
var random = RandomTokens()
let prefix = random.next(shared)

/// A record of the file of sequences.
struct StoredRecord: Decodable {
    var tokens: [Int32]
    var loss_start: Int
}
var sequences = (0..<4 * steps).map { _ in TokenSequence(tokens: prefix + random.next(256 - shared)) }
if let index = CommandLine.arguments.firstIndex(of: "--sequences"), index + 1 < CommandLine.arguments.count {
    let data = try Data(contentsOf: URL(fileURLWithPath: CommandLine.arguments[index + 1]))
    sequences = try JSONDecoder().decode([StoredRecord].self, from: data).prefix(4 * steps).map {
        TokenSequence(tokens: $0.tokens, lossStart: $0.loss_start)
    }
}
let job = TrainingJob(
    model: model,
    configuration: TrainingConfiguration(
        epochs: 1, batchSize: 4, learningRate: 2e-4, warmupRatio: 0.05, schedule: .cosine, maxLength: 800,
        lossOn: .sequence, weightDecay: 0, clipNorm: 1),
    lora: lora, sequences: sequences, start: start, seed: 1, round: 1, site: "bench", threads: threads)
nonisolated(unsafe) var marks: [(time: ContinuousClock.Instant, tokens: Int)] = []  // reported on the calling thread
_ = try train(job) { (progress: TrainingProgress) throws(Fault) in marks.append((clock.now, progress.tokens)) }
let times = zip(marks.dropFirst(), marks).map { ($0.time - $1.time) / .seconds(1) }.sorted()
let median = times[times.count / 2]
let whole = times.reduce(0, +)
// Random batches all have the same size, so the median step represents them; real records differ, so all steps count.
let isRandom = !CommandLine.arguments.contains("--sequences")
let tokens = isRandom ? 1024 / median : Double(marks[marks.count - 1].tokens - marks[0].tokens) / whole
let records = isRandom ? 4 / median : Double(sequences.count - 4) / whole
var usage = rusage()
getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
func rounded(_ value: Double) -> String { String(format: "%.3f", value) }
print(
    "{\"threads\": \(threads), \"step_seconds\": \(rounded(median)), \"tokens_per_second\": \(rounded(tokens)), "
        + "\"records_per_second\": \(rounded(records)), "
        + "\"first_step_seconds\": \(rounded((marks[0].time - begin) / .seconds(1))), "
        + "\"peak_gigabytes\": \(rounded(Double(usage.ru_maxrss) / 1e6))}")
