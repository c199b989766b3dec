// The steps of a round: a list of mappings with one key each, the step's name.

import Faults
import Federation

extension WorkflowReader {
    /// The steps in the only order that is allowed.
    enum StepName: String, CaseIterable {
        case train, upload, score, aggregate, evaluate
    }

    /// A step as read, with the places that the cross checks refer to.
    struct PlacedStep: Sendable {
        /// Nil where the name is unknown.
        var name: StepName?
        /// Nil where the step is wrong.
        var step: Step?
        var path: String
        var mark: YAMLMark
        /// The rule of an aggregate step.
        var ruleMark: YAMLMark?
        /// The unit of sizes of an aggregate step.
        var sizeUnit: SizeUnit?
        /// The cohorts of an evaluate step.
        var cohorts: [PlacedName] = []

        init(name: StepName? = nil, path: String, mark: YAMLMark) {
            self.name = name
            self.path = path
            self.mark = mark
        }

        /// A step of a plan.
        init(_ step: Step, _ unit: SizeUnit) {
            self.init(name: StepName(rawValue: step.name), path: "", mark: .nowhere)
            self.step = step
            if case .aggregate = step { sizeUnit = unit }
        }
    }

    /// The steps in the order of the file.
    static let stepList = ValueType<[PlacedStep]>(
        words: "list of steps, below", schema: ["type": "array", "items": stepSchema],
        read: { node, path, faults in
            guard let elements = node.elements else {
                faults.add(.notAList(path, node, of: "steps", known: StepName.allCases.map(\.rawValue)))
                return nil
            }
            return elements.enumerated().map { index, element in
                placedStep(element, path: "\(path).\(index)", faults: faults)
            }
        },
        write: { steps in .array(steps.compactMap { $0.step.map { json($0, steps) } }) })

    /// A step's name alone, or a mapping from it to its settings.
    private static var stepSchema: JSONValue {
        let bare = StepName.allCases.filter { !schema(of: $0).keys.contains("required") }
        let forms = StepName.allCases.map { name -> JSONValue in
            let settings = schema(of: name)
            let value: JSONValue =
                settings.keys.contains("required")
                ? .object(settings) : ["anyOf": [.object(settings), ["type": "null"]]]
            return [
                "type": "object", "properties": .object([name.rawValue: value]), "required": [.string(name.rawValue)],
                "additionalProperties": false,
            ]
        }
        return ["anyOf": .array([["enum": .array(bare.map { .string($0.rawValue) })]] + forms)]
    }

    private static func schema(of name: StepName) -> [String: JSONValue] { sectionSchema(descriptions(of: name)) }

    /// The descriptions of a step's keys.
    static func descriptions(of name: StepName) -> [SettingDescription] {
        switch name {
        case .train: Settings.train.descriptions
        case .upload: Settings.upload.descriptions
        case .score: Settings.score.descriptions
        case .aggregate: Settings.aggregate.descriptions
        case .evaluate: Settings.evaluate.descriptions
        }
    }

    private static func placedStep(_ element: YAMLNode, path: String, faults: FaultCollector) -> PlacedStep {
        let known = StepName.allCases.map(\.rawValue)
        var key: YAMLPair
        switch element.content {
        case .scalar(let text, plain: _) where element.scalar == .string(text):
            key = YAMLPair(key: text, keyMark: element.mark, value: YAMLNode(.mapping([]), mark: element.mark))
        case .mapping(let pairs) where pairs.count == 1:
            key = pairs[0]
            if key.value.isNull { key.value = YAMLNode(.mapping([]), mark: key.keyMark) }
        default:
            faults.add(
                .wrongType(
                    path, is: stepKind(element), expected: "one step name with its settings", at: element.mark.place))
            return PlacedStep(path: path, mark: element.mark)
        }
        guard let name = StepName(rawValue: key.key) else {
            faults.add(.unknownKey(key.key, in: path, known: known, at: key.keyMark.place))
            return PlacedStep(path: path, mark: key.keyMark)
        }
        var placed = PlacedStep(name: name, path: "\(path).\(name.rawValue)", mark: key.keyMark)
        switch name {
        case .train: placed.step = Settings.train.read(key.value, placed.path, faults).map { .train($0) }
        case .upload: placed.step = Settings.upload.read(key.value, placed.path, faults).map { .upload($0.precision) }
        case .score: placed.step = Settings.score.read(key.value, placed.path, faults).map { .score($0) }
        case .aggregate:
            guard
                let mapping = MappingReader(key.value, path: placed.path, keys: Settings.aggregate.keys, faults: faults)
            else { break }
            let form = Settings.aggregate.read(mapping)
            placed.ruleMark = mapping.node("rule")?.mark
            placed.sizeUnit = form.size.unit
            guard mapping.pair("rule") != nil else { break }
            if mapping.node("rule")?.scalar == .string(form.rule.rawValue) { checkKeys(of: form, mapping) }
            placed.step = .aggregate(form.aggregation)
        case .evaluate:
            guard let form = Settings.evaluate.read(key.value, placed.path, faults) else { break }
            placed.cohorts = form.cohorts
            placed.step = .evaluate(form.configuration)
        }
        return placed
    }

    /// Keys that the rule, or the way the product is made, leaves without a meaning.
    private static func checkKeys(of form: Settings.AggregateForm, _ mapping: MappingReader) {
        func refuse(_ keys: [String], _ why: String) {
            for key in keys {
                guard let pair = mapping.pair(key) else { continue }
                mapping.faults.add(.misplacedKey(key, why, at: pair.keyMark.place))
            }
        }
        if form.rule != .fedMedLoRAPlus {
            refuse(
                ["temperature", "temperature_in", "shrink"] + (form.size.unit == nil ? ["size"] : []),
                "only the rule fed-medlora-plus has it")
        }
        if form.rest.product != .mean {
            refuse(
                ["refactor", "clip", "robust", "refine", "rotate"],
                "with product: \(form.rest.product.rawValue) no mean of A and of B is taken")
        }
    }

    private static func stepKind(_ node: YAMLNode) -> String {
        guard let pairs = node.pairs else { return MappingReader.kind(of: node) }
        return pairs.isEmpty ? "an empty mapping" : "a mapping of \(pairs.count) keys"
    }

    /// The unit of sizes belongs to the workflow; its first aggregate step names it.
    private static func json(_ step: Step, _ steps: [PlacedStep]) -> JSONValue {
        let settings: JSONValue =
            switch step {
            case .train(let training): Settings.train.write(training)
            case .upload(let precision): Settings.upload.write(Settings.UploadForm(precision: precision))
            case .score(let scoring): Settings.score.write(scoring)
            case .aggregate(let rule):
                Settings.aggregate.write(
                    Settings.AggregateForm(rule, steps.compactMap(\.sizeUnit).first ?? .records))
            case .evaluate(let evaluation): Settings.evaluate.write(Settings.EvaluationForm(evaluation))
            }
        return .object([step.name: settings])
    }
}
