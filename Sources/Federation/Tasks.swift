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

/// The meaning of the labels of a source's annotations, if they are not our types.
public struct LabelMap: Hashable, Sendable {
    /// The relation type that a relation's label may mean.
    public static let relation = "hasAttr"
    /// A label and the type that it means, or nil where annotations of that label are passed over.
    public var names: [String: String?]

    /// Makes a map; without names every label is its own type.
    public init(_ names: [String: String?] = [:]) { self.names = names }

    /// The type of a label: the label itself where the map does not name it, nil where it is passed over.
    public func type(of label: String) -> String? { names[label] ?? label }
}

/// What happens to a document that cannot be read.
public enum BadDocuments: String, Sendable, CaseIterable {
    /// Every fault is reported and nothing runs.
    case fail
    /// The document is left out, counted and named.
    case skip
}

/// The unit of a site's size n_k.
public enum SizeUnit: String, Sendable, CaseIterable {
    /// Records trained on.
    case records
    /// Tokens that the loss covers, over all records, in one epoch.
    case labelTokens = "label_tokens"
}

/// Scores by another way of counting, besides ours.
public enum ScoreCompatibility: String, Sendable, CaseIterable {
    /// Only ours.
    case none
    /// Also those of the published evaluation, with its faults, only for comparison with its figures.
    case authors
}

/// Where the heads that relation extraction is asked about come from in an evaluation.
public enum HeadSource: String, Sendable, CaseIterable {
    /// The annotated heads: only relation extraction is scored.
    case gold
    /// The mentions that named entity recognition found: the end-to-end score.
    case predicted
}

/// Rules that move the boundaries of predicted mentions, by the names that records give them. A changed rule has a new name.
package enum BoundaryRule {
    /// Whole words, and no final punctuation (MentionBoundaries).
    package static let wholeWords = "whole-words/1"
}
