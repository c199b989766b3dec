// YAMLEvents: the only file that calls libyaml. A stream of events with marks, read one at a time.

import CYAML
import Faults

/// One libyaml event, copied into Swift values.
struct YAMLEvent {
    enum Content {
        case streamEnd
        case documentStart
        case alias(String)
        case scalar(String, plain: Bool)
        case sequenceStart, sequenceEnd
        case mappingStart, mappingEnd
        /// Stream start and document end, which hold nothing more.
        case other
    }
    var content: Content
    var mark: YAMLMark
    var anchor: String?
    var tag: String?
}

/// Owns one libyaml parser on the heap (it must not move) and a copy of the bytes it reads.
final class YAMLEvents {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>
    let source: YAMLSource

    /// Throws `workflow.syntax` only where libyaml has no memory.
    init(_ source: YAMLSource) throws(Fault) {
        self.source = source
        input = .allocate(capacity: max(source.bytes.count, 1))
        input.initialize(repeating: 0)
        for (index, byte) in source.bytes.enumerated() { input[index] = byte }
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        guard yaml_parser_initialize(parser) == 1 else {
            throw .syntax("libyaml could not start", at: Place(file: source.file))
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, input.baseAddress, source.bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        input.deallocate()
    }

    /// The next event. Throws `workflow.syntax` or `workflow.tab` where the text is not YAML.
    func next() throws(Fault) -> YAMLEvent {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw problem() }
        defer { yaml_event_delete(&event) }
        var result = YAMLEvent(content: .other, mark: mark(event.start_mark))
        switch event.type {
        case YAML_STREAM_END_EVENT: result.content = .streamEnd
        case YAML_DOCUMENT_START_EVENT: result.content = .documentStart
        case YAML_ALIAS_EVENT:
            result.content = .alias(Self.text(event.data.alias.anchor) ?? "")
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            result.content = .scalar(
                String(decoding: bytes, as: UTF8.self), plain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
            result.anchor = Self.text(scalar.anchor)
            result.tag = Self.text(scalar.tag)
        case YAML_SEQUENCE_START_EVENT:
            result.content = .sequenceStart
            result.anchor = Self.text(event.data.sequence_start.anchor)
            result.tag = Self.text(event.data.sequence_start.tag)
        case YAML_SEQUENCE_END_EVENT: result.content = .sequenceEnd
        case YAML_MAPPING_START_EVENT:
            result.content = .mappingStart
            result.anchor = Self.text(event.data.mapping_start.anchor)
            result.tag = Self.text(event.data.mapping_start.tag)
        case YAML_MAPPING_END_EVENT: result.content = .mappingEnd
        default: break
        }
        return result
    }

    private func mark(_ mark: yaml_mark_t) -> YAMLMark {
        YAMLMark(source: source, line: mark.line + 1, column: mark.column + 1)
    }

    private static func text(_ pointer: UnsafePointer<yaml_char_t>?) -> String? {
        guard let pointer else { return nil }
        return String(cString: pointer)
    }

    /// libyaml's problem in our words, with its place.
    private func problem() -> Fault {
        let problem = parser.pointee.problem.map { String(cString: $0) } ?? ""
        guard parser.pointee.error != YAML_READER_ERROR, parser.pointee.error != YAML_MEMORY_ERROR else {
            return .syntax("the text cannot be read as YAML: \(problem)", at: Place(file: source.file))
        }
        let line = parser.pointee.problem_mark.line + 1
        let column = parser.pointee.problem_mark.column + 1
        let text = Array(source.line(line).unicodeScalars)
        let character = text.indices.contains(column - 1) ? text[column - 1] : nil
        let indentation = text.prefix { $0 == " " || $0 == "\t" }
        if let tab = indentation.firstIndex(of: "\t") { return .tab(at: source.place(line: line, column: tab + 1)) }
        if character == "\t" { return .tab(at: source.place(line: line, column: column)) }
        if source.isShown, let fault = missingSpace(line) ?? missingSpace(line - 1) { return fault }
        return .syntax(
            Self.wording(of: problem, character: source.isShown ? character : nil),
            at: source.place(line: line, column: column))
    }

    /// `-score` and `limit:32`: YAML takes each as one word and then finds an error on the next line.
    private func missingSpace(_ number: Int) -> Fault? {
        let text = source.line(number)
        let indentation = text.prefix { $0 == " " }.count
        var body = text.dropFirst(indentation)
        if body.hasPrefix("-"), body.dropFirst().first?.isLetter == true {
            return Fault(
                .workflow, "workflow.syntax", "a list item begins with a hyphen and a space",
                at: source.place(line: number, column: indentation + 1), mend: Fault.hyphenMend)
        }
        if body.hasPrefix("- ") { body = body.dropFirst(2) }
        let name = body.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
        let rest = body.dropFirst(name.count)
        guard !name.isEmpty, rest.first == ":", let next = rest.dropFirst().first, !" \t/".contains(next) else {
            return nil
        }
        let column = text.distance(from: text.startIndex, to: rest.startIndex) + 1
        return Fault(
            .workflow, "workflow.syntax", "a key ends with a colon and a space",
            at: source.place(line: number, column: column),
            mend:
                "Write a space after the colon: \(Wording.bare(String(name))): \(Wording.bare(String(rest.dropFirst())))."
        )
    }

    private static func wording(of problem: String, character: Unicode.Scalar?) -> String {
        switch problem {
        case "mapping values are not allowed in this context":
            "a second \": \" on this line, or a key that is indented wrongly"
        case "did not find expected key": "the line fits no mapping above it"
        case "did not find expected ',' or '}'": "the mapping in braces lacks a comma or its closing brace"
        case "did not find expected ',' or ']'": "the list in brackets lacks a comma or its closing bracket"
        case "did not find expected '-' indicator": "the line fits no list above it"
        case "block sequence entries are not allowed in this context": "a list item cannot begin here"
        case "could not find expected ':'": "a key lacks its colon"
        case "found unexpected end of stream": "a quoted text is not closed"
        case "found unexpected document indicator": "a document marker is inside a quoted text"
        case "did not find expected node content": "a value is missing"
        case "did not find expected <document start>": "text follows the end of the document"
        case "found unknown escape character": "the quoted text holds an unknown escape"
        case "found character that cannot start any token":
            character.map { "no value can begin with \(Wording.shown(String($0)))" } ?? "no value can begin here"
        default: "the text is not YAML here: \(problem)"
        }
    }
}
