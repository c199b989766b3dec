// The sections of a report, in reading order: the results of the run, how it was done, what was checked, where it ran, and a glossary.

import Digests
import Federation
import Foundation
import RunRecords
import Workflows

extension RunReport {
    var sections: [HTML] {
        [
            head, federation, losses, weights, scores, bytes, checks, signatures, environment, settings, history,
            glossary, foot,
        ]
    }

    // MARK: Summary

    private var head: HTML {
        let declaration = plan.declaration
        let holding = verification.checks.count(where: \.holds)
        let all = verification.checks.count
        let unproven = verification.checks.count { $0.status == .unproven }
        let verdict: HTML =
            verification.holds
            ? "<span class=\"good\">Nothing contradicts its history: \(all - unproven) checks hold, \(unproven) cannot be proven from it.</span>"
            : "<span class=\"bad\">\(all - holding) of \(all) checks of its history FAIL.</span>"
        let signed: HTML =
            switch verification.signing {
            case .signed: "Its commits are signed."
            case .unsigned: "Its commits are not signed."
            case .broken: "<span class=\"bad\">Its signatures do not hold.</span>"
            }
        let complete: HTML =
            summary.steps.done == summary.steps.planned
            ? ""
            : "<span class=\"bad\">The run is not finished: \(summary.steps.done) of \(summary.steps.planned) steps.</span>"
        var tiles: [HTML] = []
        func tile(_ value: String, _ name: String) {
            tiles.append("<li><strong>\(value)</strong><span>\(name)</span></li>")
        }
        tile(String(declaration.sites.count), declaration.sites.count == 1 ? "site" : "sites")
        tile(String(summary.exchanges.count), summary.exchanges.count == 1 ? "round" : "rounds")
        let trained = plan.inputs.datasets.filter { $0.role == .train }.reduce(0) { $0 + $1.records }
        if trained > 0 { tile(String(trained), "records trained on") }
        if let best = summary.cohorts.filter({ $0.round == summary.cohorts.last?.round }).compactMap(\.strict).max() {
            tile(Figures.fixed(best, 3), "best strict F1, last evaluation")
        }
        if !summary.exchanges.isEmpty {
            tile(Figures.bytes(summary.exchanges.reduce(0) { $0 + $1.bytes }), "exchanged in all")
            let saved = summary.exchanges.map(\.saved).reduce(0, +) / Double(summary.exchanges.count)
            tile("\(Figures.fixed(100 * saved, 1))%", "less than exchanging the whole model")
        }
        return """
            <header>
            <p class="eyebrow">MedRounds report</p>
            <h1>\(summary.run.name)</h1>
            <p class="lead">\(declaration.summary.isEmpty ? declaration.name : declaration.summary)</p>
            <p>\(verdict) \(signed) \(complete)</p>
            <ul class="tiles">\(tiles)</ul>
            </header>
            """
    }

    // MARK: The federation

    private var federation: HTML {
        guard !sites.isEmpty else {
            return
                "<section><h2>Federation</h2><p>Nothing was trained: the base model was evaluated as it is.</p></section>"
        }
        let last = summary.exchanges.last?.round
        let drawn = sites.map { site -> (name: String, records: Int, weight: Double?) in
            let records = plan.inputs.datasets.filter { $0.role == .train && $0.owner == site.name }.reduce(0) {
                $0 + $1.records
            }
            return (site.name, records, summary.sites.first { $0.site == site && $0.round == last }?.weight)
        }
        let validation = plan.inputs.datasets.filter { $0.role == .validation }.reduce(0) { $0 + $1.records }
        return """
            <section>
            <h2>Federation</h2>
            \(plan.inputs.leftOut.map { "<p class=\"bad\">\($0.site.name) takes no part: \($0.words) when the run began.</p>" as HTML })
            <p>Each site trains on its own notes and sends an adapter, never a note. The coordinator averages the adapters and gives the mean back. Lines are as thick as the weights of the last round.</p>
            <figure class="wide">\(ReportCharts.federation(
                sites: drawn, coordinator: validation > 0 ? "\(validation) val. records" : "averages",
                cohorts: plan.declaration.cohorts.map(\.id.name)))</figure>
            </section>
            """
    }

    // MARK: Losses and weights

