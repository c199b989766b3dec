// Every reader of files from strangers: the kept inputs, and mutations of them by a grammar. Each gives a value or a Fault, never a trap.
// This is a short run; scripts/fuzz.sh sets MEDROUNDS_FUZZ to run more inputs for each reader.

import Foundation
import FuzzReaders
import Testing

@Suite struct FuzzTests {
    /// How many inputs each reader gets.
    static let count = ProcessInfo.processInfo.environment["MEDROUNDS_FUZZ"].flatMap { Int($0) } ?? 2_000
    /// Where the mutations start, so that one run can continue another.
    static let seed = ProcessInfo.processInfo.environment["MEDROUNDS_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1
    /// The readers that are tested: all, or the one of MEDROUNDS_READER.
    static let readers: [String] = {
        let wanted = ProcessInfo.processInfo.environment["MEDROUNDS_READER"]
        return Reader.all.map(\.name).filter { wanted == nil || wanted == $0 }
    }()

    /// The longest input that mutations produce.
    private static let limit = 8_192
    private static let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fuzzing/Corpus")

    private func reader(_ name: String) throws -> Reader { try #require(Reader.all.first { $0.name == name }) }

    private func inputs(_ reader: String, _ outcome: String) throws -> [(name: String, bytes: [UInt8])] {
        let folder = Self.corpus.appendingPathComponent("\(reader)/\(outcome)")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        return try names.map { ($0, Array(try Data(contentsOf: folder.appendingPathComponent($0)))) }
    }

    /// If every unchanged input were refused, the code after the refusal would never run, so every reader has inputs that it accepts.
    @Test(arguments: readers) func keptInputsEndAsTheyShould(name: String) throws {
        let reader = try reader(name)
        let accepted = try inputs(name, "accepted")
        #expect(!accepted.isEmpty)
        for input in accepted { #expect(try reader.accepts(input.bytes), "\(name)/accepted/\(input.name)") }
        for input in (try? inputs(name, "refused")) ?? [] {
            #expect(try !reader.accepts(input.bytes), "\(name)/refused/\(input.name)")
        }
    }

    /// Every beginning of a file that is accepted, and every file with one more byte.
    @Test(arguments: readers) func cutAndLengthenedInputsEndInAValueOrAFault(name: String) throws {
        let reader = try reader(name)
        for input in try inputs(name, "accepted") {
            for end in stride(from: 0, to: input.bytes.count, by: max(1, input.bytes.count / 400)) {
                _ = try reader.accepts(Array(input.bytes[..<end]))
            }
            for byte: UInt8 in [0, 0x20, 0x5d, 0x7d, 0xff] { _ = try reader.accepts(input.bytes + [byte]) }
        }
    }

    /// A long run also checks the time for each input and the memory of the process, which may ask for only a few more megabytes.
    @Test(arguments: readers) func mutatedInputsEndInAValueOrAFault(name: String) throws {
        let reader = try reader(name)
        // Refused inputs are at the limits already, so that changes of them would mostly be refused again, after much work.
        let seeds = try inputs(name, "accepted").map(\.bytes)
        var generator = SeededGenerator(state: Self.seed &* 0x9e37_79b9)
        let isLong = Self.count > 10_000
        let before = isLong ? try Memory.limit(more: 256 << 20) : 0
        let clock = ContinuousClock()
        let start = clock.now
        var slowest = Duration.zero
        var refused = 0
        for index in 0..<Self.count {
            var input = seeds[Int.random(in: 0..<seeds.count, using: &generator)]
            for _ in 0...Int.random(in: 0..<4, using: &generator) {
                reader.grammar.mutate(&input, limit: Self.limit, &generator)
            }
            let begun = isLong ? clock.now : start
            do {
                if try !reader.accepts(input) { refused += 1 }
            } catch {
                Issue.record("\(name), input \(index) of seed \(Self.seed): \(error)")
            }
            if isLong { slowest = max(slowest, clock.now - begun) }
        }
        guard isLong else { return }
        let grown = try Memory.peak() - before
        let seconds = (clock.now - start) / .seconds(1)
        print(
            "\(name): \(Self.count) inputs, seed \(Self.seed): \(refused) refused, "
                + "\(Int(Double(Self.count) / seconds)) a second, slowest \(slowest), peak memory +\(grown) kB")
        #expect(slowest < .seconds(10))
        #expect(grown < 128 << 10)
    }
}

/// The memory of this process, in kB.
private enum Memory {
    private static func status(_ key: String) throws -> Int {
        let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: "/proc/self/status")), as: UTF8.self)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(key) })
        return try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) })
    }

    static func peak() throws -> Int { try status("VmHWM") }

    /// Lets the process ask for that many bytes more than it has; a larger request ends it. Returns the resident memory now, from which the
    /// peak is counted again.
    static func limit(more bytes: Int) throws -> Int {
        var limit = rlimit()
        try #require(getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
        limit.rlim_cur = rlim_t(try status("VmSize") << 10 + bytes)
        try #require(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
        try Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
        return try status("VmRSS")
    }
}
