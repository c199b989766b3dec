// Figures of any size, as records of strangers claim them, are written and end nothing.

import Federation
import Testing

@Suite struct FiguresTests {
    @Test func anyTimeIsWritten() {
        #expect(Figures.seconds(185) == "3 min 05 s")
        #expect(Figures.seconds(3_660) == "1 h 01 min")
        #expect(Figures.seconds(-4) == "0 s")
        for time in [1e12, 1e300, .infinity, .nan, -.infinity] {
            #expect(Figures.seconds(time).hasSuffix(" s"), "\(time)")
        }
    }
}
