// PlanMaker: a workflow with its overrides resolved, the same way for a run and for its verification.

import Faults
import Federation
import Workflows

/// Resolves workflows the same way for a run and for its verification.
package enum PlanMaker {
    /// The declaration of a workflow with its overrides, in order.
    package static func declaration(
        workflow: [UInt8], file: String, overrides: [String]
    ) throws(FaultReport) -> FederationDeclaration {
        var parsed: [Override] = []
        var faults: [Fault] = []
        for text in overrides {
            do { parsed.append(try Override(parsing: text)) } catch { faults += error.faults }
        }
        guard faults.isEmpty else { throw FaultReport(faults) }
        return try WorkflowReader.read(bytes: workflow, file: file, overrides: parsed)
    }
}
