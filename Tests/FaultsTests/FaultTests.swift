// How faults are printed, fixed once here, and their exit codes.

import Faults
import Testing

@Suite struct FaultTests {
    @Test func readsAsPlaceFactCaretMend() {
        let fault = Fault(
            .workflow, "workflow.out-of-range", "rank 5000 exceeds 2048",
            at: Place(file: "x.yaml", line: 3, column: 9, excerpt: "  rank: 5000"), mend: "Write a rank from 1 to 2048."
        )
        #expect(
            fault.description == """
                x.yaml:3:9: rank 5000 exceeds 2048 [workflow.out-of-range]
                  |   rank: 5000
                  |         ^
                  mend: Write a rank from 1 to 2048.
                """)
        #expect(FaultReport([fault, fault]).description == fault.description + "\n" + fault.description)
    }

    @Test func placesNameWhatIsKnown() {
        #expect(Place(commit: "abc", document: "note-1 T4").description == "commit abc, document note-1 T4")
        #expect(Place(file: "a", tensor: "t").description == "a, tensor t")
        #expect(Fault(.failed, "x.y", "it broke", at: Place(), mend: "").description == "it broke [x.y]")
    }

    @Test func exitCodesAreTheTable() {
        let codes = Fault.Kind.allCases.map { Fault($0, "c", "w", mend: "").exitCode }
        #expect(codes == [1, 2, 3, 4, 4, 4, 5, 130, 70])
    }
}
