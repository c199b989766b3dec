// The sections of a report on people and intent: who approved the plan, whose keys signed, and every setting with what --set replaced.

import Federation
import RunRecords
import Workflows

extension RunReport {
    // MARK: Who approved and who signed

    var signatures: HTML {
        let signed = people.keys(of: commits).filter { $0.signer != .nobody }
        return """
            <section>
            <h2>Who approved and who signed</h2>
            \(approvals)
            \(signed.isEmpty ? "<p>No commit is signed: nothing here proves who made it.</p>" : keys(signed))
            </section>
            """
    }

    private var approvals: HTML {
        guard people.asksForApproval else {
            return "<p>The workflow asks no site to approve the plan, and none did.</p>"
        }
        var rows: [[HTML]] = []
        for (site, latest) in people.latest {
            let answers = people.answers.filter { $0.site == site }
            guard let latest else {
                rows.append(["\(site.name)", "<span class=\"bad\">has not answered</span>", "–", "–", "–"])
                continue
            }
            rows += answers.map { answer in
                let status: HTML =
                    answer.flaw != nil || !answer.approves
                    ? "<span class=\"bad\">\(answer.status)</span>" : "<span class=\"good\">\(answer.status)</span>"
                let overtaken: HTML = answer.commit.id == latest.commit.id ? "" : " (overtaken)"
                return [
                    "\(site.name)", "\(status)\(overtaken)", "\(Self.utc(answer.commit.time))",
                    "\(answer.signer.description)", "<code>\(String(answer.commit.id.hex.prefix(9)))</code>",
                ]
            }
        }
        let what =
            people.isRequired
            ? "No site trains before it has approved the plan."
            : "Approval is not required by the workflow; these sites answered."
        return """
            <p>\(what)</p>
            \(HTML.table(["site", "answer", "time (UTC)", "signed by", "commit"], rows))
            """
    }

    private func keys(_ signed: [(signer: CommitSigner, commits: Int, first: Int64, last: Int64)]) -> HTML {
        let rows = signed.map { row -> [HTML] in
            let role: HTML =
                if case .allowed = row.signer { "\(row.signer.role)" } else {
                    "<span class=\"bad\">\(row.signer.role)</span>"
                }
            return [
                role, "<code>\(row.signer.key ?? "–")</code>", "\(row.commits)", "\(Self.utc(row.first))",
                "\(Self.utc(row.last))",
            ]
        }
        return """
            <p>Keys that signed commits of this run, by the ledger’s own list of allowed signers. Whether each signature holds is checked above.</p>
            \(HTML.table(["role", "key", "commits", "first (UTC)", "last (UTC)"], numeric: [2], rows))
            """
    }

    // MARK: Every setting

    var settings: HTML {
        let replaced = plan.overrides.map { "<code>--set \($0)</code><br>" as HTML }
        let rows = plan.rows.filter {
            !$0.key.hasPrefix("inputs.") && $0.key != "overrides" && $0.key != "plan_version"
        }.map {
            row -> [HTML] in
            let isReplaced = plan.overrides.contains { text in
                let key = text.prefix { $0 != "=" }
                return row.key == key || row.key.hasPrefix("\(key).")
            }
            return ["<code>\(row.key)</code>", "\(row.value)", isReplaced ? "by --set" : ""]
        }
        return """
            <section>
            <h2>Every setting</h2>
            <p>As the plan holds them, with every default filled in.</p>
            \(replaced.isEmpty ? "<p>Nothing was replaced on the command line.</p>" : "<p>Replaced on the command line:</p><p>\(replaced)</p>")
            \(HTML.table(["setting", "value", "replaced"], rows))
            </section>
            """
    }
}
