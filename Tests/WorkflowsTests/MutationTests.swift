// A seeded mutator over a correct workflow: for every result, the reader returns a declaration or faults with places.

import Faults
import Federation
import Testing
import Workflows

@Suite struct MutationTests {
    /// SplitMix64.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }

    private static let pieces = [
        "{", "}", "[", "]", ":", ": ", "- ", "\n", "\t", "&a ", "*a", "'", "\"", "#", "|\n", "> ", "---\n", "...\n",
        "? ",
        "!!str ", "%", "\u{feff}", "\u{2028}", "é", "null", "~", "1e999", "-1", "0x10", "\\x", ",", "<<: *a", "\r",
        "\0", "all",
    ].map { Array($0.utf8) }

    private static func mutate(_ bytes: [UInt8], _ generator: inout Generator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let start = Int.random(in: 0...bytes.count, using: &generator)
            let end = min(bytes.count, start + Int.random(in: 0...12, using: &generator))
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: bytes.removeSubrange(start..<end)
            case 1: bytes.insert(contentsOf: pieces.randomElement(using: &generator) ?? [], at: start)
            case 2: bytes.replaceSubrange(start..<end, with: pieces.randomElement(using: &generator) ?? [])
            case 3: bytes.insert(contentsOf: bytes[start..<end], at: Int.random(in: 0...bytes.count, using: &generator))
            case 4: if start < bytes.count { bytes[start] = UInt8.random(in: 0...255, using: &generator) }
            default: bytes.removeSubrange(start...)
            }
            if bytes.isEmpty { bytes = [0x61] }
        }
        return bytes
    }

    @Test func neverCrashesAndAlwaysPlacesItsFaults() {
        var generator = Generator(state: 20_260_122)
        var sound = 0
        var faulty = 0
        for _ in 0..<5_000 {
            let bytes = Self.mutate(Array(Samples.example.utf8), &generator)
            do {
                let declared = try Samples.read(bytes, set: ["steps.train.epochs=1"])
                #expect((1...2048).contains(declared.adapter.rank))
                sound += 1
            } catch {
                faulty += 1
                for fault in error.faults {
                    #expect(fault.kind == .workflow)
                    #expect(fault.place?.file != nil)
                    #expect(fault.place?.line != nil)
                    #expect(!fault.what.isEmpty && !fault.description.isEmpty)
                }
            }
        }
        // The mutations neither leave everything valid nor break everything.
        #expect(sound > 100)
        #expect(faulty > 1_000)
    }

    @Test func mutatedOverridesNeverCrash() {
        var generator = Generator(state: 2)
        for _ in 0..<2_000 {
            let bytes = Self.mutate(Array("sites.general.tasks={ner: [drug, problem], re: all}".utf8), &generator)
            _ = Samples.faults(Array(Samples.example.utf8), set: [String(decoding: bytes, as: UTF8.self)])
        }
    }
}
