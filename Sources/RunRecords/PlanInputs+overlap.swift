// How many documents of a held-back set are in training too, as a step's record says it.

import Federation
import Workflows

extension PlanInputs {
    /// How many documents of a validation or test set are in training too, for its step's record; nil where none is.
    package func overlapping(_ role: DatasetRole, owner: String) -> JSONValue? {
        datasets.first { $0.role == role && $0.owner == owner }.flatMap(Self.overlapping)
    }

    /// The same of one set.
    package static func overlapping(_ set: DatasetSummary) -> JSONValue? {
        set.overlapping > 0 ? .integer(Int64(set.overlapping)) : nil
    }
}
