// The in-toto statement of a run (Statement v1) with a SLSA provenance v1 predicate: from which inputs the adapter was made, and how. It is
// not signed here; signatures cover the commits of the ledger.

import Digests
import Federation
import RunRecords
import Workflows

extension RunExport {
    var statementJSON: JSONValue {
        [
            "_type": "https://in-toto.io/Statement/v1",
            "subject": .array(subjects),
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": ["buildDefinition": definition, "runDetails": details],
        ]
    }

    private func descriptor(_ name: String, _ digest: Digest) -> JSONValue {
        ["name": .string(name), "digest": ["sha256": .string(digest.hex)]]
    }

    /// The published adapter; for a run that published none, the plan.
    private var subjects: [JSONValue] {
        let made = committed.filter { $0.path == RunPath.global }
        return (made.isEmpty ? committed.filter { $0.path == RunPath.plan } : made).map {
            descriptor($0.path, $0.digest)
        }
    }

    private var definition: JSONValue {
        var parameters: [String: JSONValue] = [
            "workflow": .string(plan.declaration.name), "seed": .string(String(plan.declaration.seed)),
            "plan_sha256": .string(planDigest.hex),
        ]
        if !plan.overrides.isEmpty { parameters["overrides"] = .array(plan.overrides.map { .string($0) }) }
        let inputs = plan.inputs
        var dependencies = [
            descriptor("base-model \(inputs.model.name)", inputs.model.digest),
            descriptor("tokenizer", inputs.tokenizerDigest),
            descriptor(RunPath.template, inputs.templateDigest),
            descriptor(RunPath.workflow, inputs.workflowDigest),
        ]
        for (index, set) in inputs.datasets.enumerated() {
            // A commitment is keyed: it is not a plain digest of the notes, and its name says so.
            dependencies.append([
                "name": .string("notes \(index) \(set.role.rawValue) \(set.owner)"),
                "digest": ["hmacSha256": .string(set.commitment.hex)],
                "annotations": ["records": .integer(Int64(set.records)), "documents": .integer(Int64(set.documents))],
            ])
        }
        dependencies.append([
            "name": "ledger", "uri": .string("git:refs/heads/runs/\(run)"),
            "digest": ["gitCommit": .string(report.summary.tip)],
        ])
        return [
            "buildType": "urn:medrounds:run:v1", "externalParameters": .object(parameters),
            "internalParameters": [
                "engine_version": .string(inputs.engineVersion),
                "numerics": .string(plan.declaration.model.numerics.rawValue),
            ],
            "resolvedDependencies": .array(dependencies),
        ]
    }

    private var details: JSONValue {
        let records = committed.filter { $0.path.hasSuffix("/record.json") }
        return [
            "builder": ["id": .string(Self.engine), "version": ["medrounds": .string(plan.inputs.engineVersion)]],
            "metadata": [
                "invocationId": .string("\(run)@\(report.summary.tip)"), "startedOn": .string(times.first),
                "finishedOn": .string(times.last),
            ],
            "byproducts": .array(records.map { descriptor($0.path, $0.digest) }),
        ]
    }
}
