// The wording of a report, fixed once here.

import Faults
import Testing
import Workflows

@Suite struct ReportSnapshotTests {
    @Test func wordsAReportOfSeveralFaults() throws {
        let text = """
            version: 1
            name: My Workflow
            model: {base: m, numerics: exat}
            adapter: {rnak: 8, alpha: sixty, dropout: 1.5}
            sites:
              general: {train: data/general, limit: 0}
              general: {train: data/again}
            cohorts:
              general-test: {data: ''}
            rounds: 2
            steps:
              - train: {epochs: 1, batch_size: 0}
              - upload
              - aggregate: {rule: fed-medlora-plus}
              - evaluate: {cohorts: [genral-test]}

            """
        let overrides = [try Override(parsing: "adapter.rank=99999")]
        let report = #expect(throws: FaultReport.self) {
            _ = try WorkflowReader.read(bytes: Array(text.utf8), file: "workflows/x.yaml", overrides: overrides)
        }
        #expect(report?.description == Self.expected)
    }

    private static let expected = """
        workflows/x.yaml:2:7: name "My Workflow" is not a kebab-case name [workflow.bad-name]
          | name: My Workflow
          |       ^
          mend: Use a-z and 0-9 in groups joined by single hyphens, at most 64 characters.
        workflows/x.yaml:3:28: model.numerics cannot be "exat"; did you mean "exact"? [workflow.unknown-value]
          | model: {base: m, numerics: exat}
          |                            ^
          mend: Use one of: exact, fast.
        workflows/x.yaml:4:11: adapter has no key "rnak"; did you mean "rank"? [workflow.unknown-key]
          | adapter: {rnak: 8, alpha: sixty, dropout: 1.5}
          |           ^
          mend: Use one of: rank, alpha, dropout, targets.
        workflows/x.yaml:4:27: adapter.alpha is the text "sixty", not a number [workflow.wrong-type]
          | adapter: {rnak: 8, alpha: sixty, dropout: 1.5}
          |                           ^
          mend: Write a number.
        workflows/x.yaml:4:43: adapter.dropout is 1.5; it must be from 0 up to but not including 1 [workflow.out-of-range]
          | adapter: {rnak: 8, alpha: sixty, dropout: 1.5}
          |                                           ^
          mend: Write a value from 0 up to but not including 1.
        workflows/x.yaml:6:41: sites.general.limit is 0; it must be from 1 to 1000000 [workflow.out-of-range]
          |   general: {train: data/general, limit: 0}
          |                                         ^
          mend: Write a value from 1 to 1000000.
        workflows/x.yaml:7:3: the key "general" occurs twice in one mapping, first on line 6 [workflow.duplicate-key]
          |   general: {train: data/again}
          |   ^
          mend: Remove one of the two.
        workflows/x.yaml:9:24: cohorts.general-test.data is empty [workflow.bad-text]
          |   general-test: {data: ''}
          |                        ^
          mend: Write one line of text that is not empty.
        workflows/x.yaml:12:36: steps.0.train.batch_size is 0; it must be from 1 to 1000000 [workflow.out-of-range]
          |   - train: {epochs: 1, batch_size: 0}
          |                                    ^
          mend: Write a value from 1 to 1000000.
        workflows/x.yaml:14:23: the rule fed-medlora-plus weighs uploads by their scores, but no step scores them [workflow.needs-score]
          |   - aggregate: {rule: fed-medlora-plus}
          |                       ^
          mend: Add the step score before aggregate, or use the rule fed-medlora.
        workflows/x.yaml:14:23: the rule fed-medlora-plus needs the coordinator's validation records, but there is no coordinator [workflow.needs-coordinator]
          |   - aggregate: {rule: fed-medlora-plus}
          |                       ^
          mend: Add coordinator with validation: PATH.
        workflows/x.yaml:15:26: steps.3.evaluate.cohorts names the cohort "genral-test", which is not declared; did you mean "general-test"? [workflow.unknown-name]
          |   - evaluate: {cohorts: [genral-test]}
          |                          ^
          mend: Declare it or use one of: general-test.
        --set adapter.rank=99999:1:14: adapter.rank is 99999; it must be from 1 to 2048 [workflow.out-of-range]
          | adapter.rank=99999
          |              ^
          mend: Write a value from 1 to 2048.
        """
}
