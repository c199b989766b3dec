// Record: one prompt and its completion, for a sentence or one head in it, with the gold that it is scored against; RecordBuilder builds
// them.

import Federation

/// One prompt and completion, made from one sentence of a document.
public struct Record: Sendable, Equatable {
    /// The document.
    public var document: String
    /// The task.
    public var task: ExtractionTask
    /// The types that the prompt names.
    public var types: [String]
    /// The sentence, in code points of the document, end exclusive.
    public var range: Range<Int>
    /// The sentence's text; its first code point is `range.lowerBound` of the document.
    public var text: [Unicode.Scalar]
    /// The instruction and the input.
    public var prompt: String
    /// The text with its mentions marked, without the template's end marker.
    public var completion: String
    /// The mentions of the prompt's types that begin in this sentence, or the head's modifiers; with offsets of the document, and complete:
    /// also those that marks cannot express.
    public var gold: [Entity]
    /// The head for relation extraction, otherwise nil.
    public var head: Entity?

    /// Makes a record; `text` is as long as `range`.
    public init(
        document: String, task: ExtractionTask, types: [String], range: Range<Int>, text: [Unicode.Scalar],
        prompt: String,
        completion: String, gold: [Entity], head: Entity?
    ) {
        precondition(text.count == range.count, "\(text.count) code points in a range of \(range.count)")
        self.document = document
        self.task = task
        self.types = types
        self.range = range
        self.text = text
        self.prompt = prompt
        self.completion = completion
        self.gold = gold
        self.head = head
    }
}

/// What records are used for.
public enum RecordPurpose: Sendable, Hashable {
    /// For training, or for computing a loss: sentences that a mention crosses are joined.
    case training
    /// For extraction and scoring: sentences are cut as in a note without annotation.
    case evaluation
}

/// What was found while records were built; counts can be added over documents.
public struct RecordCounts: Sendable, Equatable {
    /// Documents read.
    public var documents = 0
    /// Records built.
    public var records = 0
    /// Records without any mention.
    public var withoutMentions = 0
    /// Mentions of the chosen types.
    public var mentions = 0
    /// Mentions whose exact boundaries are in the completion.
    public var expressed = 0
    /// Cuts between sentences that were removed, because a mention crosses them.
    public var joined = 0
    /// Discontinuous mentions marked from their first fragment to their last.
    public var covered = 0
    /// Mentions marked without the white space around the sentence.
    public var clipped = 0
    /// Mentions with the same type and boundaries as another.
    public var repeated = 0
    /// Mentions left unmarked because they cross a longer one.
    public var crossing = 0
    /// Mentions left unmarked because they reach beyond their sentence.
    public var beyond = 0
    /// Relations left out because, by the template, that type of modifier belongs to no such head.
    public var notApplicable = 0

    /// No records.
    public init() {}

    /// The counts for a record of the ledger.
    public var json: JSONValue {
        .object([
            "documents": .integer(Int64(documents)), "records": .integer(Int64(records)),
            "without_mentions": .integer(Int64(withoutMentions)), "mentions": .integer(Int64(mentions)),
            "expressed": .integer(Int64(expressed)), "joined": .integer(Int64(joined)),
            "covered": .integer(Int64(covered)),
            "clipped": .integer(Int64(clipped)), "repeated": .integer(Int64(repeated)),
            "crossing": .integer(Int64(crossing)), "beyond": .integer(Int64(beyond)),
            "not_applicable": .integer(Int64(notApplicable)),
        ])
    }
}
