// The tasks of clinical information extraction and what a site annotates of them.

/// A clinical extraction task.
public enum ExtractionTask: String, Sendable, CaseIterable, Hashable {
    /// Named entity recognition: marks problem, treatment, test, drug.
    case ner
    /// Relation extraction: marks the modifiers of one head entity.
    case re
}

/// Which types of a task a data source annotates.
public enum TypeSelection: Hashable, Sendable {
    /// Every type that the template names for the task.
    case all
    /// These types, in the template's order; never empty.
    case some([String])
}

/// What a data source annotates: the types by task. A task that is absent is not annotated.
public struct TaskSelection: Hashable, Sendable {
    /// The types for named entity recognition, nil where the task is not annotated.
    public var ner: TypeSelection?
    /// The modifier types for relation extraction, nil where the task is not annotated.
    public var re: TypeSelection?

    /// Makes a selection.
    public init(ner: TypeSelection? = nil, re: TypeSelection? = nil) {
        self.ner = ner
        self.re = re
    }
}

/// Where the heads that relation extraction is asked about come from in an evaluation.
public enum HeadSource: String, Sendable, CaseIterable {
    /// The annotated heads: relation extraction alone is scored.
    case gold
    /// The mentions that named entity recognition found: the end-to-end score.
    case predicted
}