    private var losses: HTML {
        var panels: [(site: String, color: String, rounds: [(round: Int, losses: [Double], validation: Double?)])] = []
        for (index, site) in sites.enumerated() {
            var parts: [(round: Int, losses: [Double], validation: Double?)] = []
            for round in rounds {
                let values = record(round, .train, site.name)?["step_losses"]?.elements?.compactMap(\.double) ?? []
                guard !values.isEmpty else { continue }
                let row = summary.sites.first { $0.site == site && $0.round == round }
                parts.append((round, values, row?.validationLoss))
            }
            if !parts.isEmpty { panels.append((site.name, ReportStyle.color(index), parts)) }
        }
        guard !panels.isEmpty else { return "" }
        var top = 0.0
        for panel in panels {
            for part in panel.rounds { top = max(top, part.losses.max() ?? 0, part.validation ?? 0) }
        }
        let figures = panels.map { panel -> HTML in
            let chart = ReportCharts.losses(
                rounds: panel.rounds, top: top, color: panel.color, label: "training loss of \(panel.site) by step")
            return "<figure><figcaption><b>\(panel.site)</b></figcaption>\(chart)</figure>"
        }
        let rows = summary.sites.map { row -> [HTML] in
            [
                "\(row.round)", "\(row.site.name)", "\(Self.fixed(row.loss?.first))", "\(Self.fixed(row.loss?.last))",
                "\(Self.fixed(row.validationLoss))",
            ]
        }
        return """
            <section>
            <h2>Loss by site</h2>
            <p>Mean cross-entropy of each training step, in nats a token, before its update. The open circle is the coordinator’s validation loss of what the site sent.</p>
            <div class="panels">\(figures)</div>
            \(HTML.table(
                ["round", "site", "first tenth", "last tenth", "validation"], numeric: [0, 2, 3, 4], rows))
            </section>
            """
    }

    private var weights: HTML {
        guard let explanation else { return "" }
        let bars = summary.exchanges.map { exchange in
            (
                round: exchange.round,
                weights: sites.map { site in
                    summary.sites.first { $0.site == site && $0.round == exchange.round }?.weight
                }
            )
        }
        let legend = sites.enumerated().map { index, site -> HTML in
            "<span style=\"white-space:nowrap;margin-right:1.1em\"><span class=\"swatch\" style=\"background:\(ReportStyle.color(index))\"></span>\(site.name)</span>"
        }
        let rows = explanation.rows.map { row -> HTML in
            let without =
                row.without.map { without -> HTML in
                    let share = without.norm.global > 0 ? 100 * without.norm.difference / without.norm.global : 0
                    return "without it the global change would differ by \(Figures.fixed(share, 1))% of its norm"
                } ?? "without it no site would have been left"
            return """
                <dt>\(row.site.name)</dt><dd>\(explanation.sentence(row))<br><code>\(explanation.formula(row))</code><br>
                <span class="soft">by size alone \(Figures.fixed(row.bySize, 4)); \(without)</span></dd>
                """
        }
        let out = summary.sites.filter { $0.leftOut != nil }.map { row -> HTML in
            "<p class=\"bad\">Round \(row.round): \(row.site.name) was left out (\(row.leftOut ?? "")).</p>"
        }
        return """
            <section>
            <h2>Weights by round</h2>
            <p>Rule <code>\(explanation.rule.name)</code>: \(explanation.aggregation.formula).</p>
            <figure class="wide"><figcaption>\(legend)</figcaption>\(ReportCharts.weights(bars))</figure>
            \(out)
            <h3>Round \(explanation.round) with its numbers</h3>
            <dl>\(rows)</dl>
            \(lost)
            </section>
            """
    }

    /// What the published adapters lost of the weighted means of the products, by round and kind of map.
    private var lost: HTML {
        let kinds = LinearMap.allCases.filter { summary.plan.declaration.adapter.targets.contains($0) }
        func percent(_ value: JSONValue?) -> HTML { "\(value?.double.map { Figures.fixed(100 * $0, 2) } ?? "-")" }
        let rows = rounds.compactMap { round -> [HTML]? in
            guard let lost = record(round, .aggregate)?["lost"] else { return nil }
            return ["\(round)", percent(lost["all"]?["share"]), percent(lost["all"]?["rounding"])]
                + kinds.map { percent(lost["maps"]?[$0.rawValue]?["share"]) }
        }
        guard !rows.isEmpty else { return "" }
        return """
            <h3>What averaging lost</h3>
            <p>The published product against the weighted mean of the sites’ products, as a share of its norm in per cent: over all maps, by rounding to the published precision, and by kind of map.</p>
            \(HTML.table(
                ["round", "all", "rounding"] + kinds.map(\.rawValue), numeric: Set(0..<(3 + kinds.count)), rows))
            """
    }

    // MARK: Scores

