// decode: how fast greedy decoding is, for a comparison with other programs on the same machine.
//
//   swift run -c release --package-path Benchmarks decode [--threads N] [--repeats N]
//       Without notes: 256 random prompt tokens and 64 new ones, batch 1, no adapter.
//   ... decode --shape NAME --type TYPE: the same with random weights of a shape of `medrounds bench`, such as q4_k.
//   ... decode --notes FOLDER --adapter PEFT_FOLDER [--template FILE] [--records N] [--batch N] [--tokens N] [--draft 0|1]
//       The NER records of annotated notes, drawn by a fixed seed. --write FILE leaves prompts and answers (token ids, text of
//       the notes!) as JSON for Benchmarks/peers/decode.py.
//
// The last line is a JSON object of the medians; tokens per second do not include the passes that compute prompts.

import Engine
import Extraction
import Faults
import Federation
import Foundation
import ModelFiles
import Rounds
import Tokenization
import Workflows

func text(_ name: String) -> String? {
    guard let index = CommandLine.arguments.firstIndex(of: "--\(name)"), index + 1 < CommandLine.arguments.count else {
        return nil
    }
    return CommandLine.arguments[index + 1]
}
func number(_ name: String, _ standard: Int) -> Int { text(name).flatMap { Int($0) } ?? standard }

let threads = number("threads", ProcessInfo.processInfo.activeProcessorCount)
let repeats = number("repeats", 5)
let variables = ProcessInfo.processInfo.environment
let path = variables["MEDROUNDS_MODEL"] ?? NSHomeDirectory() + "/.cache/medrounds/SmolLM2-135M-Instruct.Q4_1.gguf"
func opened() throws -> LanguageModel {
    guard let name = text("shape") else { return try LanguageModel(ModelFile.open(path: path)) }
    guard let shape = BenchmarkShape(rawValue: name)?.shape,
        let type = StoredType.allCases.first(where: { "\($0)" == text("type") })
    else { fatalError("no shape \(name) or no type \(text("type") ?? "given")") }
    return try LanguageModel(random: shape, type: type, numerics: .exact)
}
let model = try opened()
let clock = ContinuousClock()

/// Seconds of processor time that this process has used.
func processor() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// The largest resident set of this process, in bytes.
func peakMemory() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
}

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

/// Time and tokens of the passes of one record after another, without each record's first pass, which computes its prompt.
struct WithoutPrompts {
    private(set) var seconds = 0.0
    private(set) var tokens = 0
    private var hasPrompt = true
    private var last = (time: ContinuousClock.now, finished: 0, tokens: 0)

    mutating func add(_ progress: GenerationProgress) {
        let now = ContinuousClock.now
        if !hasPrompt {
            seconds += (now - last.time) / .seconds(1)
            tokens += progress.tokens - last.tokens
        }
        hasPrompt = progress.finished > last.finished
        last = (now, progress.finished, progress.tokens)
    }
}

/// The seconds of the first pass and of all others, processor seconds of those others and of all, and the answers.
func timed(
    _ prompts: [[Int32]], adapter: Adapter?, new: Int, stop: Set<Int32>, batch: Int,
    draft: ((Int, [Int32], Int) -> [Int32])?
) throws -> (
    first: Double, rest: Double, used: (rest: Double, all: Double), last: GenerationProgress, answers: [Generation],
    withoutPrompts: WithoutPrompts
) {
    nonisolated(unsafe) var withoutPrompts = WithoutPrompts()
    nonisolated(unsafe) var first: ContinuousClock.Instant?
    nonisolated(unsafe) var last: GenerationProgress?
    let used = processor()
    nonisolated(unsafe) var usedAtFirst = used
    let start = clock.now
    let answers = try generate(
        model, adapter: adapter, prompts: prompts, maxNewTokens: new, stop: stop, batchSize: batch, threads: threads,
        progress: { (progress: GenerationProgress) throws(Fault) in
            if first == nil {
                first = clock.now
                usedAtFirst = processor()
            }
            last = progress
            withoutPrompts.add(progress)
        }, draft: draft)
    let end = clock.now
    guard let first, let last else { fatalError("no pass") }
    let usedNow = processor()
    return (
        (first - start) / .seconds(1), (end - first) / .seconds(1), (usedNow - usedAtFirst, usedNow - used), last,
        answers,
        withoutPrompts
    )
}

