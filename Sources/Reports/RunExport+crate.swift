// The RO-Crate of a run: RO-Crate 1.1 with the Workflow Run Crate profile 0.5, which extends Process Run Crate 0.5 and
// Workflow RO-Crate 1.0. One action for the whole run, and one for every step that has a record.

import Digests
import Federation
import Foundation
import RunRecords
import Workflows

extension RunExport {
    private static let profiles: [(id: String, name: String, version: String)] = [
        ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
        ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
        ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
    ]
    private static let bioschemas = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
    private static let language = "#medrounds-workflow"
    private static let coordinator = "#federation"

    private static func ref(_ id: String) -> JSONValue { ["@id": .string(id)] }
    /// One reference is a single value, several are a list, as RO-Crate 1.1 recommends.
    private static func refs(_ ids: [String]) -> JSONValue { ids.count == 1 ? ref(ids[0]) : .array(ids.map(ref)) }

    func crateJSON(_ made: [(path: String, bytes: [UInt8])]) -> JSONValue {
        let made = made.map { ExportedFile(path: $0.path, bytes: $0.bytes, digest: Digest.sha256($0.bytes)) }
        var graph: [JSONValue] = [descriptor, root(made.map(\.path))]
        graph += (committed + made).map(file)
        graph += Self.profiles.map { profile in
            [
                "@id": .string(profile.id), "@type": "CreativeWork", "name": .string(profile.name),
                "version": .string(profile.version),
            ]
        }
        graph += [
            [
                "@id": .string(Self.language), "@type": "ComputerLanguage", "name": "MedRounds workflow, version 1",
                "description": "A federation declared in one YAML file",
            ],
            [
                "@id": .string(Self.engine), "@type": "SoftwareApplication", "name": "medrounds",
                "softwareVersion": .string(plan.inputs.engineVersion),
            ],
            [
                "@id": .string(Self.coordinator), "@type": "Organization",
                "name": .string("The federation of \(plan.declaration.name)"),
            ],
        ]
        if !license.contains("://") {
            graph.append([
                "@id": "#license", "@type": "CreativeWork", "name": .string(license),
                "description": .string(license),
            ])
        } else {
            graph.append(["@id": .string(license), "@type": "CreativeWork", "name": .string(license)])
        }
        graph += parameters + notes
        graph.append(wholeRun)
        graph += steps
        graph += people
        return [
            "@context": [
                "https://w3id.org/ro/crate/1.1/context",
                // Terms that RO-Crate 1.1 does not define.
                ["sha256": "https://w3id.org/ro/terms/workflow-run#sha256"],
            ], "@graph": .array(graph),
        ]
    }

    private var descriptor: JSONValue {
        [
            "@id": .string(Self.crate), "@type": "CreativeWork", "about": Self.ref("./"),
            "conformsTo": Self.refs(["https://w3id.org/ro/crate/1.1", Self.profiles[2].id]),
        ]
    }

    private func root(_ made: [String]) -> JSONValue {
        let declaration = plan.declaration
        return [
            "@id": "./", "@type": "Dataset", "name": .string("Run \(run)"),
            "description": .string(
                declaration.summary.isEmpty ? "A federated LoRA training: \(declaration.name)" : declaration.summary),
            "datePublished": .string(times.last),
            "license": Self.ref(license.contains("://") ? license : "#license"),
            "conformsTo": Self.refs(Self.profiles.map(\.id)), "mainEntity": Self.ref(RunPath.workflow),
            "hasPart": Self.refs(committed.map(\.path) + made),
            "mentions": Self.refs(["#run"] + stepRecords.map { "#step/\($0.path)" } + answers.map(\.id)),
            "author": Self.ref(Self.coordinator), "publisher": Self.ref(Self.coordinator),
        ]
    }

