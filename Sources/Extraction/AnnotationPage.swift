// AnnotationPage: notes with their mentions as one HTML page that needs nothing else: no script, no font, no address.

import Faults
import Federation

/// Writes an HTML page of annotated notes. It holds text of the notes: keep it beside them, never in a ledger.
public enum AnnotationPage {
    /// The page. Each note is shown with its mentions highlighted, nested ones within each other, and a table of its entities with their modifiers.
    public static func html(_ documents: [Document], title: String) -> String {
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
            <p>\(documents.count == 1 ? "1 note" : "\(documents.count) notes"). Mentions were found by a model and may be wrong. This page holds text of the notes: keep it where they are kept.</p>
            <ul class="legend">
            \(legend(documents))
            </ul>
            </header>
            <main>

            """
        for document in documents { page += section(document) }
        return page + "</main>\n</body>\n</html>\n"
    }

    private static func section(_ document: Document) -> String {
        """
        <section>
        <h2>\(document.id.escapedForMarkup)</h2>
        <div class="columns">
        <div class="note">\(marked(document))</div>
        <div class="findings">
        \(table(document))
        </div>
        </div>
        </section>

        """
    }

    /// The classes that occur in the documents, entity types first.
    private static func legend(_ documents: [Document]) -> String {
        let present = Set(documents.flatMap(\.entities).map(\.type))
        return AnnotationType.all.filter(present.contains).map { "<li><mark class=\"\($0)\">\($0)</mark></li>" }
            .joined(separator: "\n")
    }

    /// The text with every fragment of a mention marked; where two cross, only the longer one is marked.
    private static func marked(_ document: Document) -> String {
        var titles: [MarkedSpan: String] = [:]
        var spans: [MarkedSpan] = []
        for entity in document.entities {
            let heads = document.relations.filter { $0.modifier == entity.id }.map(\.head)
            let title = "\(entity.id) \(entity.type)" + (heads.isEmpty ? "" : " of \(heads.joined(separator: ", "))")
            for fragment in entity.spans {
                let span = MarkedSpan(type: entity.type, range: fragment)
                titles[span] = titles[span].map { "\($0); \(title)" } ?? title
                spans.append(span)
            }
        }
        return MarkedText.html(document.text[...], spans) { span in
            let known = AnnotationType.all.contains(span.type) ? span.type : "other"
            return "<mark class=\"\(known)\" title=\"\((titles[span] ?? "").escapedForMarkup)\">"
        }
    }

    /// One row for each entity, with its modifiers in a cell, by type. Modifiers without a head come last.
    private static func table(_ document: Document) -> String {
        let mentions = Dictionary(document.entities.map { ($0.id, $0) }) { first, _ in first }
        func chip(_ entity: Entity) -> String {
            "<mark class=\"\(entity.type.escapedForMarkup)\">\(entity.type.escapedForMarkup)</mark> "
                + AnnotationWriter.surface(entity, document).escapedForMarkup
        }
        var rows: [String] = []
        let bound = Set(document.relations.map(\.modifier))
        let isBound = !bound.isEmpty
        for entity in document.entities
        where AnnotationType.entities.contains(entity.type) || !bound.contains(entity.id) {
            let modifiers = document.relations.filter { $0.head == entity.id }.compactMap { mentions[$0.modifier] }
            let cells = modifiers.map { "<li>\(chip($0))</li>" }.joined()
            rows.append(
                "<tr><td class=\"id\">\(entity.id.escapedForMarkup)</td><td>\(chip(entity))</td>"
                    + "<td class=\"place\">\(entity.hull.lowerBound)\u{2013}\(entity.hull.upperBound)</td>"
                    + (isBound ? "<td>\(cells.isEmpty ? "" : "<ul>\(cells)</ul>")</td>" : "") + "</tr>")
        }
        guard !rows.isEmpty else { return "<p class=\"none\">No mention was found.</p>" }
        return
            "<table>\n<thead><tr><th>id</th><th>mention</th><th>offsets</th>\(isBound ? "<th>modifiers</th>" : "")</tr></thead>\n<tbody>\n"
            + rows.joined(separator: "\n") + "\n</tbody>\n</table>"
    }

    private static let style = """
        :root { color-scheme: light; }
        * { box-sizing: border-box; }
        body { margin: 0; font: 15px/1.6 system-ui, sans-serif; color: #1c2430; background: #f4f6f8; }
        header, main { max-width: 1280px; margin: 0 auto; padding: 0 32px; }
        header { padding-top: 28px; }
        h1 { font-size: 22px; margin: 0 0 4px; }
        header p { margin: 0 0 12px; color: #526071; }
        .legend { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 6px 10px; }
        section { background: #fff; border: 1px solid #dbe1e8; border-radius: 8px; margin: 20px 0; padding: 20px 24px; }
        h2 { font-size: 16px; margin: 0 0 12px; overflow-wrap: anywhere; }
        .columns { display: grid; grid-template-columns: minmax(0, 1.1fr) minmax(0, 1fr); gap: 28px; align-items: start; }
        .note { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 2.1; }
        mark { color: inherit; background: var(--fill, #eceff3); border-bottom: 2px solid var(--line, #7b8794);
          border-radius: 3px; padding: 1px 3px; }
        mark mark { padding: 0 2px; }
        .problem { --fill: #fde4e1; --line: #c0392b; } .treatment { --fill: #e0efe3; --line: #2e7d46; }
        .test { --fill: #dfeafb; --line: #2b62b5; } .drug { --fill: #f0e4fa; --line: #7a3fb0; }
        table { border-collapse: collapse; width: 100%; font-size: 14px; }
        th { text-align: left; font-weight: 600; color: #526071; white-space: nowrap; overflow-wrap: normal; }
        th, td { padding: 5px 8px 5px 0; border-bottom: 1px solid #e6eaef; vertical-align: top; }
        td { overflow-wrap: anywhere; }
        td.id, td.place { color: #526071; white-space: nowrap; font-variant-numeric: tabular-nums; }
        td ul { list-style: none; margin: 0; padding: 0; }
        .none { color: #526071; margin: 0; }
        @media (max-width: 900px) { .columns { grid-template-columns: minmax(0, 1fr); } header, main { padding: 0 16px; } }
        @media print { body { background: #fff; } section { break-inside: avoid; } }
        """
}
