// sanitized: decoding, scoring and training of tiny models with extreme shapes, kernels on buffers of exact size, and tokenizers over
// hostile text; scripts/sanitize.sh builds it with AddressSanitizer and UndefinedBehaviourSanitizer, which end the program at any wrong
// read or write.
//
//   sanitized CASES SEED

import CKernels
import Engine
import Faults
import Federation
import Foundation

let arguments = CommandLine.arguments
guard arguments.count == 3, let cases = Int(arguments[1]), let seed = UInt64(arguments[2]) else {
    print("usage: sanitized CASES SEED")
    exit(2)
}

/// Counts a case that a call refused, for example one with records too long for its context.
func refused(_ fault: Fault) {
    precondition(fault.kind != .bug, "\(fault)")
    refusals[fault.code, default: 0] += 1
}
nonisolated(unsafe) var refusals: [String: Int] = [:]  // only the main thread writes it

func run(_ index: Int) throws(Fault) {
    var numbers = CaseNumbers(seed: seed, case: index)
    _ = kernel_set_level(Int32(index % (Int(kernel_best_level()) + 1)))
    let model = try ExtremeModel.draw(&numbers)
    let shape = model.shape
    let threads = 1 + numbers.below(3)
    let rank = numbers.one(of: [1, 1, 2, 3, 8, 17, numbers.below(20) == 0 ? 2048 : 16])
    let targets = LinearMap.allCases.filter { _ in numbers.below(3) > 0 }
    let lora = LoRAConfiguration(
        rank: rank, alpha: 8, dropout: numbers.one(of: [0, 0, 0.1, 0.9]), targets: targets.isEmpty ? [.q] : targets)
    let start = try initialAdapter(shape: shape, configuration: lora, seed: seed)
    let adapter = Adapter(
        configuration: lora,
        tensors: start.tensors.map {
            NamedTensor(name: $0.name, shape: $0.shape, values: numbers.floats($0.values.count, scale: 0.1))
        })
    let common = numbers.tokens(numbers.below(shape.contextLength), below: shape.vocabularySize)
    let count = numbers.one(of: [1, 2, 3, 7, 20, numbers.below(25) == 0 ? 700 : 4])
    let records = (0..<count).map { _ in
        let rest = 1 + numbers.below(max(1, min(60, shape.contextLength - common.count)))
        let whole = (numbers.below(4) == 0 ? [] : common) + numbers.tokens(rest + 1, below: shape.vocabularySize)
        let tokens = Array(whole.prefix(shape.contextLength))
        return TokenSequence(tokens: tokens, lossStart: 1 + numbers.below(max(1, tokens.count - 1)))
    }
    let job = TrainingJob(
        model: model,
        configuration: TrainingConfiguration(
            epochs: 1, batchSize: numbers.one(of: [1, 2, 5, 1000]), learningRate: 1e-3, warmupRatio: 0,
            schedule: .constant, maxLength: 300, lossOn: .sequence, weightDecay: 0.01, clipNorm: 1,
            checkpointActivations: numbers.below(2) == 0),
        lora: lora, sequences: records, start: adapter, seed: seed, round: 1, site: "a", threads: threads)
    let second = numbers.below(4) == 0 ? SecondArithmetic(.openblas, steps: 0..<1) : nil
    let outcome = try train(job, through: 2, second: second)
    _ = try score(model, adapter: outcome.adapter, sequences: records, threads: threads)
    let guesses = numbers.tokens(8, below: shape.vocabularySize)
    let guessing = numbers.below(2) == 0
    _ = try generate(
        model, adapter: numbers.below(2) == 0 ? outcome.adapter : nil,
        prompts: records.map { Array($0.tokens.prefix(1 + shape.contextLength / 2)) },
        maxNewTokens: 1 + numbers.below(30), stop: [], batchSize: numbers.one(of: [1, 3, 1000]), threads: threads,
        draft: guessing ? { _, _, _ in guesses } : nil)
}

for index in 0..<cases {
    do {
        try run(index)
    } catch {
        refused(error)
    }
    exactBuffers(CaseNumbers(seed: seed, case: -1 - index))
}
let texts = try tokenizers(seed: seed, cases: cases)
print("\(cases) models, \(cases) sets of kernel calls, \(texts) texts; refused: \(refusals.sorted { $0.key < $1.key })")
