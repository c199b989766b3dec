// Offsets decide and surfaces are witnesses: what counts as another way to write a text, and which wrong way of counting offsets is named.

import Extraction
import Faults
import Federation
import Testing

@Suite struct SurfaceTests {
    private func survey(_ text: String, _ annotation: String) throws -> CorpusReader.Survey {
        try withFolder(["n.txt": Array(text.utf8), "n.ann": Array(annotation.utf8)]) { CorpusReader.survey(path: $0) }
    }

    @Test(arguments: [
        ("chest\npain", "chest pain", 0), ("chest pain", "chest\u{2010}pain", 1), ("chest pain", "Chest Pain", 1),
        ("caf\u{e9}", "cafe\u{301}", 1), ("TNF\u{3b1}", "TNF-alpha", 1), ("\u{b5}g", "ug", 1),
        ("IL\u{2011}6", "IL-6", 1),
        ("chest pain", "chest pair", 1), ("chest pain", "pain", 1), ("pain", "chest pain", 1), ("coughs", "cough", 1),
        ("ﬁbrosis", "fibrosis", 1), ("p &lt; 1", "p < 1", 1), ("\u{2265}", ">=", 1), ("痛み止め", "痛み", 1),
    ])
    func otherWaysToWriteAreReadAndCounted(text: String, surface: String, differing: Int) throws {
        let length = text.unicodeScalars.count
        let found = try survey(text, "T1\tproblem 0 \(length)\t\(surface)\n")
        #expect(found.corpus.documents.first?.entities.map(\.spans) == [[0..<length]])
        #expect(found.corpus.tally.differingSurfaces == differing)
        #expect(found.report == nil)
    }

    @Test(arguments: [
        ("chest pain today", 0, 10, "fever"), ("a cough", 2, 7, "ash"), ("chest pain today", 0, 10, "today"),
    ])
    func textsThatShareNothingRefuseTheDocument(text: String, start: Int, end: Int, surface: String) throws {
        let found = try survey(text, "T1\tproblem \(start) \(end)\t\(surface)\n")
        #expect(found.corpus.documents.isEmpty)
        #expect(found.corpus.skipped.map(\.fault.code) == ["data.surface"])
    }

    @Test func fragmentsMayBeJoinedByAnything() throws {
        for surface in ["arm pain", "arm ... pain", "arm [...] pain", "arm|pain", "arm\u{2026}pain"] {
            for offsets in ["0 3;12 16", "12 16;0 3"] {
                let found = try survey("arm and leg pain today.", "T1\tproblem \(offsets)\t\(surface)\n")
                #expect(found.corpus.documents.first?.entities.map(\.spans) == [[0..<3, 12..<16]], "\(surface)")
            }
        }
    }

    @Test func blanksAtTheEndsOfSpansAreTrimmedAndCounted() throws {
        let found = try survey(
            "Cough \n today in  left arm",
            "T1\tproblem 0 8\tCough \nT2\tbodyloc 16 27;14 16\t left arm\nT3\tdrug 8 13\ttoday")
        // T2 ends beyond the text.
        #expect(found.corpus.skipped.map(\.fault.code) == ["data.offset"])
        let whole = try survey(
            "Cough \n today in  left arm",
            "T1\tproblem 0 8\tCough \nT2\tbodyloc 16 18;18 26\t left arm\nT3\tdrug 8 13\ttoday")
        #expect(whole.corpus.documents.first?.entities.map(\.spans) == [[0..<5], [18..<26], [8..<13]])
        #expect(whole.corpus.tally.trimmed == 2)
        #expect(try survey("a  b", "T1\tproblem 1 3\t  \n").corpus.skipped.map(\.fault.code) == ["data.offset"])
    }

    // MARK: Which counting is wrong

    private let body = "\u{1f600} He has cough.\r\nThe fe\u{301}ver \u{e9}bbed.\r\nNo rash at all.\r\n"
    private let words = ["cough", "fe\u{301}ver", "rash"]

    /// One T line for each word, its offsets counted by `width` of a code point and the one after it.
    private func annotation(
        _ text: String, start shift: Int = 0, end: Int = 0, by width: (Unicode.Scalar, Unicode.Scalar?) -> Int
    ) -> String {
        let all = scalars(text)
        func offset(_ place: Int) -> Int {
            (0..<place).reduce(0) { $0 + width(all[$1], $1 + 1 < all.count ? all[$1 + 1] : nil) }
        }
        return words.enumerated().map { number, word in
            let word = scalars(word)
            let place = all.indices.first { all[$0...].starts(with: word) } ?? 0
            return
                "T\(number + 1)\tproblem \(offset(place) + shift) \(offset(place + word.count) + end)\t\(string(word))\n"
        }.joined()
    }

