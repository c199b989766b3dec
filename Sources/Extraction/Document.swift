// Document, Entity, Relation: an annotated note, with every offset counted in Unicode code points; CorpusReader reads them.

/// A clinical note with its annotation.
public struct Document: Sendable, Equatable {
    /// The id: the file's name without its ending, or the `id` of a JSON line.
    public var id: String
    /// The text as Unicode code points; offsets index this array. CRLF is two of them.
    public var text: [Unicode.Scalar]
    /// The entities, in the order of the source.
    public var entities: [Entity]
    /// The relations, in the order of the source.
    public var relations: [Relation]
    /// The attributes of mentions and relations, in the order of the source: they are read and written, but not used in records.
    public var attributes: [Attribute] = []

    /// Makes a document.
    public init(id: String, text: [Unicode.Scalar], entities: [Entity] = [], relations: [Relation] = []) {
        self.id = id
        self.text = text
        self.entities = entities
        self.relations = relations
    }
}

/// A mention in a document: an entity or a modifier.
public struct Entity: Sendable, Hashable {
    /// The id, unique in its document: `T4`.
    public var id: String
    /// The type: one of `AnnotationType.all` where a reader made it.
    public var type: String
    /// The fragments in code points of the document, end exclusive, ascending, never empty; several where the mention is discontinuous.
    public var spans: [Range<Int>]

    /// Makes a mention.
    public init(id: String, type: String, spans: [Range<Int>]) {
        precondition(!spans.isEmpty, "a mention has at least one span")
        self.id = id
        self.type = type
        self.spans = spans
    }

    /// From the start of the first fragment to the end of the last, in code points.
    public var hull: Range<Int> { spans[0].lowerBound..<spans[spans.count - 1].upperBound }
}

/// A relation from a head entity to one of its modifiers.
public struct Relation: Sendable, Hashable {
    /// The only relation type there is.
    public static let hasAttr = "hasAttr"

    /// The type, `hasAttr`.
    public var type: String
    /// The id of the head entity.
    public var head: String
    /// The id of the modifier.
    public var modifier: String

    /// Makes a relation.
    public init(type: String = Relation.hasAttr, head: String, modifier: String) {
        self.type = type
        self.head = head
        self.modifier = modifier
    }
}

/// A mark that BRAT puts on an annotation: `A1 Negation T3`, or with a value `A2 Certainty T3 low`.
public struct Attribute: Sendable, Hashable {
    /// The name.
    public var name: String
    /// The id of the annotation that has it.
    public var target: String
    /// The value, nil where there is none.
    public var value: String?

    /// Makes an attribute.
    public init(name: String, target: String, value: String?) {
        self.name = name
        self.target = target
        self.value = value
    }
}

/// The names of the types: four kinds of entity and the 16 kinds of modifier that entities may have.
public enum AnnotationType {
    /// What named entity recognition marks.
    public static let entities = ["problem", "treatment", "test", "drug"]
    /// What relation extraction marks.
    public static let modifiers = [
        "bodyloc", "condition", "course", "dosage", "duration", "form", "frequency", "labvalue", "negation",
        "reference_range", "route", "severity", "strength", "subject", "temporal", "uncertain",
    ]
    /// Every type a corpus may name.
    public static let all = entities + modifiers
}

extension String {
    /// The text of some code points.
    package init(scalars: some Sequence<Unicode.Scalar>) {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        self = String(view)
    }
}

extension Unicode.Scalar {
    /// Whether this is white space, line ends included.
    var isSpace: Bool { value < 0x80 ? value == 0x20 || (0x09...0x0d).contains(value) : properties.isWhitespace }
    /// Whether this is one of 0 to 9.
    var isDigit: Bool { (0x30...0x39).contains(value) }
    /// Whether this is an upper-case letter.
    var isUpper: Bool { value < 0x80 ? (0x41...0x5a).contains(value) : properties.isUppercase }
    /// Whether this is a letter.
    var isLetter: Bool {
        value < 0x80 ? (0x41...0x5a).contains(value) || (0x61...0x7a).contains(value) : properties.isAlphabetic
    }
}
