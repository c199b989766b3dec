// ReportCharts: the drawings of a report as inline SVG. Each is 360 units wide, so that its text stays readable on a phone.

import Federation
import RunRecords

enum ReportCharts {
    static let width = 360.0

    /// A drawing with a description for people who cannot see it.
    private static func svg(_ height: Double, _ label: String, _ content: [HTML]) -> HTML {
        """
        <svg viewBox="0 0 \(width) \(height)" role="img" aria-label="\(label)">
        \(content)
        </svg>
        """
    }

    private static func text(_ x: Double, _ y: Double, _ text: String, anchor: String = "start", kind: String = "")
        -> HTML
    {
        "<text x=\"\(x)\" y=\"\(y)\" text-anchor=\"\(anchor)\" class=\"\(kind)\">\(text)</text>"
    }

    private static func line(
        _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ color: String, width: Double = 1,
        dash: String = "none"
    ) -> HTML {
        "<line x1=\"\(x1)\" y1=\"\(y1)\" x2=\"\(x2)\" y2=\"\(y2)\" stroke=\"\(color)\" stroke-width=\"\(width)\" stroke-dasharray=\"\(dash)\"/>"
    }

    // MARK: The federation

    /// Sites on the left, the coordinator on the right; each line is as thick as the site's last weight.
    static func federation(
        sites: [(name: String, records: Int, weight: Double?)], coordinator: String, cohorts: [String]
    ) -> HTML {
        let row = 46.0
        let height = max(140, row * Double(sites.count) + 10)
        let middle = height / 2
        var content: [HTML] = []
        for (index, site) in sites.enumerated() {
            let y = 5 + row * (Double(index) + 0.5) + (height - 10 - row * Double(sites.count)) / 2
            let color = ReportStyle.color(index)
            let thick = site.weight.map { 1 + 9 * $0 } ?? 1
            content.append(
                "<path d=\"M 190 \(y) C 224 \(y), 224 \(middle), 254 \(middle)\" fill=\"none\" stroke=\"\(color)\" stroke-opacity=\"0.55\" stroke-width=\"\(thick)\" stroke-dasharray=\"\(site.weight == nil ? "3 3" : "none")\"/>"
            )
            content.append(
                "<rect x=\"1\" y=\"\(y - 19)\" width=\"189\" height=\"38\" rx=\"3\" fill=\"#fff\" stroke=\"\(color)\"/>"
            )
            content.append(text(10, y - 4, shortened(site.name, 24), kind: "ink"))
            let weight = site.weight.map { ", weight \(Figures.fixed($0, 3))" } ?? ", left out"
            content.append(text(10, y + 12, "\(site.records) records\(weight)"))
        }
        content.append(
            "<rect x=\"254\" y=\"\(middle - 32)\" width=\"105\" height=\"64\" rx=\"3\" fill=\"#f6f8fa\" stroke=\"#1d2733\"/>"
        )
        content.append(text(306.5, middle - 12, "coordinator", anchor: "middle", kind: "ink"))
        content.append(text(306.5, middle + 4, coordinator, anchor: "middle"))
        content.append(
            text(306.5, middle + 20, cohorts.count == 1 ? "1 cohort" : "\(cohorts.count) cohorts", anchor: "middle"))
        return svg(height, "\(sites.count) sites and their coordinator", content)
    }

    private static func shortened(_ text: String, _ count: Int) -> String {
        text.count > count ? text.prefix(count - 1) + "…" : text
    }

    // MARK: Losses

    /// One site's step losses over all rounds, and the coordinator's validation loss at the end of each round.
    static func losses(
        rounds: [(round: Int, losses: [Double], validation: Double?)], top: Double, color: String, label: String
    ) -> HTML {
        let (left, right, upper, lower) = (34.0, 350.0, 12.0, 168.0)
        let count = max(1, rounds.reduce(0) { $0 + $1.losses.count })
        func x(_ step: Double) -> Double { left + (right - left) * step / Double(count) }
        func y(_ loss: Double) -> Double { lower - (lower - upper) * min(1, max(0, loss / top)) }
        var content: [HTML] = []
        for tick in ticks(top) {
            content.append(line(left, y(tick), right, y(tick), "#dfe4e9"))
            content.append(text(left - 5, y(tick) + 4, WeightExplanation.figure(tick), anchor: "end"))
        }
        var first = 0
        for part in rounds {
            let points = part.losses.enumerated().map {
                "\(Figures.fixed(x(Double(first + $0) + 0.5), 1)),\(Figures.fixed(y($1), 1))"
            }
            content.append(
                "<polyline points=\"\(points.joined(separator: " "))\" fill=\"none\" stroke=\"\(color)\" stroke-width=\"1.6\" stroke-linejoin=\"round\"/>"
            )
            if first > 0 {
                content.append(line(x(Double(first)), upper, x(Double(first)), lower, "#b8c0c8", dash: "2 3"))
            }
            content.append(
                text(
                    x(Double(first) + Double(part.losses.count) / 2), lower + 16, "round \(part.round)",
                    anchor: "middle"))
            first += part.losses.count
            if let validation = part.validation {
                content.append(
                    "<circle cx=\"\(x(Double(first)) - 4)\" cy=\"\(y(validation))\" r=\"4\" fill=\"#fff\" stroke=\"\(color)\" stroke-width=\"1.6\"/>"
                )
            }
        }
        content.append(line(left, lower, right, lower, "#1d2733"))
        return svg(190, label, content)
    }

