// ReportStyle: the style of a report for screens, phones and paper.

enum ReportStyle {
    /// Colours that people with any colour vision can distinguish (Okabe and Ito), for sites in site order.
    static let palette = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#3a86b5", "#7a5195"]

    static func color(_ index: Int) -> String { palette[index % palette.count] }

    /// If there are more sites than colours, the lines of the others are dashed.
    static func dash(_ index: Int) -> String { index < palette.count ? "none" : "4 2" }

    static let sheet: HTML = """
        :root { color-scheme: light; --ink: #1d2733; --soft: #5a6672; --rule: #dfe4e9; --ground: #f6f8fa; --good: #0b6b4f; --bad: #a8201a; }
        * { box-sizing: border-box; }
        html { -webkit-text-size-adjust: 100%; }
        body { margin: 0; background: #fff; color: var(--ink);
          font: 400 1rem/1.6 "Source Sans 3", "Source Sans Pro", "Segoe UI", system-ui, -apple-system, "Helvetica Neue", "Noto Sans", Arial, sans-serif; }
        main { max-width: 66rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
        h1 { font-weight: 300; font-size: clamp(1.9rem, 6vw, 2.75rem); line-height: 1.15; margin: 0 0 .4rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
        h2 { font-weight: 400; font-size: 1.45rem; line-height: 1.25; margin: 3.2rem 0 .6rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
        h3 { font-weight: 600; font-size: 1rem; margin: 1.6rem 0 .3rem; }
        p { max-width: 42rem; margin: .5rem 0; }
        .eyebrow { color: var(--soft); font-size: .82rem; letter-spacing: .08em; text-transform: uppercase; margin: 0 0 .5rem; }
        .lead { font-size: 1.15rem; font-weight: 300; }
        .soft, figcaption { color: var(--soft); font-size: .9rem; }
        .good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1px; background: var(--rule);
          border: 1px solid var(--rule); margin: 1.6rem 0; padding: 0; list-style: none; }
        .tiles li { background: #fff; padding: .9rem 1rem; }
        .tiles strong { display: block; font-weight: 300; font-size: 1.7rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
        .tiles span { color: var(--soft); font-size: .85rem; }
        .panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: 1.2rem 1.6rem; margin: 1rem 0; }
        figure { margin: 0; max-width: 30rem; min-width: 0; break-inside: avoid; }
        figure.wide { max-width: 27rem; margin: 1rem 0; }
        figcaption { margin: 0 0 .2rem; } figcaption b { color: var(--ink); font-weight: 600; }
        svg { display: block; width: 100%; height: auto; }
        svg text { font-family: inherit; font-size: 12.5px; fill: var(--soft); }
        svg text.ink { fill: var(--ink); } svg text.on { fill: #fff; }
        .scroll { overflow-x: auto; margin: .8rem 0; background: linear-gradient(to right, #fff 30%, transparent) left / 2rem 100% no-repeat local, linear-gradient(to left, #fff 30%, transparent) right / 2rem 100% no-repeat local, linear-gradient(to right, #c3ccd4, transparent) left / .7rem 100% no-repeat, linear-gradient(to left, #c3ccd4, transparent) right / .7rem 100% no-repeat; }
        table { border-collapse: collapse; width: 100%; font-size: .92rem; line-height: 1.4; }
        th { font-weight: 600; text-align: left; color: var(--soft); border-bottom: 1px solid var(--ink); padding: .35rem .8rem .35rem 0; vertical-align: bottom; }
        td { border-bottom: 1px solid var(--rule); padding: .4rem .8rem .4rem 0; vertical-align: top; }
        th:last-child, td:last-child { padding-right: 0; }
        td:nth-child(-n+2) { white-space: nowrap; }
        .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
        code { font: .86em/1.4 ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
        .checks { list-style: none; margin: .8rem 0; padding: 0; }
        .checks li { display: grid; grid-template-columns: 6.2rem 1fr; gap: .1rem .6rem; padding: .55rem 0; border-bottom: 1px solid var(--rule); break-inside: avoid; }
        .checks .evidence, .checks .fault { grid-column: 2; font-size: .9rem; }
        .evidence { color: var(--soft); } .fault { color: var(--bad); }
        dl { display: grid; grid-template-columns: minmax(7rem, 12rem) 1fr; gap: .3rem 1.2rem; margin: .8rem 0; }
        dt { font-weight: 600; } dd { margin: 0; max-width: 42rem; min-width: 0; overflow-wrap: anywhere; }
        .swatch { display: inline-block; width: .7em; height: .7em; margin-right: .45em; }
        footer { margin-top: 3rem; border-top: 1px solid var(--rule); padding-top: 1rem; }
        @media (max-width: 34rem) {
          main { padding: 1.6rem 1rem 3rem; } h2 { margin-top: 2.4rem; }
          dl { grid-template-columns: 1fr; gap: .1rem; } dd { margin-bottom: .6rem; }
          .checks li { grid-template-columns: 1fr; } .checks .evidence, .checks .fault { grid-column: 1; }
          table { font-size: .8rem; } th, td { padding-right: .4rem; } td:last-child:not(.n) { min-width: 9rem; } td .soft { white-space: normal; font-size: inherit; }
          .tiles { grid-template-columns: 1fr 1fr; } .tiles strong { font-size: 1.4rem; }
        }
        @media print {
          @page { margin: 16mm 14mm; }
          body { font-size: 9.5pt; } main { max-width: none; padding: 0; }
          h2 { break-after: avoid; margin-top: 1.6rem; } h3, figcaption { break-after: avoid; }
          .scroll { overflow: visible; } tr { break-inside: avoid; } thead { display: table-header-group; }
          .panels { grid-template-columns: 1fr 1fr; }
          * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
        }
        """
}