    private func file(_ file: ExportedFile) -> JSONValue {
        var members: [String: JSONValue] = [
            "@id": .string(file.path), "@type": "File", "name": .string(file.path),
            "contentSize": .string(String(file.bytes.count)), "sha256": .string(file.digest.hex),
        ]
        switch (file.path as NSString).pathExtension {
        case "jsonl": members["encodingFormat"] = "application/jsonl"
        case "pem": members["encodingFormat"] = "application/x-pem-file"
        case "json": members["encodingFormat"] = "application/json"
        case "yaml": members["encodingFormat"] = "application/yaml"
        case "md": members["encodingFormat"] = "text/markdown"
        default: members["encodingFormat"] = "application/octet-stream"
        }
        switch file.path {
        case RunPath.workflow:
            members["@type"] = ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
            members["name"] = .string(plan.declaration.name)
            members["description"] = .string(
                plan.declaration.summary.isEmpty ? "Federated LoRA" : plan.declaration.summary)
            members["version"] = .string(plan.inputs.workflowDigest.hex)
            members["conformsTo"] = Self.ref(Self.bioschemas)
            members["programmingLanguage"] = Self.ref(Self.language)
            members["license"] = Self.ref(license.contains("://") ? license : "#license")
            members["dateCreated"] = .string(times.first)
            members["creator"] = Self.ref(Self.coordinator)
            members["input"] = Self.refs([
                "#parameter/plan", "#parameter/template", "#parameter/notes", "#parameter/model",
            ])
            if hasAdapter { members["output"] = Self.refs(["#parameter/adapter"]) }
        case Self.readme, Self.envelope, Self.statement: members["about"] = Self.ref("./")
        case RunPath.plan: members["exampleOfWork"] = Self.ref("#parameter/plan")
        case RunPath.template: members["exampleOfWork"] = Self.ref("#parameter/template")
        case RunPath.global: members["exampleOfWork"] = Self.ref("#parameter/adapter")
        default: break
        }
        return .object(members)
    }

    private var hasAdapter: Bool { committed.contains { $0.path == RunPath.global } }

    // MARK: Parameters and what they were

    private var parameters: [JSONValue] {
        func parameter(_ name: String, _ type: String, _ what: String, _ example: JSONValue) -> JSONValue {
            [
                "@id": .string("#parameter/\(name)"), "@type": "FormalParameter", "name": .string(name),
                "additionalType": .string(type), "description": .string(what), "workExample": example,
                "conformsTo": Self.ref("https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"),
                "valueRequired": .bool(name != "adapter"),
            ]
        }
        var list = [
            parameter("plan", "File", "the workflow with every default and digest", Self.ref(RunPath.plan)),
            parameter("template", "File", "the prompt template", Self.ref(RunPath.template)),
            parameter("notes", "PropertyValue", "each owner's notes, as a keyed commitment", Self.refs(noteIDs)),
            parameter("model", "PropertyValue", "the base model, by its SHA-256", Self.ref("#model")),
        ]
        if hasAdapter {
            list.append(parameter("adapter", "File", "the published global adapter", Self.ref(RunPath.global)))
        }
        list.append([
            "@id": .string(Self.bioschemas), "@type": "CreativeWork", "name": "Bioschemas ComputationalWorkflow",
            "version": "1.0-RELEASE",
        ])
        list.append([
            "@id": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE", "@type": "CreativeWork",
            "name": "Bioschemas FormalParameter", "version": "1.0-RELEASE",
        ])
        return list
    }

    private var noteIDs: [String] {
        plan.inputs.datasets.enumerated().map { "#notes/\($0.offset)/\($0.element.owner)" }
    }

    private var notes: [JSONValue] {
        var values: [JSONValue] = zip(noteIDs, plan.inputs.datasets).map { id, set in
            [
                "@id": .string(id), "@type": "PropertyValue",
                "name": .string("\(set.role.rawValue) notes of \(set.owner)"),
                "propertyID": "HMAC-SHA-256", "value": .string(set.commitment.hex),
                "description": .string("\(set.records) records of \(set.documents) documents"),
                "exampleOfWork": Self.ref("#parameter/notes"),
            ]
        }
        values.append([
            "@id": "#model", "@type": "PropertyValue", "name": .string(plan.inputs.model.name), "propertyID": "SHA-256",
            "value": .string(plan.inputs.model.digest.hex), "exampleOfWork": Self.ref("#parameter/model"),
        ])
        return values
    }

    // MARK: Actions

