// Cohorts at sites: how workflow and site.yaml say where the notes are, what a plan shows of them, and each contradiction at its place.

import Faults
import Federation
import Foundation
import Testing

import Workflows

@Suite struct CohortPlaceTests {
    private static let text = """
        version: 1
        name: places
        model: {base: m}
        sites:
          near: {train: data/near}
          far: {remote: true}
        cohorts:
          own: {data: data/own}
          near-test: {site: near, data: data/near-test, tasks: {ner: [problem]}, limit: 9}
          far-test: {site: far, heads: predicted}
        rounds: 1
        steps:
          - train
          - upload
          - aggregate: {rule: fed-medlora}
          - evaluate: {cohorts: [own, near-test, far-test]}

        """

    private static func changed(_ old: String, _ new: String) throws -> String {
        try #require(text.contains(old))
        return text.replacing(old, with: new)
    }

    @Test func readsWhereTheNotesAre() throws {
        let declared = try Samples.read(Self.text)
        let (near, far) = (try #require(SiteID("near")), try #require(SiteID("far")))
        #expect(declared.cohorts.map(\.id.name) == ["far-test", "near-test", "own"])
        #expect(declared.cohorts.map(\.site) == [far, near, nil])
        #expect(declared.cohorts.map(\.isRemote) == [true, false, false])
        #expect(declared.cohorts[0].heads == .predicted && declared.cohorts[1].data.limit == 9)
        #expect(declared.cohorts(at: near).map(\.id.name) == ["near-test"])
        // What is written is read again as it was.
        #expect(declared.json["cohorts"]?["far-test"] == ["site": "far", "heads": "predicted"])
        #expect(declared.json["cohorts"]?["near-test"]?["site"] == "near")
        #expect(declared.json["cohorts"]?["own"]?["site"] == nil)
    }

    @Test(
        arguments: [
            ("site: near", "site: nowhere", "unknown-name 9:15"),
            ("far-test: {site: far,", "far-test: {site: far, data: x,", "misplaced-key 10:25"),
            ("site: near, data: data/near-test, tasks: {ner: [problem]}, limit: 9", "site: near", "missing-key 9:14"),
            ("far-test: {site: far,", "far-test: {site: far, limit: 3,", "misplaced-key 10:25"),
            ("far-test: {site: far,", "far-test: {site: far, color: 3,", "unknown-key 10:25"),
            ("site: near", "site: Near_", "bad-name 9:21"),
            ("rounds: 1", "participants: [far]\nrounds: 1", "misplaced-key 9:15"),
        ] as [(String, String, String)])
    func refusesWhatContradictsItself(old: String, new: String, expected: String) throws {
        #expect(try Samples.faults(Self.changed(old, new)) == [expected])
    }

    /// Without rounds no site is called.
    @Test func refusesACohortAtASiteWithoutRounds() {
        let text = """
            version: 1
            name: bare
            model: {base: m}
            sites: {near: {train: a}}
            cohorts: {c: {site: near, data: d}}
            rounds: 0
            steps: [evaluate: {cohorts: [c]}]

            """
        #expect(Samples.faults(text) == ["misplaced-key 5:15"])
    }

    /// A run that begins without a site begins without its cohorts.
    @Test func aSiteThatIsLeftOutTakesItsCohortsAlong() throws {
        let declared = try Samples.read(Self.text)
        let without = declared.without([try #require(SiteID("near"))])
        #expect(without.cohorts.map(\.id.name) == ["far-test", "own"])
        #expect(without.evaluatedCohorts.map(\.name).sorted() == ["far-test", "own"])
        let only = try Samples.read(Self.changed("[own, near-test, far-test]", "[near-test]"))
        #expect(only.without([try #require(SiteID("near"))]).steps.count == 3)
    }

    @Test func aSiteFileNamesItsCohorts() throws {
        let text = """
            version: 1
            site: far
            mailbox: mail
            model: m
            train: notes
            cohorts:
              far-test: {data: held-back, tasks: {ner: [problem]}, limit: 4}

            """
        let file = try SiteFile.read(bytes: Array(text.utf8), file: "site.yaml")
        let cohort = try #require(CohortID("far-test"))
        let source = try #require(file.cohorts[cohort])
        #expect(source.path == "held-back" && source.limit == 4 && source.tasks.ner == TypeSelection.some(["problem"]))
        for (old, new, code) in [
            ("data: held-back, ", "", "workflow.missing-key"), ("far-test:", "Far_Test:", "workflow.bad-name"),
            ("limit: 4", "limit: 0", "workflow.out-of-range"), ("limit: 4", "site: x", "workflow.unknown-key"),
        ] {
            let report = #expect(throws: FaultReport.self) {
                _ = try SiteFile.read(bytes: Array(text.replacing(old, with: new).utf8), file: "site.yaml")
            }
            #expect(report?.faults.map(\.code) == [code], "\(new)")
            #expect(report?.faults.first?.place?.line == 7)
        }
    }
}
