// Where goldens and models are, and how the tests read them.

import Engine
import Faults
import Federation
import Foundation
import ModelFiles
import TestSupport
import Testing

enum Golden {
    /// The goldens that are part of the package.
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens")
    /// The larger goldens beside the package, where a developer has them.
    static let shared = folder.appendingPathComponent("../../../../shared/goldens").standardizedFileURL
    static let hasShared = FileManager.default.fileExists(atPath: shared.path)

    static let basePath = baseModelPath ?? ""

    static func json<T: Decodable>(_ url: URL, _ type: T.Type = T.self) throws -> T {
        try JSONDecoder().decode(T.self, from: Data(contentsOf: url))
    }

    static func base() throws -> LanguageModel { try LanguageModel(ModelFile.open(path: basePath)) }
    static func tiny(_ family: String = "llama3") throws -> LanguageModel {
        try LanguageModel(ModelFile.open(path: folder.appendingPathComponent("tiny-\(family)").path))
    }

    /// An adapter from a safetensors file of PEFT, with rank and alpha as the goldens have them.
    static func adapter(_ url: URL, rank: Int = 8, alpha: Double = 16) throws -> Adapter {
        let tensors = try Safetensors.read(path: url.path).map {
            NamedTensor(name: $0.name, shape: $0.shape, values: $0.floats ?? [])
        }
        return Adapter(
            configuration: LoRAConfiguration(rank: rank, alpha: alpha, dropout: 0, targets: LinearMap.allCases),
            tensors: tensors)
    }
}

/// A LoRA golden: batch, losses and noise.
struct LoRAGolden {
    struct Batch: Decodable {
        var input_ids: [[Int32]]
        var labels: [[Int32]]
        var attention_mask: [[Int]]
    }
    struct Losses: Decodable {
        var loss_before_step: [Double]
        var loss_after_5: Double
    }
    struct Noise: Decodable {
        var loss_f64: Double
        var grad_max_rel_l2_f32_vs_f64: Double
    }

    let folder: URL
    let sequences: [TokenSequence]
    let losses: Losses
    let noise: Noise

    init(_ folder: URL) throws {
        self.folder = folder
        let batch = try Golden.json(folder.appendingPathComponent("batch.json"), Batch.self)
        sequences = zip(zip(batch.input_ids, batch.labels), batch.attention_mask).map { pair, mask in
            let count = mask.reduce(0, +)
            let first = pair.1[..<count].firstIndex { $0 != -100 } ?? count
            return TokenSequence(tokens: Array(pair.0[..<count]), lossStart: max(1, first))
        }
        losses = try Golden.json(folder.appendingPathComponent("losses.json"))
        noise = try Golden.json(folder.appendingPathComponent("f64_check.json"))
    }

    func start() throws -> Adapter {
        try Golden.adapter(folder.appendingPathComponent("init/adapter_model.safetensors"))
    }

    /// The goldens' training: constant rate, no decay, no clipping, the whole batch every step.
    func job(_ model: LanguageModel, steps: Int, threads: Int = 2) throws -> TrainingJob {
        let start = try start()
        return TrainingJob(
            model: model,
            configuration: TrainingConfiguration(
                epochs: steps, batchSize: sequences.count, learningRate: 2e-4, warmupRatio: 0, schedule: .constant,
                maxLength: 4096, lossOn: .sequence, weightDecay: 0, clipNorm: nil),
            lora: start.configuration, sequences: sequences, start: start, seed: 1, round: 1, site: "golden",
            threads: threads)
    }
}

/// The largest relative distance |a - b| / |b| (Euclidean, per tensor) of two adapters, and its tensor.
func largestRelativeDistance(_ found: Adapter, _ expected: Adapter) -> (distance: Double, name: String) {
    var worst = (distance: 0.0, name: "")
    for tensor in expected.tensors {
        guard let other = found.tensor(named: tensor.name), other.shape == tensor.shape else {
            return (.infinity, tensor.name)
        }
        let distance = relativeDistance(other.values, tensor.values)
        if !(distance <= worst.distance) { worst = (distance, tensor.name) }
    }
    return worst
}

func relativeDistance(_ found: [Float], _ expected: [Float]) -> Double {
    var difference = 0.0
    var norm = 0.0
    for (a, b) in zip(found, expected) {
        difference += (Double(a) - Double(b)) * (Double(a) - Double(b))
        norm += Double(b) * Double(b)
    }
    return (difference / max(norm, 1e-30)).squareRoot()
}
