// The second half of a report: the checklist with its evidence, the environment, every commit, and the glossary.

import Digests
import Federation
import Foundation
import GitLedger
import RunRecords
import Workflows

extension RunReport {
    var checks: HTML {
        let items = verification.checks.map { check -> HTML in
            let mark: HTML =
                switch check.status {
                case .holds: "<span class=\"good\">✓ holds</span>"
                case .unproven: "<span>– unproven</span>"
                case .fails: "<span class=\"bad\">✗ FAILS</span>"
                }
            let faults = check.faults.map { fault -> HTML in
                "<div class=\"fault\"><code>\(fault.description)</code></div>"
            }
            return
                "<li>\(mark)<span>\(check.claim)</span><div class=\"evidence\">\(check.evidence)</div>\(faults)</li>"
        }
        return """
            <section>
            <h2>What was checked</h2>
            <p>Made from the ledger alone when this report was written, at commit <code>\(String(summary.tip.prefix(12)))</code>. Anyone with the ledger makes the same checks with <code>medrounds verify \(summary.run.name)</code>.</p>
            <ul class="checks">\(items)</ul>
            </section>
            """
    }

    var environment: HTML {
        let inputs = plan.inputs
        let declaration = plan.declaration
        var items: [(String, HTML)] = [
            (
                "engine",
                "medrounds \(inputs.engineVersion), numerics <code>\(declaration.model.numerics.rawValue)</code>"
            ),
            (
                "base model",
                "\(inputs.model.name), \(inputs.model.parameters) parameters<br><code>\(inputs.model.digest.hex)</code>"
            ),
            (
                "adapter",
                "rank \(declaration.adapter.rank), alpha \(WeightExplanation.figure(declaration.adapter.alpha)), \(declaration.adapter.targets.map(\.rawValue).joined(separator: " "))"
            ),
            ("seed", "\(String(declaration.seed))"),
            ("plan", "<code>\(Digest.sha256(plan.json.canonical).hex)</code>"),
            ("workflow", "<code>\(inputs.workflowDigest.hex)</code>"),
            ("template", "<code>\(inputs.templateDigest.hex)</code>"),
            ("tokenizer", "<code>\(inputs.tokenizerDigest.hex)</code>"),
        ]
        let timings = records.filter { $0.key.hasSuffix("/timing.json") }.map(\.value)
        let processors = Set(timings.compactMap { $0["processor"]?.text }).sorted()
        let threads = Set(timings.compactMap { $0["threads"]?.int }).sorted().map(String.init)
        let seconds = timings.reduce(0.0) { $0 + ($1["seconds"]?.double ?? 0) }
        let peak = timings.compactMap { $0["peak_memory_bytes"]?.int }.max() ?? 0
        if !timings.isEmpty {
            items.append(("processor", "\(processors.joined(separator: ", "))"))
            items.append(("threads", "\(threads.joined(separator: ", ")) (results do not depend on it)"))
            items.append(("time", "\(Figures.seconds(seconds)) in all steps, at most \(Figures.bytes(peak)) of memory"))
        }
        let list = items.map { name, value -> HTML in "<dt>\(name)</dt><dd>\(value)</dd>" }
        let rows = inputs.datasets.map { set -> [HTML] in
            let labels = set.labels.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            return [
                "\(set.owner)", "\(set.role.rawValue)", "\(set.path)", "\(set.documents)", "\(set.records)",
                "<code>\(String(set.commitment.hex.prefix(12)))</code>", "\(labels)",
            ]
        }
        return """
            <section>
            <h2>Environment</h2>
            <dl>\(list)</dl>
            <h3>Notes, as counts and commitments</h3>
            \(HTML.table(["owner", "use", "path", "documents", "records", "commitment", "labels"], numeric: [3, 4], rows))
            </section>
            """
    }

    var history: HTML {
        let isSigned = commits.contains { $0.signature != nil }
        let rows = commits.map { commit -> [HTML] in
            var cells: [HTML] = [
                "<code>\(String(commit.id.hex.prefix(9)))</code>",
                "<span class=\"soft\">\(Self.utc(commit.time))</span>",
                "\(commit.subject)",
            ]
            if isSigned { cells.append("\(people.signer(of: commit.id).role)") }
            return cells
        }
        return """
            <section>
            <h2>Every commit</h2>
            \(HTML.table(["commit", "time (UTC)", "what"] + (isSigned ? ["signed by"] : []), rows))
            </section>
            """
    }

    var glossary: HTML {
        let words: [(String, String)] = [
            (
                "adapter",
                "The low-rank matrices that one training adds to the frozen base model. A site sends nothing else."
            ),
            (
                "aggregate",
                "The step in which the coordinator averages the adapters: A and B apart, each with its weight."
            ),
            ("cohort", "A named test set."),
            ("commitment", "A keyed digest of notes: anyone with key and notes can check what was used."),
            ("coordinator", "Scores, averages and publishes. It sees adapters, never notes."),
            ("exact", "Numerics that give the same bits on any processor and with any number of threads."),
            ("ledger", "The git repository that holds every step of every run as a commit."),
            (
                "loss",
                "Mean cross-entropy in nats a token: how surprised the model is by what it should write. Lower is better."
            ),
            ("plan", "The workflow with every default, digest and count filled in; fixed before the first step."),
            ("record", "A sentence with a question about it and the right answer."),
            ("replay", "Compute again and compare bit for bit."),
            (
                "strict, lenient F1",
                "The harmonic mean of precision and recall; strict asks for the same span and type, lenient for an overlap and the type."
            ),
            ("verify", "Check a run from the ledger alone, without training again."),
            ("weight", "A site’s share in the global adapter; the weights of a round sum to one."),
        ]
        let list = words.map { word, meaning -> HTML in "<dt>\(word)</dt><dd>\(meaning)</dd>" }
        return "<section><h2>Glossary</h2><dl>\(list)</dl></section>"
    }

    var foot: HTML {
        """
        <footer class="soft">
        <p>Made by medrounds \(EngineVersion.text) from the ledger alone; the same ledger gives the same file. No text of a note is in it. It loads nothing and runs no script.</p>
        </footer>
        """
    }

    /// Seconds since 1970 as `2026-11-24 12:00:00`.
    static func utc(_ seconds: Int64) -> String {
        let text = ISO8601DateFormatter().string(from: Date(timeIntervalSince1970: TimeInterval(seconds)))
        return text.replacingOccurrences(of: "T", with: " ").replacingOccurrences(of: "Z", with: "")
    }
}