    private var scores: HTML {
        guard !summary.cohorts.isEmpty else { return "" }
        var figures: [HTML] = []
        var names: [String] = []
        for row in summary.cohorts where !names.contains(row.cohort) { names.append(row.cohort) }
        for (index, name) in names.enumerated() {
            let history = summary.cohorts.filter { $0.cohort == name }
            guard let last = history.last else { continue }
            let cards: [(title: String, path: [String])] = [
                ("entities", ["scores"]), ("relations", ["relation_scores", "pairs"]),
            ]
            for (title, path) in cards {
                let found = history.map { Self.card($0.record, path) }
                guard let card = found.last ?? nil else { continue }
                let earlier = found.dropLast().compactMap { $0 }
                let chart = ReportCharts.scores(
                    Self.rows(card, earlier: earlier), color: ReportStyle.color(index),
                    label: "F1 by type of \(name)")
                let when = last.round == 0 ? "base model" : "round \(last.round)"
                figures.append(
                    "<figure><figcaption><b>\(last.place)</b> \(title), \(last.records) records, \(when)</figcaption>\(chart)</figure>"
                )
            }
        }
        let hasRelations = summary.cohorts.contains { $0.relations != nil }
        let columns =
            ["round", "cohort", "precision", "recall", "strict F1", "95% interval", "lenient F1", "whole words"]
            + (hasRelations ? ["relations"] : [])
        let rows = summary.cohorts.map { row -> [HTML] in
            let interval = Self.card(row.record, ["scores"]).flatMap(Self.interval)
            let range = interval.map { "\(Figures.fixed($0.low, 3))–\(Figures.fixed($0.high, 3))" } ?? "–"
            var cells: [HTML] = [
                row.round == 0 ? "base" : "\(row.round)", "\(row.place)",
                "\(Self.fixed(row.strictParts?.precision))", "\(Self.fixed(row.strictParts?.recall))",
                "\(Self.fixed(row.strict))", "\(range)",
                "\(Self.fixed(row.lenient))", "\(Self.fixed(row.wholeWords?.strict))",
            ]
            if hasRelations { cells.append("\(Self.fixed(row.relations?.strict))") }
            return cells
        }
        return """
            <section>
            <h2>F1 by type</h2>
            <p>Filled: strict F1, also in figures. Open: lenient F1. Bar: 95% interval of strict micro F1, documents resampled. Small grey dots: earlier rounds. Few records make wide intervals. Precision and recall are those of the strict F1; whole words is the strict F1 of the same answers once each mention is moved to whole words and loses final punctuation.</p>
            <div class="panels">\(figures)</div>
            \(HTML.table(columns, numeric: [0, 2, 3, 4, 6, 7, 8], rows))
            \(summary.reasonsForNothing.map { "<p class=\"bad\">\($0)</p>" as HTML })
            </section>
            """
    }

    private static func card(_ record: JSONValue, _ path: [String]) -> JSONValue? {
        path.reduce(record as JSONValue?) { $0?[$1] }
    }

    private static func interval(_ card: JSONValue) -> (low: Double, high: Double)? {
        guard let bounds = card["intervals"]?["strict"]?.elements?.compactMap(\.double), bounds.count == 2 else {
            return nil
        }
        return (bounds[0], bounds[1])
    }

    private static func rows(_ card: JSONValue, earlier: [JSONValue]) -> [ReportCharts.Score] {
        func f1(_ card: JSONValue, _ keys: [String]) -> Double? { Self.card(card, keys + ["f1"])?.double }
        func row(_ name: String, _ keys: [String], _ interval: (low: Double, high: Double)?) -> ReportCharts.Score? {
            guard let strict = f1(card, keys + ["strict"]), let lenient = f1(card, keys + ["lenient"]) else {
                return nil
            }
            return ReportCharts.Score(
                name: name, strict: strict, lenient: lenient, interval: interval,
                earlier: earlier.compactMap { f1($0, keys + ["strict"]) })
        }
        var rows = [row("all types", ["micro"], interval(card))]
        for type in (card["types"]?.members ?? [:]).keys.sorted() { rows.append(row(type, ["types", type], nil)) }
        return rows.compactMap { $0 }
    }

    // MARK: Bytes

    private var bytes: HTML {
        var bars: [(name: String, value: Int, color: String)] = []
        for round in rounds {
            let prefix = "rounds/\(RunPath.folder(of: round))/"
            for step in StepKind.ofRound {
                let sum = sizes.filter { $0.path.hasPrefix(prefix) && Self.step(of: $0.path) == step }.reduce(0) {
                    $0 + $1.bytes
                }
                guard sum > 0, !bars.contains(where: { $0.name == "\(round) \(step)" }) else { continue }
                let published =
                    step == .aggregate ? record(round, .aggregate)?["output"]?["bytes"]?.int ?? 0 : 0
                bars.append(
                    (
                        "\(round) \(step)", sum + published,
                        [.upload, .evaluateAtSite].contains(step) ? "#0072b2" : "#7d8894"
                    ))
            }
        }
        let rows = summary.exchanges.map { exchange -> [HTML] in
            let record = record(exchange.round, .aggregate)?["exchange"]
            func bytes(_ key: String) -> String { record?[key]?.int.map(Figures.bytes) ?? "–" }
            return [
                "\(exchange.round)", "\(bytes("uploaded_bytes"))", "\(bytes("downloaded_bytes"))",
                "\(bytes("full_model_bytes"))", "\(Figures.fixed(100 * exchange.saved, 2))%",
            ]
        }
        return """
            <section>
            <h2>Bytes by step</h2>
            <p>What each step wrote to the ledger, before compression; the bar of aggregate holds the published adapter. Blue is what left the sites.</p>
            <figure class="wide">\(ReportCharts.bars(bars, label: "bytes by step"))</figure>
            \(rows.isEmpty ? "" : HTML.table(
                ["round", "uploaded", "downloaded", "whole model", "saved"], numeric: [0, 1, 2, 3, 4], rows))
            </section>
            """
    }

    static func fixed(_ value: Double?) -> String { value.map { Figures.fixed($0, 3) } ?? "–" }
}
