// Greedy decoding: independent of batch size and threads, and equal to taking the largest logit step by step.

import Engine
import Faults
import Federation
import ModelFiles
import Synchronization
import Testing

/// A count that threads share.
private final class Counter: Sendable {
    let value = Atomic<Int>(0)
}

@Suite struct GenerationTests {
    private static func prompts(prefix: Int) -> [[Int32]] {
        TinyModel.records([11, 4, 20, 2, 13, 6, 9, 3, 17].map { $0 + prefix }, prefix: prefix).map(\.tokens)
    }

    @Test(arguments: [0, 20, 100, 200])
    func otherPromptsBatchSizeAndThreadsDoNotMatter(prefix: Int) throws {
        let model = try TinyModel.make()
        let adapter = try TinyModel.adapter(model)
        let prompts = Self.prompts(prefix: prefix)
        let one = try generate(
            model, adapter: adapter, prompts: prompts, maxNewTokens: 30, stop: [7, 11, 13], batchSize: 1, threads: 1)
        let eight = try generate(
            model, adapter: adapter, prompts: prompts, maxNewTokens: 30, stop: [7, 11, 13], batchSize: 8, threads: 2)
        #expect(one == eight)
        #expect(Set(one.map(\.tokens)).count > 1)
        for (index, prompt) in prompts.enumerated() {
            let alone = try generate(
                model, adapter: adapter, prompts: [prompt], maxNewTokens: 30, stop: [7, 11, 13], batchSize: 1,
                threads: 2)
            #expect(alone[0] == one[index])
        }
    }

    /// The head has room for a limited number of guesses in a pass; further records continue without guesses.
    @Test func moreRecordsThanGuessesAtOnce() throws {
        let model = try TinyModel.make()
        let prompts = (0..<70).map { TinyModel.records([8 + $0 % 11], prefix: 4)[0].tokens }
        func answers(_ draft: ((Int, [Int32], Int) -> [Int32])?) throws -> [Generation] {
            try generate(
                model, adapter: nil, prompts: prompts, maxNewTokens: 12, stop: [7], batchSize: 70, threads: 2,
                draft: draft)
        }
        let plain = try answers(nil)
        #expect(try answers { prompt, written, _ in Array(plain[prompt].tokens.dropFirst(written.count)) } == plain)
    }

    /// Right, wrong, half-right, overlong and senseless guesses.
    @Test(arguments: [0, 20, 100, 200], [1, 3, 8])
    func guessesNeverChangeAnAnswer(prefix: Int, batchSize: Int) throws {
        let model = try TinyModel.make()
        let adapter = try TinyModel.adapter(model)
        let prompts = Self.prompts(prefix: prefix)
        func answers(_ draft: ((Int, [Int32], Int) -> [Int32])?) throws -> ([Generation], passes: Int) {
            var passes = 0
            let found = try generate(
                model, adapter: adapter, prompts: prompts, maxNewTokens: 30, stop: [7, 11, 13], batchSize: batchSize,
                threads: 2, progress: { passes = $0.passes }, draft: draft)
            return (found, passes)
        }
        let (plain, plainPasses) = try answers(nil)
        func rest(_ prompt: Int, _ written: [Int32]) -> [Int32] {
            Array(plain[prompt].tokens.dropFirst(written.count))
        }
        let right = try answers { prompt, written, limit in Array(rest(prompt, written).prefix(limit)) }
        #expect(right.0 == plain)
        #expect(right.passes < plainPasses)
        #expect(try answers { _, _, limit in Array(repeating: 5, count: limit) }.0 == plain)
        #expect(try answers { _, _, _ in [-1, 101, 5] }.0 == plain)
        #expect(try answers { _, _, _ in [7, 7, 7] }.0 == plain)
        let half = try answers { prompt, written, _ in
            rest(prompt, written).enumerated().map { $0 % 3 == 2 ? 99 - $1 : $1 } + [1, 2, 3, 4]
        }
        #expect(half.0 == plain)
    }

