// What a run begins without: sites whose notes cannot be read, and single documents that are passed over.

import Faults
import Federation
import Workflows

extension LeftOutSite {
    /// Why a site's notes could not be read: the first fault's code and the count of documents, never text. Nil for an error that is not of notes.
    init?(_ site: SiteID, _ error: any Error) {
        guard let report = FaultReport(joining: [error]), let first = report.faults.first,
            report.faults.allSatisfy({ $0.kind == .data }),
            FaultCode.isKnown(first.code)
        else { return nil }
        self.init(site: site, reason: first.code, documents: report.documents)
    }
}

extension FaultReport {
    /// The faults of several errors, in their order; nil where they hold none.
    init?(joining errors: [any Error]) {
        var faults: [Fault] = []
        var documents = 0
        for error in errors {
            if let report = error as? FaultReport {
                faults += report.faults
                documents += report.documents
            } else if let fault = error as? Fault {
                faults.append(fault)
            }
        }
        guard !faults.isEmpty else { return nil }
        self.init(faults)
        self.documents = documents
    }
}

extension RunContext {
    /// How many documents a line names.
    private static let named = 20

    /// Documents that are passed over: the first twenty with their codes, the others counted by code.
    static func words(ofSkipped skipped: [(document: String, code: String)]) -> String {
        var text = "\(skipped.count) document\(skipped.count == 1 ? "" : "s") left out: "
        text += skipped.prefix(named).map { "\($0.document) (\($0.code))" }.joined(separator: ", ")
        var counts: [String: Int] = [:]
        for entry in skipped.dropFirst(named) { counts[entry.code, default: 0] += 1 }
        if !counts.isEmpty {
            let rest = counts.sorted { $0.key < $1.key }.map { "\($0.value) by \($0.key)" }
            text += "; and \(skipped.count - named) more: \(rest.joined(separator: ", "))"
        }
        return text
    }

    /// A warning of a training that is too short to learn from, before any time is spent on it; nil for any other.
    static func fewSteps(_ declaration: FederationDeclaration, _ records: Int) -> String? {
        guard let training = declaration.training else { return nil }
        let steps = training.epochs * ((records + training.batchSize - 1) / training.batchSize)
        guard steps * declaration.rounds < 20 else { return nil }
        let total = steps * declaration.rounds
        return "\(total) optimiser step\(total == 1 ? "" : "s") in all rounds are few to learn from"
            + (training.warmupRatio > 0 ? "; those that begin a training have learning rate 0 (warmup_ratio)" : "")
    }
}
