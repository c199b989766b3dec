// aggregate: seconds and memory of each rule of aggregation with random adapters, for docs/aggregation.md.
//
//   swift run -c release --package-path Benchmarks aggregate RULE [--shape smollm2|8b] [--sites N] [--rank N]
//
// RULE: reading mean frozen refactor stacked svd ridge rotate clip median trimmed. One rule a process, so that its peak of memory is
// its own. Writes the uploads in bfloat16 to a temporary folder and reads them from there, as a coordinator reads them from its ledger.

import Faults
import Federation
import Foundation
import ModelFiles

func option(_ name: String, _ standard: String) -> String {
    guard let index = CommandLine.arguments.firstIndex(of: "--\(name)"), index + 1 < CommandLine.arguments.count else {
        return standard
    }
    return CommandLine.arguments[index + 1]
}

/// Uploads as bytes in memory, from files.
final class FileUploads: UploadSource {
    let standings: [UploadStanding]
    let form: AdapterForm
    var frozen: Adapter.Matrix?
    private let start: [UInt8]
    private let files: [[UInt8]]

    init(_ paths: [String], _ form: AdapterForm) throws {
        self.form = form
        standings = paths.indices.compactMap { index in
            SiteID("site-\(index)").map { UploadStanding(site: $0, records: 100 + index, loss: nil) }
        }
        files = try paths.map { try Self.read($0) }
        start = files[0]
    }

    static func read(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }

    var configuration: LoRAConfiguration { form.configuration }
    var tensors: [(name: String, shape: [Int])] { form.tensors }
    func values(of tensor: Int, in upload: Int) throws(Fault) -> [Float] { form.values(of: tensor, in: files[upload]) }
    func start(of tensor: Int) throws(Fault) -> [Float]? { form.values(of: tensor, in: start) }
}

func seconds(_ body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    let spent = try clock.measure(body)
    return Double(spent.components.seconds) + Double(spent.components.attoseconds) * 1e-18
}

let rule = CommandLine.arguments.dropFirst().first ?? "mean"
let isLarge = option("shape", "smollm2") == "8b"
let sizes =
    isLarge
    ? BackboneSizes(layers: 32, hidden: 4096, queries: 4096, keyValues: 1024, feedForward: 14336)
    : BackboneSizes(layers: 30, hidden: 576, queries: 576, keyValues: 192, feedForward: 1536)
let rank = Int(option("rank", "16")) ?? 16
let sites = Int(option("sites", "10")) ?? 10
let form = AdapterForm(
    sizes: sizes, configuration: LoRAConfiguration(rank: rank, alpha: 64, dropout: 0, targets: LinearMap.allCases),
    precision: .bf16)

// Every site near one start: A within 0.04, drift a tenth of it, B within 0.004.
let folder = URL(filePath: NSTemporaryDirectory()).appending(path: "medrounds-aggregate-\(UUID().uuidString)")
try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
defer { try? FileManager.default.removeItem(at: folder) }
var paths: [String] = []
for site in 0..<sites {
    var state = UInt64(site) &* 977 &+ 12345
    var common: UInt64 = 1
    func next(_ state: inout UInt64) -> Float {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int32(truncatingIfNeeded: state >> 33)) / 1_073_741_824 - 1
    }
    let adapter = Adapter(
        configuration: form.configuration,
        tensors: form.tensors.map { name, shape in
            let isA = name.contains("lora_A")
            return NamedTensor(
                name: name, shape: shape,
                values: (0..<shape.reduce(1, *)).map { _ in
                    isA ? 0.04 * next(&common) + 0.004 * next(&state) : 0.004 * next(&state)
                })
        })
    let path = folder.appending(path: "\(site)").path
    try Data(AdapterFile.bytes(of: adapter, precision: .bf16)).write(to: URL(filePath: path))
    paths.append(path)
}

/// The peak of resident memory of this process, in bytes.
func peak() -> Int {
    var usage = rusage()
    getrusage(0, &usage)  // RUSAGE_SELF
    return usage.ru_maxrss * 1024
}

let reading = try seconds {
    for path in paths {
        let bytes = try FileUploads.read(path)
        for tensor in form.tensors.indices { _ = form.values(of: tensor, in: bytes) }
    }
}
let uploads = try FileUploads(paths, form)
let before = peak()
var aggregation = Aggregation(.fedMedLoRA)
switch rule {
case "frozen": uploads.frozen = .a
case "refactor": aggregation.refactor = .svd
case "stacked": aggregation.product = .stacked
case "svd": aggregation.product = .svd
case "ridge": aggregation.ridge = 0.01
case "rotate": aggregation.rotates = true
case "clip": aggregation.clip = 1
case "median": aggregation.robust = .median
case "trimmed": aggregation.robust = .trimmed
default: break
}
var lost = 0.0
let combining =
    try rule == "reading"
    ? 0
    : seconds { lost = try aggregation.combine(uploads, isLast: true, precision: .bf16).evidence.lost.all.lostShare }
print(
    "\(rule) \(isLarge ? "8b" : "smollm2") \(sites) sites rank \(rank): reading once \(Figures.fixed(reading, 2)) s, "
        + "combining \(Figures.fixed(combining, 2)) s, peak \((before) >> 20) -> \(peak() >> 20) MiB, lost \(lost)")
