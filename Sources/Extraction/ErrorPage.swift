// ErrorPage: what a model missed, invented or got half right, sentence by sentence, as one HTML page that needs no other file.

import Faults
import Federation

/// Writes an HTML page of errors. It holds text of the notes: keep it beside them, never in a ledger.
public enum ErrorPage {
    /// The page: counts by type first, then every sentence with an error, by document. Sentences without one are counted only.
    ///
    /// `note` says in one sentence what was scored, for example the run, its round and the cohort.
    public static func html(_ records: [MentionErrors], title: String, note: String) -> String {
        var page = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <title>\(title.escapedForMarkup)</title>
            <style>
            \(style)
            </style>
            </head>
            <body>
            <header>
            <h1>\(title.escapedForMarkup)</h1>
            <p>\(note.escapedForMarkup)</p>
            <p>This page holds text of the notes: keep it where they are kept.</p>
            \(counts(records))
            <ul class="legend">
            <li><mark class="missed">missed</mark> annotated, not found</li>
            <li><mark class="invented">false</mark> found, not annotated</li>
            <li><mark class="boundaries">half right</mark> other boundaries or another type</li>
            <li><mark class="right">right</mark></li>
            </ul>
            </header>
            <main>

            """
        let wrong = records.filter { record in record.findings.contains { $0.kind != .right } }
        if wrong.isEmpty { page += "<p class=\"none\">No error was found in \(records.count) answers.</p>\n" }
        var open: String?
        for record in wrong {
            if record.document != open {
                page +=
                    (open == nil ? "" : "</section>\n")
                    + "<section>\n<h2>\(record.document.escapedForMarkup)</h2>\n"
                open = record.document
            }
            page += article(record)
        }
        return page + (open == nil ? "" : "</section>\n") + "</main>\n</body>\n</html>\n"
    }

    /// The name of each kind of finding on the page.
    private static func name(_ kind: MentionErrors.Kind) -> String {
        switch kind {
        case .right: "right"
        case .boundaries: "half right: boundaries"
        case .type: "half right: type"
        case .missed: "missed"
        case .invented: "false"
        }
    }

    /// Counts by type; the annotated type where there is one.
    private static func counts(_ records: [MentionErrors]) -> String {
        var rows: [String: [MentionErrors.Kind: Int]] = [:]
        for finding in records.lazy.flatMap(\.findings) {
            let type = finding.gold?.type ?? finding.predicted?.type ?? ""
            // A class that the model invented is not a type; its name may be anything.
            rows[AnnotationType.all.contains(type) ? type : "other", default: [:]][finding.kind, default: 0] += 1
        }
        let kinds = MentionErrors.Kind.allCases
        let head = kinds.map { "<th>\(name($0))</th>" }.joined()
        let types = (AnnotationType.all + ["other"]).filter { rows[$0] != nil }
        let body = types.map { type in
            let cells = kinds.map { "<td>\(rows[type]?[$0] ?? 0)</td>" }.joined()
            return "<tr><th>\(type)</th>\(cells)</tr>"
        }
        let sums = kinds.map { kind in "<td>\(rows.values.reduce(0) { $0 + ($1[kind] ?? 0) })</td>" }.joined()
        return """
            <div class="scroll"><table>
            <thead><tr><th>type</th>\(head)</tr></thead>
            <tbody>
            \(body.joined(separator: "\n"))
            <tr class="sum"><th>all</th>\(sums)</tr>
            </tbody>
            </table></div>
            """
    }

    private static func article(_ record: MentionErrors) -> String {
        let items = record.findings.filter { $0.kind != .right }.map { "<li>\(line($0, record))</li>" }
        let head =
            record.head.map { "<p class=\"head\">modifiers of \(quoted($0.hull, record)) (\(known($0.type)))</p>\n" }
            ?? ""
        return """
            <article>
            \(head)<p class="text">\(marked(record))</p>
            <ul>
            \(items.joined(separator: "\n"))
            </ul>
            </article>

            """
    }

    private static func line(_ finding: MentionErrors.Finding, _ record: MentionErrors) -> String {
        let label = "<b class=\"\(finding.kind.rawValue)\">\(name(finding.kind))</b> "
        let gold = finding.gold.map {
            "\(known($0.type)) \($0.spans.map { quoted($0, record) }.joined(separator: " + "))"
        }
        let found = finding.predicted.map { prediction in
            "\(known(prediction.type)) \(prediction.range.map { quoted($0, record) } ?? "with words that the sentence does not have")"
        }
        switch (gold, found) {
        case (let gold?, let found?): return label + "annotated \(gold), found \(found)"
        case (let gold?, nil): return label + gold
        case (nil, let found?): return label + found
        case (nil, nil): return label
        }
    }

    private static func known(_ type: String) -> String {
        AnnotationType.all.contains(type) ? type : "another class"
    }

    /// Text of the sentence on one line.
    private static func quoted(_ range: Range<Int>, _ record: MentionErrors) -> String {
        let start = record.range.lowerBound
        let inner =
            max(
                range.lowerBound - start, 0)..<max(
                max(range.lowerBound - start, 0), min(range.upperBound - start, record.text.count))
        let text = record.text[inner.clamped(to: 0..<record.text.count)].map { $0.isSpace ? " " : $0 }
        return "<q>\(String(scalars: text).escapedForMarkup)</q>"
    }

    /// The sentence with its mentions marked; where two cross, only the longer one is marked.
    private static func marked(_ record: MentionErrors) -> String {
        var kinds: [MarkedSpan: MentionErrors.Kind] = [:]
        var spans: [MarkedSpan] = []
        let start = record.range.lowerBound
        func add(_ range: Range<Int>, _ kind: MentionErrors.Kind, _ source: String) {
            let inner = (range.lowerBound - start..<range.upperBound - start).clamped(to: 0..<record.text.count)
            guard !inner.isEmpty else { return }
            let span = MarkedSpan(type: source, range: inner)
            if kinds[span] == nil { spans.append(span) }
            kinds[span] = kind
        }
        for finding in record.findings {
            for span in finding.gold?.spans ?? [] { add(span, finding.kind, "gold") }
            if finding.kind != .right, let range = finding.predicted?.range { add(range, finding.kind, "found") }
        }
        return MarkedText.html(record.text[...], spans) { span in
            let kind = kinds[span] ?? .right
            let source = span.type == "gold" ? "annotated" : "found"
            return "<mark class=\"\(kind.rawValue) \(span.type)\" title=\"\(source): \(name(kind))\">"
        }
    }

    private static let style = """
        :root { color-scheme: light dark; --ink: #1c2430; --soft: #526071; --page: #f4f6f8; --card: #fff; --rule: #dbe1e8;
          --missed: #b3261e; --invented: #7a3fb0; --half: #8a5a00; --right: #2e7d46;
          --missed-fill: #fde4e1; --invented-fill: #f0e4fa; --half-fill: #fbeed5; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #a3afbd; --page: #14181e; --card: #1d232b; --rule: #333d49;
          --missed: #ff8a80; --invented: #cfa3ff; --half: #f0b95a; --right: #7fd49a;
          --missed-fill: #4a2320; --invented-fill: #37254a; --half-fill: #443415; } }
        * { box-sizing: border-box; }
        body { margin: 0; font: 15px/1.6 system-ui, sans-serif; color: var(--ink); background: var(--page); }
        header, main { max-width: 980px; margin: 0 auto; padding: 0 32px; }
        header { padding-top: 28px; }
        h1 { font-size: 22px; margin: 0 0 4px; overflow-wrap: anywhere; }
        header p { margin: 0 0 8px; color: var(--soft); }
        .scroll { overflow-x: auto; margin: 12px 0; }
        table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
        th, td { padding: 4px 16px 4px 0; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
        th:first-child { text-align: left; }
        thead th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom; }
        tbody th { font-weight: 400; }
        .sum th, .sum td { font-weight: 600; }
        .legend { list-style: none; margin: 12px 0; padding: 0; display: flex; flex-wrap: wrap; gap: 6px 20px; color: var(--soft); font-size: 14px; }
        section { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; margin: 20px 0; padding: 16px 24px; }
        h2 { font-size: 16px; margin: 0 0 8px; overflow-wrap: anywhere; }
        article { border-top: 1px solid var(--rule); padding: 12px 0; }
        h2 + article { border-top: 0; }
        article ul { list-style: none; margin: 6px 0 0; padding: 0; font-size: 14px; }
        .text { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; line-height: 2; }
        .head { margin: 0; color: var(--soft); font-size: 14px; }
        li { overflow-wrap: anywhere; }
        mark { color: inherit; background: none; border-bottom: 2px solid var(--right); border-radius: 3px; padding: 1px 2px; }
        mark.missed { background: var(--missed-fill); border-bottom: 2px dashed var(--missed); }
        mark.invented { background: var(--invented-fill); border-bottom: 2px dotted var(--invented); }
        mark.boundaries, mark.type { background: var(--half-fill); border-bottom-color: var(--half); }
        mark.found { border-bottom-style: dotted; }
        b.missed { color: var(--missed); } b.invented { color: var(--invented); } b.boundaries, b.type { color: var(--half); }
        @media (max-width: 700px) { header, main { padding: 0 16px; } section { padding: 12px 16px; } table { font-size: 12px; } th, td { padding-right: 6px; } }
        @media print { body { background: none; } article { break-inside: avoid; } }
        """
}