    @Test func guessesEndWhereTheAnswerDoes() throws {
        let model = try TinyModel.make(context: 32)
        let prompt = Array(Self.prompts(prefix: 20)[1].prefix(24))
        func answer(_ new: Int, _ draft: ((Int, [Int32], Int) -> [Int32])?) throws -> Generation {
            try generate(
                model, adapter: nil, prompts: [prompt], maxNewTokens: new, stop: [], batchSize: 1, threads: 1,
                draft: draft)[0]
        }
        for new in [1, 2, 5, 9, 100] {
            let plain = try answer(new, nil)
            #expect(
                try answer(new) { _, written, _ in Array(plain.tokens.dropFirst(written.count)) + [1, 2] } == plain)
        }
    }

    @Test(arguments: [1, 2, 5])
    func phasesFollowOneAnotherWhateverTheThreads(threads: Int) throws {
        let workers = try Workers(count: threads, headDimension: 4, width: 8)
        let tasks = [3, 0, 1, 7, 0, 2, 40, 1]
        let done = tasks.map { _ in Counter() }
        let early = Counter()
        for _ in 0..<50 {
            for count in done { count.value.store(0, ordering: .sequentiallyConsistent) }
            workers.phases(tasks) { phase, task, worker in
                for before in 0..<phase
                where done[before].value.load(ordering: .sequentiallyConsistent) != tasks[before] {
                    early.value.add(1, ordering: .sequentiallyConsistent)
                }
                if worker >= threads || task >= tasks[phase] { early.value.add(1, ordering: .sequentiallyConsistent) }
                done[phase].value.add(1, ordering: .sequentiallyConsistent)
            }
            #expect(done.map { $0.value.load(ordering: .sequentiallyConsistent) } == tasks)
        }
        #expect(early.value.load(ordering: .sequentiallyConsistent) == 0)
    }

    @Test func meetsTheLargestLogitStepByStep() throws {
        let model = try TinyModel.make(tied: false)
        try Self.meetsTheLargestLogit(model, adapter: TinyModel.adapter(model))
    }

    /// The pass that decodes reads its own form of every type; the pass that `probe` runs reads the stored form.
    @Test(arguments: StoredType.allCases.filter { $0.rawValue >= StoredType.q4_0.rawValue })
    func meetsTheLargestLogitInEveryQuantisedType(type: StoredType) throws {
        var shape = try TinyModel.make(tied: false).shape
        (shape.hiddenSize, shape.feedForwardSize) = (256, 512)
        (shape.headCount, shape.keyValueHeadCount, shape.headDimension) = (4, 2, 64)
        let model = try LanguageModel(random: shape, type: type, numerics: .exact)
        try Self.meetsTheLargestLogit(model, adapter: TinyModel.adapter(model))
    }

    @Test func meetsTheLargestLogitInNF4WithQuantisedScales() throws {
        let model = try TinyModel.make(tied: false, hidden: 64, weights: .nf4)
        try Self.meetsTheLargestLogit(model, adapter: TinyModel.adapter(model))
    }

    /// In passes of single rows, and of several rows with right and wrong guesses.
    private static func meetsTheLargestLogit(_ model: LanguageModel, adapter: Adapter) throws {
        let prompts = Array(prompts(prefix: 20).prefix(3))
        let found = try generate(
            model, adapter: adapter, prompts: prompts, maxNewTokens: 12, stop: [], batchSize: 2, threads: 2)
        for (prompt, generation) in zip(prompts, found) {
            var tokens = prompt
            for token in generation.tokens {
                #expect(try probe(model, adapter: adapter, tokens: tokens, threads: 1, top: 1).top[0].token == token)
                tokens.append(token)
            }
            #expect(generation.ending == .length)
        }
        let guessed = try generate(
            model, adapter: adapter, prompts: prompts, maxNewTokens: 12, stop: [], batchSize: 1, threads: 2,
            draft: { prompt, written, limit in
                found[prompt].tokens.dropFirst(written.count).prefix(limit).enumerated().map { $0 == 2 ? 99 - $1 : $1 }
            })
        #expect(guessed == found)
    }

    @Test func endsAtStopTokensAndAtTheContext() throws {
        let model = try TinyModel.make(context: 32)
        let prompt = Array(Self.prompts(prefix: 20)[1].prefix(24))
        let free = try generate(
            model, adapter: nil, prompts: [prompt], maxNewTokens: 100, stop: [], batchSize: 1, threads: 1)[0]
        // 24 prompt tokens and 8 new ones fill the context, and one more is predicted from the last of them.
        #expect(free.tokens.count == 32 - 24 + 1)
        #expect(free.ending == .context)
        let stop = free.tokens[3]
        let stopped = try generate(
            model, adapter: nil, prompts: [prompt], maxNewTokens: 100, stop: [stop], batchSize: 1, threads: 1)[0]
        #expect(stopped.ending == .stopToken(stop))
        #expect(stopped.tokens == Array(free.tokens.prefix { $0 != stop }))
    }

    @Test func refusesBadPrompts() throws {
        let model = try TinyModel.make(context: 32)
        func code(_ prompts: [[Int32]], new: Int = 4, batch: Int = 1) throws -> String? {
            do {
                _ = try generate(
                    model, adapter: nil, prompts: prompts, maxNewTokens: new, stop: [], batchSize: batch, threads: 1)
                return nil
            } catch {
                return error.code
            }
        }
        #expect(try code([[1, 2]]) == nil)
        #expect(try code([]) == "engine.no-sequences")
        #expect(try code([[]]) == "engine.sequence-too-short")
        #expect(try code([[1], [101]]) == "engine.token-outside-vocabulary")
        #expect(try code([Array(repeating: 1, count: 33)]) == "engine.sequence-too-long")
        #expect(try code([[1]], new: 0) == "engine.setting")
        #expect(try code([[1]], batch: 0) == "engine.setting")
    }

    @Test func progressCancels() throws {
        let model = try TinyModel.make()
        let fault = #expect(throws: Fault.self) {
            _ = try generate(
                model, adapter: nil, prompts: Self.prompts(prefix: 3), maxNewTokens: 50, stop: [], batchSize: 2,
                threads: 1
            ) { progress throws(Fault) in
                if progress.tokens >= 5 { throw Fault(.interrupted, "test.interrupted", "stop", mend: "") }
            }
        }
        #expect(fault?.kind == .interrupted)
    }

    @Test func findsTheShortestCircleAndNothingElse() {
        let text: [Int32] = (0..<40).map { $0 * 7 % 41 }
        #expect(Repetition.period(atEndOf: text) == nil)
        for period in [1, 2, 5, 9, 24, 48] {
            let circle = (0..<Int32(period)).map { 100 + $0 }
            let needed = period + Repetition.excess(period)
            let whole = text + (0..<(needed / period)).flatMap { _ in circle }
            #expect(Repetition.period(atEndOf: whole) == period)
            #expect(Repetition.period(atEndOf: Array(whole.dropLast())) == nil)
            #expect(needed >= 24 && needed >= 3 * period)
        }
        // Eleven equal values of a lab table are not a circle.
        #expect(Repetition.period(atEndOf: text + Array(repeating: 5, count: 11)) == nil)
        #expect(Repetition.period(atEndOf: []) == nil)
    }
}