    private func refusal(_ text: String, _ annotation: String) throws -> Fault? {
        let found = try survey(text, annotation)
        #expect(found.corpus.documents.isEmpty)
        #expect(found.report?.faults.map(\.code) == ["data.surface", "data.no-documents"])
        return found.report?.faults.first
    }

    @Test func theWrongCountingIsNamed() throws {
        #expect(try survey(body, annotation(body) { _, _ in 1 }).report == nil)
        let utf16 = try refusal(body, annotation(body) { one, _ in one.value > 0xffff ? 2 : 1 })
        #expect(utf16?.what.contains("3 of 3 are, if offsets count UTF-16 units") == true)
        #expect(utf16?.mend.contains("U+FFFF") == true)
        let utf8 = try refusal(body, annotation(body) { one, _ in String(Character(one)).utf8.count })
        #expect(utf8?.what.contains("count UTF-8 bytes") == true)
        let lines = try refusal(body, annotation(body) { one, next in one == "\r" && next == "\n" ? 0 : 1 })
        #expect(lines?.what.contains("count CR LF as one") == true)
        #expect(lines?.what.hasPrefix("2 of 3 surface texts") == true)
        #expect(lines?.mend.contains("line ends to LF") == true)
        let both = try refusal(
            body, annotation(body) { one, next in one == "\r" && next == "\n" ? 0 : one.value > 0xffff ? 2 : 1 })
        #expect(both?.what.contains("count UTF-16 units and count CR LF as one") == true)
        let accents = try refusal(body, annotation(body) { one, _ in one == "\u{301}" ? 0 : 1 })
        #expect(accents?.what.contains("accents as one") == true)
        let plain = body.replacing("\r\n", with: "\n")
        let converted = try refusal(plain, annotation(plain) { one, _ in one == "\n" ? 2 : 1 })
        #expect(converted?.mend.contains("line ends to CR LF") == true)
        let marked = "\u{feff}" + plain
        let mark = try refusal(marked, annotation(marked) { one, _ in one == "\u{feff}" ? 0 : 1 })
        #expect(mark?.mend == "Take the byte order mark out of the text file.")
        // Without the emoji, which UTF-16 counts as two: otherwise that way of counting would explain as many surfaces.
        let short = String(plain.unicodeScalars.dropFirst(2))
        let fromOne = try refusal(short, annotation(short, start: 1, end: 1) { _, _ in 1 })
        #expect(fromOne?.mend.contains("Subtract one from every offset") == true)
        let inclusive = try refusal(plain, annotation(plain, end: -1) { _, _ in 1 })
        #expect(inclusive?.mend.contains("ends are exclusive") == true)
        let headless = try refusal(plain, annotation(plain, start: 9, end: 9) { _, _ in 1 })
        #expect(headless?.what.contains("9 too large throughout") == true)
    }

    /// One wrong annotation among right ones gets its own fault, which says where its text is.
    @Test func aSingleSlipIsNoOtherCounting() throws {
        let text = "pain here, rash there, fever now"
        let found = try survey(text, "T1\tproblem 0 4\tpain\nT2\tproblem 16 20\trash\nT3\tproblem 23 28\tfever\n")
        #expect(found.report?.faults.first?.what.contains("it is 5 code points back") == true)
        #expect(found.report?.faults.first?.place?.document == "n T2")
    }

    /// 2 MB of wrong surfaces: time grows with the bytes, not with bytes times faults.
    @Test func faultsCostLinearTime() throws {
        let text = String(repeating: "pain in the arm and no more\n", count: 36_000)
        let lines = (1...40_000).map { "T\($0)\tproblem \($0 * 25) \($0 * 25 + 4)\tzzzz\n" }.joined()
        let clock = ContinuousClock()
        let time = try clock.measure {
            let found = try survey(text, lines)
            #expect(found.corpus.tally.faults["data.surface"] == 40_000)
            #expect(found.report?.faults.count == 22)
        }
        #if DEBUG
            let limit = Duration.seconds(60)
        #else
            let limit = Duration.seconds(10)
        #endif
        #expect(time < limit)
    }
}
