// The steps of a round: one reader a step. A new step is one name, one reader here, and one case of Federation.Step.

import Faults
import Federation

extension WorkflowReader {
    /// The steps in the only order in which they may stand.
    enum StepName: String, CaseIterable {
        case train, upload, score, aggregate, evaluate
    }

    /// A step as read, with the places that cross checks speak of.
    struct PlacedStep {
        /// Nil where the name is unknown.
        var name: StepName?
        /// Nil where the step is at fault.
        var step: Step?
        var path: String
        var mark: YAMLMark
        /// The rule of an aggregate step.
        var ruleMark: YAMLMark?
        /// The unit of sizes of an aggregate step.
        var sizeUnit: SizeUnit?
        /// The cohorts of an evaluate step.
        var cohorts: [(name: String, mark: YAMLMark)] = []
    }

    /// The steps in the order of the file.
    static func steps(_ top: MappingReader) -> [PlacedStep] {
        guard let elements = top.list("steps", of: "steps", required: true) else { return [] }
        return elements.enumerated().map { index, element in placedStep(element, index: index, faults: top.faults) }
    }

    private static func placedStep(_ element: YAMLNode, index: Int, faults: FaultCollector) -> PlacedStep {
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
                    "steps.\(index)", is: stepKind(element), expected: "one step name with its settings",
                    at: element.mark.place))
            return PlacedStep(path: "steps.\(index)", mark: element.mark)
        }
        guard let name = StepName(rawValue: key.key) else {
            faults.add(.unknownKey(key.key, in: "steps.\(index)", known: known, at: key.keyMark.place))
            return PlacedStep(path: "steps.\(index)", mark: key.keyMark)
        }
        var placed = PlacedStep(name: name, path: "steps.\(index).\(name.rawValue)", mark: key.keyMark)
        func settings(_ keys: [String]) -> MappingReader? {
            MappingReader(key.value, path: placed.path, keys: keys, faults: faults)
        }
        switch name {
        case .train: placed.step = settings(trainKeys).map { .train(train($0)) }
        case .upload:
            placed.step = settings(["precision"]).map { .upload($0.choice("precision") ?? WorkflowDefaults.precision) }
        case .score:
            placed.step = settings(["measure"]).map { .score($0.choice("measure") ?? WorkflowDefaults.measure) }
        case .aggregate:
            guard let mapping = settings(["rule", "temperature", "size"]) else { break }
            placed.ruleMark = mapping.node("rule")?.mark
            placed.sizeUnit = sizeUnit(mapping)
            placed.step = aggregate(mapping).map { .aggregate($0) }
        case .evaluate:
            guard let mapping = settings(["cohorts", "when", "max_new_tokens", "batch_size", "compat"]) else { break }
            placed.cohorts =
                mapping.node("cohorts", required: true).flatMap {
                    names($0, path: mapping.path(of: "cohorts"), of: "cohorts", orElse: nil, faults: faults)
                } ?? []
            placed.step = .evaluate(evaluate(mapping, cohorts: placed.cohorts.map(\.name)))
        }
        return placed
    }

    private static func stepKind(_ node: YAMLNode) -> String {
        guard let pairs = node.pairs else { return MappingReader.kind(of: node) }
        return pairs.isEmpty ? "an empty mapping" : "a mapping of \(pairs.count) keys"
    }

    private static let trainKeys = [
        "epochs", "batch_size", "learning_rate", "warmup_ratio", "schedule", "max_length", "loss_on", "weight_decay",
        "clip_norm", "checkpoint_every", "checkpoint_activations",
    ]

    private static func train(_ mapping: MappingReader) -> TrainingConfiguration {
        let defaults = WorkflowDefaults.training
        let clipsNot = mapping.node("clip_norm")?.isNull == true
        let keepsNone = mapping.node("checkpoint_every")?.isNull == true
        return TrainingConfiguration(
            epochs: mapping.integer("epochs", in: 1...maximumCount) ?? defaults.epochs,
            batchSize: mapping.integer("batch_size", in: 1...maximumCount) ?? defaults.batchSize,
            learningRate: mapping.number("learning_rate", in: .above(0, through: 1)) ?? defaults.learningRate,
            warmupRatio: mapping.number("warmup_ratio", in: .from(0, through: 1)) ?? defaults.warmupRatio,
            schedule: mapping.choice("schedule") ?? defaults.schedule,
            maxLength: mapping.integer("max_length", in: 2...maximumCount) ?? defaults.maxLength,
            lossOn: mapping.choice("loss_on") ?? defaults.lossOn,
            weightDecay: mapping.number("weight_decay", in: .from(0, through: 1)) ?? defaults.weightDecay,
            clipNorm: clipsNot ? nil : mapping.number("clip_norm", in: .above(0)) ?? defaults.clipNorm,
            checkpointEvery: keepsNone
                ? nil : mapping.integer("checkpoint_every", in: 1...maximumCount) ?? defaults.checkpointEvery,
            checkpointActivations: mapping.flag("checkpoint_activations") ?? defaults.checkpointActivations)
    }

    private enum RuleName: String, CaseIterable {
        case fedMedLoRA = "fed-medlora"
        case fedMedLoRAPlus = "fed-medlora-plus"
    }

    private static func aggregate(_ mapping: MappingReader) -> AggregationRule? {
        let rule: RuleName? = mapping.choice("rule", required: true)
        let temperature = mapping.number("temperature", in: .above(0)) ?? WorkflowDefaults.temperature
        let size = sizeUnit(mapping) != nil ? true : mapping.flag("size") ?? WorkflowDefaults.size
        switch rule {
        case nil: return nil
        case .fedMedLoRAPlus: return .fedMedLoRAPlus(temperature: temperature, size: size)
        case .fedMedLoRA:
            for key in ["temperature", "size"] {
                if let pair = mapping.pair(key), key != "size" || sizeUnit(mapping) == nil {
                    mapping.faults.add(
                        .misplacedKey(key, "only the rule fed-medlora-plus has it", at: pair.keyMark.place))
                }
            }
            return .fedMedLoRA
        }
    }

    /// The unit that `size` names; nil where it is absent or a truth value.
    private static func sizeUnit(_ mapping: MappingReader) -> SizeUnit? {
        guard case .string(let text)? = mapping.node("size")?.scalar else { return nil }
        return SizeUnit(rawValue: text)
    }

    private static func evaluate(_ mapping: MappingReader, cohorts: [String]) -> EvaluationConfiguration {
        EvaluationConfiguration(
            cohorts: cohorts.compactMap { CohortID($0) },
            when: mapping.choice("when") ?? WorkflowDefaults.when,
            maxNewTokens: mapping.integer("max_new_tokens", in: 1...maximumCount) ?? WorkflowDefaults.maxNewTokens,
            batchSize: mapping.integer("batch_size", in: 1...maximumCount) ?? WorkflowDefaults.evaluationBatchSize,
            compatibility: mapping.choice("compat") ?? WorkflowDefaults.compatibility)
    }
}
