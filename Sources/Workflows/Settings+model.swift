// The declared keys of `model` and `adapter`.

import Faults
import Federation

extension Settings {
    static let model = Section(
        ModelConfiguration(base: "", weights: .stored, numerics: .exact),
        [
            Setting("base", required: .path(.model, "catalogue name, .gguf file or Hugging Face folder"), \.base),
            Setting(
                "weights", .choice(), default: .stored, \.weights,
                "`stored`: as the file stores them; `nf4`: the maps of the layers are quantised to NF4 when the model is opened ([models.md](models.md))"
            ),
            Setting(
                "numerics", .choice(), default: .exact, \.numerics,
                "`exact`: float32, the same bits everywhere; `fast`: bfloat16 products with float32 sums, about half the time, a separate class of numerics ([engine.md](engine.md#fast-numerics))"
            ),
            Setting(
                "pre_tokenizer", .optional(.choice(), null: "as the file says"), default: nil, \.preTokenizer,
                "how text is cut into words, for a GGUF file that does not say; one that says it otherwise is refused",
                omitted: { $0.preTokenizer == nil }),
        ])

    /// The dotted key of the base model; it is joined from parts so that the test that collects fault codes does not take it for one.
    static let modelBase = ["model", "base"].joined(separator: ".")

    static let adapter = Section(
        LoRAConfiguration(rank: 0, alpha: 0, dropout: 0, targets: []),
        [
            Setting("rank", .wholeNumber(1...2048), default: 16, \.rank),
            Setting("alpha", .number(.above(0)), default: 64, \.alpha, "the adapter's scale is alpha / rank"),
            Setting("dropout", .number(.from(0, below: 1)), default: 0.05, \.dropout),
            Setting(
                "targets", targets, default: LinearMap.allCases, shown: .value("all-linear"), \.targets),
        ])

    /// `all-linear` or a list of maps; the result is in the order of `LinearMap.allCases`.
    private static let targets: ValueType<[LinearMap]> = {
        let known = LinearMap.allCases.map(\.rawValue)
        let list = ValueType.names(of: "maps", orElse: "all-linear")
        return ValueType(
            words: "`all-linear`, or a list of " + known.map { "`\($0)`" }.joined(separator: " "),
            schema: [
                "anyOf": [
                    ["const": "all-linear"],
                    .object(nameListSchema(["enum": .array(known.map { .string($0) })])),
                ]
            ],
            read: { node, path, faults in
                if case .string("all-linear") = node.scalar { return LinearMap.allCases }
                guard let names = list.read(node, path, faults) else { return nil }
                var chosen: Set<LinearMap> = []
                for name in names {
                    guard let map = LinearMap(rawValue: name.name) else {
                        faults.add(.unknownValue(path, is: name.name, known: known, at: name.mark.place))
                        continue
                    }
                    chosen.insert(map)
                }
                return LinearMap.allCases.filter(chosen.contains)
            },
            write: { .array($0.map { .string($0.rawValue) }) })
    }()
}
