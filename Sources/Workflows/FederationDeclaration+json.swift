// A declaration as JSON: the workflow format itself with every default written out, so that one reader reads both.

import Federation

extension FederationDeclaration {
    /// The workflow with every default explicit; `sites` holds those that take part.
    ///
    /// A seed above 2^63 - 1 is a string of digits, because JSON integers here have 63 bits.
    public var json: JSONValue {
        var members: [String: JSONValue] = [
            "version": 1, "name": .string(name), "summary": .string(summary),
            "seed": Int64(exactly: seed).map { .integer($0) } ?? .string(String(seed)),
            "data_root": .string(dataRoot),
            "model": [
                "base": .string(model.base), "weights": .string(model.weights.rawValue),
                "numerics": .string(model.numerics.rawValue),
            ],
            "adapter": [
                "rank": Self.json(adapter.rank), "alpha": Self.json(adapter.alpha),
                "dropout": Self.json(adapter.dropout),
                "targets": .array(adapter.targets.map { .string($0.rawValue) }),
            ],
            "template": .string(template),
            "rounds": Self.json(rounds),
            "steps": .array(steps.map { .object([$0.name: Self.json($0, sizeUnit)]) }),
            "sites": .object(
                Dictionary(sites.map { ($0.id.name, Self.json($0)) }) { first, _ in first }),
            "cohorts": .object(
                Dictionary(cohorts.map { ($0.id.name, Self.json($0)) }) { first, _ in first }),
        ]
        // Left out where they are not asked for, so that plans from before they existed keep their digest.
        members["quorum"] = quorum.map { Self.json($0) }
        if signing == .required { members["signing"] = .string(signing.rawValue) }
        if approvals == .required { members["approvals"] = .string(approvals.rawValue) }
        if let coordinator {
            members["coordinator"] = [
                "validation": .string(coordinator.validation.path), "tasks": Self.json(coordinator.validation.tasks),
                "records": Self.json(coordinator.records),
            ]
            if !coordinator.validation.labels.names.isEmpty, case .object(var object)? = members["coordinator"] {
                object["labels"] = Self.json(coordinator.validation.labels)
                members["coordinator"] = .object(object)
            }
        }
        // Written where they are not the default: plans of before they were there stay what they were.
        if allowOverlap { members["allow_overlap"] = true }
        if badDocuments != .fail { members["on_bad_document"] = .string(badDocuments.rawValue) }
        return .object(members)
    }

    private static func json(_ value: Int) -> JSONValue { .integer(Int64(value)) }

    /// A whole value is written as an integer, as a JSON parser would give it back.
    private static func json(_ value: Double) -> JSONValue {
        Int64(exactly: value).map { .integer($0) } ?? .number(value)
    }

    private static func json(_ site: SiteDeclaration) -> JSONValue {
        ["train": .array(site.sources.map { json($0) })]
    }

    private static func json(_ cohort: CohortDeclaration) -> JSONValue {
        var members = members(cohort.data)
        if cohort.data.tasks.re != nil { members["heads"] = .string(cohort.heads.rawValue) }
        return .object(members)
    }

    private static func json(_ source: DataSource) -> JSONValue { .object(members(source)) }

    private static func members(_ source: DataSource) -> [String: JSONValue] {
        var members: [String: JSONValue] = [
            "data": .string(source.path), "tasks": json(source.tasks),
            "limit": source.limit.map { json($0) } ?? .null,
        ]
        if !source.labels.names.isEmpty { members["labels"] = json(source.labels) }
        return members
    }

    private static func json(_ labels: LabelMap) -> JSONValue {
        .object(labels.names.mapValues { type in type.map { .string($0) } ?? .null })
    }

    private static func json(_ tasks: TaskSelection) -> JSONValue {
        var members: [String: JSONValue] = [:]
        members["ner"] = tasks.ner.map { json($0) }
        members["re"] = tasks.re.map { json($0) }
        return .object(members)
    }

    private static func json(_ types: TypeSelection) -> JSONValue {
        switch types {
        case .all: "all"
        case .some(let names): .array(names.map { .string($0) })
        }
    }

    /// `checkpoint_every` is absent where nothing is kept, so that such a plan has the bytes it had before the key was known.
    private static func json(_ training: TrainingConfiguration) -> JSONValue {
        var members: [String: JSONValue] = [
            "epochs": json(training.epochs), "batch_size": json(training.batchSize),
            "learning_rate": json(training.learningRate), "warmup_ratio": json(training.warmupRatio),
            "schedule": .string(training.schedule.rawValue), "max_length": json(training.maxLength),
            "loss_on": .string(training.lossOn.rawValue), "weight_decay": json(training.weightDecay),
            "clip_norm": training.clipNorm.map { json($0) } ?? .null,
        ]
        members["checkpoint_every"] = training.checkpointEvery.map { json($0) }
        if training.checkpointActivations { members["checkpoint_activations"] = true }
        return .object(members)
    }

    private static func json(_ step: Step, _ unit: SizeUnit) -> JSONValue {
        switch step {
        case .train(let training): json(training)
        case .upload(let precision): ["precision": .string(precision.rawValue)]
        case .score(let measure): ["measure": .string(measure.rawValue)]
        case .aggregate(let rule): json(rule, unit)
        case .evaluate(let evaluation): json(evaluation)
        }
    }

    private static func json(_ rule: AggregationRule, _ unit: SizeUnit) -> JSONValue {
        var members: [String: JSONValue] = ["rule": .string(rule.name)]
        if case .fedMedLoRAPlus(let temperature, let size) = rule {
            members["temperature"] = json(temperature)
            members["size"] = .bool(size)
        }
        if unit != .records { members["size"] = .string(unit.rawValue) }
        return .object(members)
    }

    private static func json(_ evaluation: EvaluationConfiguration) -> JSONValue {
        var members: [String: JSONValue] = [
            "cohorts": .array(evaluation.cohorts.map { .string($0.name) }),
            "when": .string(evaluation.when.rawValue),
            "max_new_tokens": json(evaluation.maxNewTokens), "batch_size": json(evaluation.batchSize),
        ]
        if evaluation.compatibility != .none { members["compat"] = .string(evaluation.compatibility.rawValue) }
        return .object(members)
    }
}
