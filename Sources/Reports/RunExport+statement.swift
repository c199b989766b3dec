// The in-toto statement of a run (Statement v1) with a SLSA provenance v1 predicate: of which inputs the adapter was made, and how.
// SignedStatement signs it where a key is given. Approvals and the keys of the commits are in it, as annotations of the ledger.

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
            "annotations": ["signers": .array(signers), "approvals": .array(approvals)],
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

    /// Who signed the run's commits; empty for a run that is not signed.
    private var signers: [JSONValue] {
        report.people.keys(of: report.commits).filter { $0.signer != .nobody }.map { row in
            [
                "role": .string(row.signer.role), "key": row.signer.key.map { .string($0) } ?? .null,
                "commits": .integer(Int64(row.commits)), "first": .string(Self.utc(row.first)),
                "last": .string(Self.utc(row.last)),
            ]
        }
    }

    /// Every answer of a site to the plan.
    private var approvals: [JSONValue] {
        report.people.answers.map { answer in
            [
                "site": .string(answer.site.name), "answer": .string(answer.status),
                "time": .string(Self.utc(answer.commit.time)), "commit": .string(answer.commit.id.hex),
                "signer": .string(answer.signer.role), "key": answer.signer.key.map { .string($0) } ?? .null,
            ]
        }
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