    /// Round numbers from 0 to the top, about four of them.
    static func ticks(_ top: Double) -> [Double] {
        guard top > 0, top.isFinite else { return [0] }
        var step = 1e-6
        while top / step > 5 {
            for factor in [2.0, 2.5, 2] where top / step > 5 { step *= factor }
        }
        var ticks: [Double] = []
        var index = 0.0
        while index * step <= top * 1.0001 {
            ticks.append((index * step * 1e9).rounded() / 1e9)
            index += 1
        }
        return ticks
    }

    // MARK: Weights

    /// One bar for each round, divided by the weights of the sites.
    static func weights(_ rounds: [(round: Int, weights: [Double?])]) -> HTML {
        let row = rounds.count > 12 ? 12.0 : 30.0
        var content: [HTML] = []
        for (index, part) in rounds.enumerated() {
            let y = 4 + row * Double(index)
            if row > 20 || index % 5 == 0 {
                content.append(text(58, y + row / 2 + 1, "round \(part.round)", anchor: "end"))
            }
            var x = 66.0
            for (site, weight) in part.weights.enumerated() {
                guard let weight else { continue }
                let length = weight * 288
                content.append(
                    "<rect x=\"\(x)\" y=\"\(y)\" width=\"\(max(0.5, length - 1))\" height=\"\(row - 8)\" fill=\"\(ReportStyle.color(site))\"/>"
                )
                if length > 38, row > 20 {
                    content.append(
                        text(x + length / 2, y + row / 2, Figures.fixed(weight, 3), anchor: "middle", kind: "on"))
                }
                x += length
            }
        }
        return svg(row * Double(rounds.count) + 4, "weights of the sites by round", content)
    }

    // MARK: Scores

    /// One row of a score chart.
    struct Score {
        var name: String
        var strict: Double
        var lenient: Double
        /// The 95% interval of strict F1.
        var interval: (low: Double, high: Double)?
        /// Strict F1 of earlier rounds.
        var earlier: [Double]
    }

    /// F1 by type: a filled dot for strict, an open one for lenient, a bar for the interval.
    static func scores(_ rows: [Score], color: String, label: String) -> HTML {
        let row = 24.0
        let (left, right) = (112.0, 312.0)
        let bottom = row * Double(rows.count) + 6
        func x(_ f1: Double) -> Double { left + (right - left) * min(1, max(0, f1)) }
        var content: [HTML] = []
        for tick in [0, 0.25, 0.5, 0.75, 1.0] {
            content.append(line(x(tick), 2, x(tick), bottom, "#dfe4e9"))
            content.append(text(x(tick), bottom + 14, WeightExplanation.figure(tick), anchor: "middle"))
        }
        for (index, score) in rows.enumerated() {
            let y = 4 + row * (Double(index) + 0.5)
            content.append(text(left - 10, y + 4, shortened(score.name, 16), anchor: "end", kind: "ink"))
            if let interval = score.interval {
                content.append(line(x(interval.low), y, x(interval.high), y, color, width: 3))
                for end in [interval.low, interval.high] { content.append(line(x(end), y - 4, x(end), y + 4, color)) }
            }
            for value in score.earlier {
                content.append("<circle cx=\"\(x(value))\" cy=\"\(y)\" r=\"2.5\" fill=\"#b8c0c8\"/>")
            }
            content.append(
                "<circle cx=\"\(x(score.lenient))\" cy=\"\(y)\" r=\"4.5\" fill=\"#fff\" stroke=\"\(color)\" stroke-width=\"1.5\"/>"
            )
            content.append("<circle cx=\"\(x(score.strict))\" cy=\"\(y)\" r=\"4.5\" fill=\"\(color)\"/>")
            content.append(text(right + 12, y + 4, Figures.fixed(score.strict, 3), kind: "ink"))
        }
        return svg(bottom + 20, label, content)
    }

    // MARK: Bytes

    /// One bar for each row, all on the same scale.
    static func bars(_ rows: [(name: String, value: Int, color: String)], label: String) -> HTML {
        let row = 22.0
        let most = Double(max(1, rows.map(\.value).max() ?? 1))
        var content: [HTML] = []
        for (index, part) in rows.enumerated() {
            let y = 2 + row * Double(index)
            let length = max(1, 150 * Double(part.value) / most)
            content.append(text(132, y + 14, shortened(part.name, 22), anchor: "end", kind: "ink"))
            content.append("<rect x=\"140\" y=\"\(y + 3)\" width=\"\(length)\" height=\"14\" fill=\"\(part.color)\"/>")
            content.append(text(146 + length, y + 14, Figures.bytes(part.value)))
        }
        return svg(row * Double(rows.count) + 4, label, content)
    }
}
