// CohortDecoder: a cohort's prompts decoded in pieces that are kept in the work folder, so that a killed evaluation goes on where it was.

import Digests
import Engine
import Extraction
import Faults
import Federation
import LocalFiles
import ModelShelf
import RunRecords

/// Decodes the prompts of one evaluation, task by task.
struct CohortDecoder {
    /// Prompts of a piece. Pieces are cut in the same places however often the run was stopped, so that the results do not depend on it.
    static let piece = 128

    let context: RunContext
    package let adapter: StartAdapter?
    let configuration: EvaluationConfiguration
    /// Where answers are kept until the step is done; nil: nowhere.
    package let folder: String?
    /// Records to decode in all, as far as is known, for progress.
    var expected: Int

    /// Records decoded so far.
    private(set) var done = 0
    /// New tokens over all records.
    private(set) var tokens = 0
    /// Answers cut at `max_new_tokens` or where the context is full.
    private(set) var cutOff = 0
    /// Answers cut because they ran in circles.
    private(set) var loops = 0

    init(
        context: RunContext, adapter: StartAdapter?, configuration: EvaluationConfiguration, folder: String?,
        expected: Int
    ) {
        self.context = context
        self.adapter = adapter
        self.configuration = configuration
        self.folder = folder
        self.expected = expected
    }

    /// The answers to the prompts of the records, in their order.
    package mutating func answers(
        to prompts: [[Int32]], of records: [Record], task: ExtractionTask
    ) throws(Fault) -> [Generation] {
        guard !prompts.isEmpty else { return [] }
        let path = folder.map { "\($0)/\(task.rawValue).txt" }
        let stamp = stamp(of: prompts)
        var answers = path.map { Self.kept(at: $0, stamp: stamp, limit: prompts.count) } ?? []
        if !answers.isEmpty {
            context.report(.noted("going on after \(answers.count) of \(prompts.count) \(task.rawValue) answers"))
        }
        while answers.count < prompts.count {
            let end = min(prompts.count, answers.count + Self.piece)
            let before = (done: done + answers.count, tokens: tokens + answers.reduce(0) { $0 + $1.tokens.count })
            let first = answers.count
            let copy = CopyDraft(tokenizer: context.tokenizer, records: records[first..<end])
            answers += try generate(
                context.model(), adapter: adapter?.adapter, prompts: Array(prompts[first..<end]),
                maxNewTokens: configuration.maxNewTokens, stop: context.stopTokens,
                batchSize: configuration.batchSize, threads: context.threads,
                progress: { (progress: GenerationProgress) throws(Fault) in
                    try context.checkInterruption()
                    context.report(
                        .progressed(
                            done: before.done + progress.finished, total: expected, unit: "records",
                            detail: "\(before.tokens + progress.tokens) tokens"))
                }, draft: copy.guess)
            if let path, end < prompts.count { try LocalFile.write(Self.bytes(answers, stamp: stamp), to: path) }
        }
        done += answers.count
        for answer in answers {
            tokens += answer.tokens.count
            switch answer.ending {
            case .stopToken: break
            case .loop: loops += 1
            case .length, .context: cutOff += 1
            }
        }
        if let path { try LocalFile.write(Self.bytes(answers, stamp: stamp), to: path) }
        return answers
    }

    /// Removes what was kept, once the step's record stands for it.
    func discard() {
        if let folder { LocalFile.remove(folder) }
    }

    /// What answers depend on: those of another adapter, model, setting or prompt are not taken up.
    private func stamp(of prompts: [[Int32]]) -> String {
        var builder = DigestBuilder()
        builder.update(
            "\(EngineVersion.text)\n\(context.plan.inputs.model.digest)\n\(context.plan.declaration.model.numerics.rawValue)\n"
                + "\(adapter?.digest.hex ?? "none")\n\(configuration.maxNewTokens) \(configuration.batchSize)\n")
        for prompt in prompts {
            builder.update(prompt.map { String($0) }.joined(separator: " ") + "\n")
        }
        return builder.digest().hex
    }

    private static func bytes(_ answers: [Generation], stamp: String) -> [UInt8] {
        var text = stamp + "\n"
        for answer in answers {
            let ending: String
            switch answer.ending {
            case .stopToken(let token): ending = "s\(token)"
            case .length: ending = "l"
            case .context: ending = "c"
            case .loop: ending = "r"
            }
            text += ([ending] + answer.tokens.map { String($0) }).joined(separator: " ") + "\n"
        }
        return Array(text.utf8)
    }

    /// The answers of whole pieces in the file; none where it is not there, of another stamp or damaged.
    private static func kept(at path: String, stamp: String, limit: Int) -> [Generation] {
        guard let bytes = LocalFile.readIfPresent(path) else { return [] }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        guard let first = lines.first, first == stamp else { return [] }
        var answers: [Generation] = []
        for line in lines.dropFirst() {
            let fields = line.split(separator: " ")
            let tokens = fields.dropFirst().compactMap { Int32($0) }
            guard let name = fields.first, tokens.count == fields.count - 1 else { return [] }
            let ending: Generation.Ending
            switch name {
            case "l": ending = .length
            case "c": ending = .context
            case "r": ending = .loop
            default:
                guard name.hasPrefix("s"), let token = Int32(name.dropFirst()) else { return [] }
                ending = .stopToken(token)
            }
            answers.append(Generation(kept: tokens, ending: ending))
        }
        if answers.count >= limit { return Array(answers.prefix(limit)) }
        return Array(answers.prefix(answers.count / piece * piece))
    }
}