if let notes = text("notes") {
    let file = try ModelFile.open(path: path)
    let templatePath = text("template") ?? "workflows/templates/clinical-extraction.yaml"
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: templatePath)))
    let node = try YAMLReader.read(bytes: bytes, file: templatePath)
    let template = try PromptTemplate(json: node.plain, file: templatePath)
    guard let vocabulary = file.vocabulary else { fatalError("the model brings no tokenizer") }
    let tokenizer = try Tokenizer(BPEVocabulary(vocabulary))
    guard let marker = template.end, let end = tokenizer.id(of: marker) else { fatalError("no end marker") }
    let built = try RecordBuilder.records(
        from: CorpusReader.read(path: notes), tasks: TaskSelection(ner: .all), template: template, purpose: .evaluation)
    let order = drawOrder(count: built.records.count, seed: 17, owner: "bench", source: 0)
    let records = RecordBuilder.draw(built.records, limit: number("records", 256), by: order)
    let prompts = records.map { tokenizer.encode($0.prompt, specials: false) }
    let adapter = try text("adapter").map { try AdapterFolder.read($0, sizes: file.shape.sizes) }
    let batch = number("batch", 16)
    let new = number("tokens", 192)
    let copy = CopyDraft(tokenizer: tokenizer, records: records[...])
    var times: [Double] = []
    var ratesAfterPrompts: [Double] = []
    var answers: [Generation] = []
    for _ in 0..<repeats {
        let drafts = number("draft", 1) == 1
        let run = try timed(
            prompts, adapter: adapter, new: new, stop: [end], batch: batch, draft: drafts ? copy.guess : nil)
        times.append(run.first + run.rest)
        answers = run.answers
        let seconds = run.first + run.rest
        let rates = [Double(records.count) / seconds, Double(run.last.tokens) / seconds]
        let perProcessorSecond = Double(records.count) / run.used.all
        print(
            "threads \(threads), batch \(batch), draft \(drafts): \(records.count) records in \(seconds) s, "
                + "\(rates[0]) records/s, \(rates[1]) new tokens/s, \(perProcessorSecond) records per processor second; "
                + "\(run.last.tokens) tokens, \(run.last.passes) passes, \(run.last.rows) rows")
        if batch == 1 {
            let some = run.withoutPrompts
            print("  after the prompts: \(some.tokens) tokens, \(Double(some.tokens) / some.seconds) tokens/s")
            ratesAfterPrompts.append(Double(some.tokens) / some.seconds)
        }
    }
    let afterPrompts = ratesAfterPrompts.isEmpty ? "" : ", \"tokens_per_second\": \(median(ratesAfterPrompts))"
    print("{\"threads\": \(threads), \"records_per_second\": \(Double(records.count) / median(times))\(afterPrompts)}")
    if let output = text("write") {
        let rows = zip(prompts, answers).map { prompt, answer in
            "{\"prompt\": \(prompt), \"answer\": \(answer.tokens)}"
        }
        try "[\(rows.joined(separator: ",\n"))]\n".write(toFile: output, atomically: true, encoding: .utf8)
    }
} else {
    var state: UInt64 = 1
    let prompt = (0..<256).map { _ -> Int32 in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int32((state >> 33) % 49_000)
    }
    var rates: [Double] = []
    var promptRates: [Double] = []
    var processorRates: [Double] = []
    for _ in 0..<repeats + 1 {
        let run = try timed([prompt], adapter: nil, new: 64, stop: [], batch: 1, draft: nil)
        rates.append(Double(run.last.tokens - 1) / run.rest)
        promptRates.append(256 / run.first)
        processorRates.append(Double(run.last.tokens - 1) / run.used.rest)
    }
    print(
        "threads \(threads), batch 1: prompt \(median(Array(promptRates.dropFirst()))) tokens/s, "
            + "decoding \(median(Array(rates.dropFirst()))) tokens/s, "
            + "\(median(Array(processorRates.dropFirst()))) tokens per processor second, first run \(rates[0]), "
            + "\(peakMemory() / 1_000_000) MB at the peak")
    print("{\"threads\": \(threads), \"tokens_per_second\": \(median(Array(rates.dropFirst())))}")
}
