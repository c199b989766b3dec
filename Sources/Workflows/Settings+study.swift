// The declared keys of composition: `extends`, `matrix`, `repeat` and `compare`.

import Faults
import Federation

extension Settings {
    /// The keys that make a workflow a study, as written.
    struct StudyForm: Sendable {
        var extends: String?
        var matrix: YAMLNode?
        var repetition: YAMLNode?
        var compare: ComparisonForm?
    }

    struct ComparisonForm: Sendable {
        var baseline: YAMLNode?
        var metrics: [StudyMetric] = []
        var cohorts: [PlacedName]?
    }

    private static let base: ValueType<String?> = .absent(ValueType<String>.path(.base, "path of a workflow"))
    private static let comparisonOrNone: ValueType<ComparisonForm?> = .absent(comparison.type)
    private static let cohortNames: ValueType<[PlacedName]?> = .absent(ValueType<[PlacedName]>.names(of: "cohorts"))

    static let study = Section(
        StudyForm(),
        [
            Setting(
                "extends", base, default: nil, shown: .words("none"), \StudyForm.extends,
                "relative to this file; mappings of both merge; all else in this file replaces what the other says"),
            Setting(
                "matrix", axes("mapping of axes, below", mayPair: true), default: nil, shown: .words("none"),
                \StudyForm.matrix, "makes the file a study: one run for each choice of a value on every axis"),
            Setting(
                "repeat", axes("mapping of dotted keys to lists of values", mayPair: false), default: nil,
                shown: .words("none"), \StudyForm.repetition,
                "axes over which results are pooled, such as `{seed: [17, 18, 19]}`"),
            Setting(
                "compare", comparisonOrNone, default: nil, shown: .words("none"), \StudyForm.compare,
                "what the study's comparison shows"),
        ])

    static let comparison = Section(
        ComparisonForm(),
        [
            Setting(
                "baseline",
                raw("mapping of axes to values", ["type": "object", "minProperties": 1]), default: nil,
                shown: .words("none"), \ComparisonForm.baseline, "the cells that others are compared with"),
            Setting(
                "metrics", metrics, default: [.strictF1], \ComparisonForm.metrics, "the figures, in this order"),
            Setting(
                "cohorts", cohortNames, default: nil, shown: .words("every cohort"), \ComparisonForm.cohorts),
        ])

    private static let metrics: ValueType<[StudyMetric]> = {
        let known = StudyMetric.allCases.map(\.rawValue)
        let list = ValueType.names(of: "metrics")
        return ValueType(
            words: "list of " + known.map { "`\($0)`" }.joined(separator: " "),
            schema: nameListSchema(["enum": .array(known.map { .string($0) })]),
            read: { node, path, faults in
                list.read(node, path, faults)?.compactMap { name in
                    if let metric = StudyMetric(rawValue: name.name) { return metric }
                    faults.add(.unknownValue(path, is: name.name, known: known, at: name.mark.place))
                    return nil
                }
            },
            write: { .array($0.map { .string($0.rawValue) }) })
    }()

    /// A value that is read later, by code that knows the axes.
    private static func raw(_ words: String, _ schema: [String: JSONValue]) -> ValueType<YAMLNode?> {
        ValueType(
            words: words, schema: schema,
            read: { node, path, faults in
                guard node.pairs != nil else {
                    faults.wrongType(path, node, "a mapping of keys")
                    return nil
                }
                return .some(node)
            },
            write: { _ in .null })
    }

    private static func axes(_ words: String, mayPair: Bool) -> ValueType<YAMLNode?> {
        let list: JSONValue = ["type": "array", "minItems": 1]
        let pairs: JSONValue = [
            "type": "object", "minProperties": 1, "propertyNames": .object(kebabCaseSchema),
            "additionalProperties": ["type": "object"],
        ]
        var schema: [String: JSONValue] = [
            "type": "object", "minProperties": 1, "additionalProperties": mayPair ? ["anyOf": [list, pairs]] : list,
        ]
        if mayPair {
            let cells: JSONValue = ["type": "array", "items": ["type": "object", "minProperties": 1], "minItems": 1]
            schema["properties"] = ["include": cells, "exclude": cells]
        }
        return raw(words, schema)
    }
}

extension Settings.ComparisonForm {
    /// The comparison, with faults for values that name no cell.
    func checked(_ cells: [Composition.Cell], axes: [String], faults: FaultCollector) -> StudyComparison {
        var result = StudyComparison(metrics: metrics, cohorts: cohorts?.map(\.name) ?? [])
        // If there are no cells, there are faults already.
        guard !cells.isEmpty else { return result }
        for pair in baseline?.pairs ?? [] {
            guard axes.contains(pair.key) else {
                faults.add(
                    .unknownName("compare.baseline", "axis", pair.key, known: axes, at: pair.keyMark.place))
                continue
            }
            result.baseline[pair.key] = pair.value.flow
        }
        if let baseline, faults.isEmpty {
            let isThere = cells.contains { cell in
                result.baseline.allSatisfy { key, value in
                    cell.values.contains { $0.axis == key && $0.value == value }
                }
            }
            if !isThere { faults.add(.noSuchCell("compare.baseline", at: baseline.mark.place)) }
        }
        let declared = Set(cells.flatMap { $0.declaration.cohorts.map(\.id.name) })
        for name in cohorts ?? [] where !declared.contains(name.name) {
            faults.add(
                .unknownName("compare.cohorts", "cohort", name.name, known: declared.sorted(), at: name.mark.place))
        }
        return result
    }
}
