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

/// What the labels of a source's annotations stand for, where they are not ours.
public struct LabelMap: Hashable, Sendable {
    /// The relation type that a relation's label may stand for.
    public static let relation = "hasAttr"
    /// A label and the type it stands for, or nil where annotations of that label are to be passed over.
    public var names: [String: String?]

    /// Makes a map; without names every label stands for itself.
    public init(_ names: [String: String?] = [:]) { self.names = names }

    /// The type of a label: itself where the map does not name it, nil where it is passed over.
    public func type(of label: String) -> String? { names[label] ?? label }
}

/// What becomes of a document that cannot be read.
public enum BadDocuments: String, Sendable, CaseIterable {
    /// Every fault is told and nothing runs.
    case fail
    /// The document is left out, counted and named.
    case skip
}

/// The unit in which a site's size n_k counts.
public enum SizeUnit: String, Sendable, CaseIterable {
    /// Records trained on.
    case records
    /// Tokens that the loss covers, over all records, in one epoch.
    case labelTokens = "label_tokens"
}

/// Scores of another counting beside ours.
public enum ScoreCompatibility: String, Sendable, CaseIterable {
    /// Ours alone.
    case none
    /// Those of the published evaluation too, faults included, for comparison with its figures alone.
    case authors
}

/// Where the heads that relation extraction is asked about come from in an evaluation.
public enum HeadSource: String, Sendable, CaseIterable {
    /// The annotated heads: relation extraction alone is scored.
    case gold
    /// The mentions that named entity recognition found: the end-to-end score.
    case predicted
}