    private var wholeRun: JSONValue {
        let results = committed.map(\.path).filter { $0 == RunPath.global || $0.hasSuffix("/record.json") }
        return [
            "@id": "#run", "@type": "CreateAction", "name": .string("Run \(run)"),
            "description": .string(
                "\(report.summary.steps.done) of \(report.summary.steps.planned) steps, commit \(report.summary.tip)"),
            "instrument": Self.ref(RunPath.workflow), "agent": Self.ref(Self.coordinator),
            "startTime": .string(times.first), "endTime": .string(times.last),
            "actionStatus": .string(Self.status(isComplete ? "Completed" : "Active")),
            "object": Self.refs([RunPath.plan, RunPath.template, "#model"] + noteIDs),
            "result": Self.refs(results.isEmpty ? [RunPath.plan] : results),
        ]
    }

    private var stepRecords: [ExportedFile] { committed.filter { $0.path.hasSuffix("/record.json") } }

    private var steps: [JSONValue] {
        stepRecords.map { file in
            let record = report.records[file.path]
            guard let step = RunReport.step(of: file.path) else { return .null }
            let round = record?["round"]?.int ?? 0
            let owner = [record?["cohort"]?.text, record?["site"]?.text].compactMap { $0 }.joined(separator: " at ")
            let timing = report.records[file.path.replacingOccurrences(of: "record.json", with: "timing.json")]
            let name = "round \(round) \(step)\(owner.isEmpty ? "" : " \(owner)")"
            let started = timing?["started"]?.text ?? times.first
            let formatter = ISO8601DateFormatter()
            let ended = formatter.date(from: started).map { date in
                Self.utc(Int64(date.timeIntervalSince1970 + (timing?["seconds"]?.double ?? 0)))
            }
            let results = [file.path] + (step == .aggregate && round == lastRound ? [RunPath.global] : [])
            return [
                "@id": .string("#step/\(file.path)"), "@type": "CreateAction", "name": .string(name),
                "description": .string(
                    "The step \(step) \(owner.isEmpty ? "of" : "of \(owner) in") round \(round)"),
                "instrument": Self.ref(Self.engine),
                "agent": Self.ref(record?["site"]?.text.map(Self.siteID) ?? Self.coordinator),
                "startTime": .string(Self.offset(started)), "endTime": .string(ended ?? Self.offset(started)),
                "actionStatus": .string(Self.status(record?["status"] == "failed" ? "Failed" : "Completed")),
                "object": Self.refs([RunPath.plan]), "result": Self.refs(results),
            ]
        }
    }

    // MARK: Sites, keys and approvals

    private static func siteID(_ name: String) -> String { "#site/\(name)" }

    /// Every answer of a site with its id in the graph.
    private var answers: [(id: String, answer: RunPeople.Answer)] {
        report.people.answers.enumerated().map { ("#approval/\($0.offset)/\($0.element.site)", $0.element) }
    }

    /// The sites, the keys that signed commits, and the approvals.
    private var people: [JSONValue] {
        var values: [JSONValue] = report.sites.map { site in
            ["@id": .string(Self.siteID(site.name)), "@type": "Organization", "name": .string(site.name)]
        }
        let keys = report.people.keys(of: report.commits + report.people.answers.map(\.commit))
        for (index, row) in keys.enumerated() where row.signer != .nobody {
            values.append([
                "@id": .string("#signer/\(index)"), "@type": "PropertyValue",
                "name": .string("key of \(row.signer.role)"), "propertyID": "ssh-ed25519",
                "value": .string(row.signer.key ?? "unknown"),
                "description": .string(
                    "signed \(row.commits) commits from \(Self.utc(row.first)) to \(Self.utc(row.last))"),
            ])
        }
        for (id, answer) in answers {
            values.append([
                "@id": .string(id), "@type": answer.approves ? "AuthorizeAction" : "RejectAction",
                "name": .string("\(answer.site) \(answer.approves ? "approved" : "withdrew its approval of") the plan"),
                "agent": Self.ref(Self.siteID(answer.site.name)), "object": Self.ref(RunPath.plan),
                "endTime": .string(Self.utc(answer.commit.time)), "actionStatus": .string(Self.status("Completed")),
                "description": .string(
                    "commit \(answer.commit.id.hex), signed by \(answer.signer)"
                        + (answer.flaw.map { "; does not hold: \($0)" } ?? "")),
            ])
        }
        return values
    }

    private static func status(_ name: String) -> String { "http://schema.org/\(name)ActionStatus" }

    private var lastRound: Int { report.summary.exchanges.last?.round ?? 0 }
}
