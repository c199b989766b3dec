// Reading a PromptTemplate from the value of its file: strict keys, all faults at once.

import Faults
import Federation

extension PromptTemplate {
    /// Reads the value of a template file; `file` names it in faults.
    ///
    /// All faults are reported together. Codes: `template.unknown-key`, `template.missing-key`, `template.wrong-type`, `template.version`,
    /// `template.empty`, `template.placeholder`, `template.duplicate-type`, `template.unknown-type`, `template.chat`.
    public init(json: JSONValue, file: String) throws(FaultReport) {
        var reading = TemplateReading(file: file)
        let usesChat = json["chat"] != nil
        let top = reading.members(
            json, "", required: ["version", "name", "layout", usesChat ? "chat" : "end", "tasks"])
        if let version = top["version"], version != .integer(1) {
            reading.fault("version", "version is not 1", mend: "Write `version: 1`.")
        }
        let name = reading.text(top["name"], "name")
        let end = usesChat ? nil : reading.text(top["end"], "end")
        if usesChat, json["chat"] != "model" {
            reading.fault("chat", "chat is not model", mend: "Write `chat: model`, or leave it out and name the `end`.")
        }
        let pieces = reading.layout(reading.text(top["layout"], "layout"))
        var ner = TaskWording(instruction: "", types: [])
        var re: TaskWording?
        if let value = top["tasks"] {
            let tasks = reading.members(value, "tasks", required: ["ner"], optional: ["re"])
            if let value = tasks["ner"] {
                ner = reading.task(value, "tasks.ner", names: AnnotationType.entities, hasHeads: false)
            }
            if let value = tasks["re"] {
                re = reading.task(value, "tasks.re", names: AnnotationType.modifiers, hasHeads: true)
            }
        }
        guard reading.faults.isEmpty else { throw FaultReport(reading.faults) }
        self.init(name: name, end: end, ner: ner, re: re, pieces: pieces)
    }
}

/// A template while it is read.
private struct TemplateReading {
    let file: String
    var faults: [Fault] = []

    mutating func fault(_ code: String, _ what: String, mend: String) {
        faults.append(.template(code, what, file: file, mend: mend))
    }

    /// The members of an object, with faults for missing and unknown ones.
    mutating func members(
        _ value: JSONValue, _ path: String, required: [String], optional: [String] = []
    ) -> [String: JSONValue] {
        let lead = path.isEmpty ? "" : "\(path)."
        guard let members = value.members else {
            fault("wrong-type", "\(path.isEmpty ? "the template" : path) is not a mapping", mend: "Write a mapping.")
            return [:]
        }
        let known = required + optional
        for key in members.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) where !known.contains(key) {
            fault(
                "unknown-key", "\(lead)\(key) is not a template key", mend: "Use: \(known.joined(separator: ", ")).")
        }
        for key in required where members[key] == nil {
            fault("missing-key", "\(lead)\(key) is missing", mend: "Add it.")
        }
        return members
    }

    /// A text that is not empty; a nil value was already reported as missing.
    mutating func text(_ value: JSONValue?, _ path: String) -> String {
        guard let value else { return "" }
        guard let text = value.text else {
            fault("wrong-type", "\(path) is not text", mend: "Write text; quote a number.")
            return ""
        }
        if text.unicodeScalars.allSatisfy(\.isSpace) { fault("empty", "\(path) is empty", mend: "Write its text.") }
        return text
    }

    mutating func task(_ value: JSONValue, _ path: String, names: [String], hasHeads: Bool)
        -> PromptTemplate.TaskWording
    {
        let members = members(value, path, required: ["instruction", "types"])
        var instruction = text(members["instruction"], "\(path).instruction")
        while instruction.hasSuffix("\n") { instruction.removeLast() }
        var types: [PromptTemplate.TypeDefinition] = []
        guard let list = members["types"] else { return .init(instruction: instruction, types: []) }
        guard let elements = list.elements, !elements.isEmpty else {
            fault("wrong-type", "\(path).types is not a list of types", mend: "List at least one type.")
            return .init(instruction: instruction, types: [])
        }
        for (index, element) in elements.enumerated() {
            let here = "\(path).types[\(index)]"
            let members = self.members(element, here, required: ["name", "definition"] + (hasHeads ? ["heads"] : []))
            let name = text(members["name"], "\(here).name")
            if !name.isEmpty && !names.contains(name) {
                fault(
                    "unknown-type", "\(here).name is not a known type",
                    mend: "Use one of: \(names.joined(separator: ", ")).")
            }
            if !name.isEmpty && types.contains(where: { $0.name == name }) {
                fault("duplicate-type", "\(here).name occurs twice in its task", mend: "Define each type once.")
            }
            let definition = text(members["definition"], "\(here).definition")
            if definition.unicodeScalars.contains("\n") {
                fault("wrong-type", "\(here).definition has several lines", mend: "Write one line.")
            }
            types.append(
                .init(
                    name: name, definition: definition, heads: hasHeads ? heads(members["heads"], "\(here).heads") : [])
            )
        }
        return .init(instruction: instruction, types: types)
    }

    private mutating func heads(_ value: JSONValue?, _ path: String) -> [String] {
        guard let value else { return [] }
        let heads = (value.elements ?? []).compactMap(\.text)
        guard !heads.isEmpty, heads.count == value.elements?.count, heads.allSatisfy(AnnotationType.entities.contains)
        else {
            fault(
                "unknown-type", "\(path) is not a list of entity types",
                mend: "List some of: \(AnnotationType.entities.joined(separator: ", ")).")
            return []
        }
        return heads
    }

    /// The layout's pieces: {task}, {types} and {input} once each, {input} last.
    mutating func layout(_ text: String) -> [PromptTemplate.Piece] {
        var pieces: [PromptTemplate.Piece] = []
        var literal = ""
        var rest = Substring(text)
        while let brace = rest.firstIndex(of: "{") {
            literal += rest[..<brace]
            rest = rest[brace...]
            let placeholders: [(String, PromptTemplate.Piece)] = [
                ("{task}", .task), ("{types}", .types), ("{input}", .input),
            ]
            if let (name, piece) = placeholders.first(where: { rest.hasPrefix($0.0) }) {
                if !literal.isEmpty { pieces.append(.literal(literal)) }
                literal = ""
                pieces.append(piece)
                rest = rest.dropFirst(name.count)
            } else {
                fault(
                    "placeholder", "layout holds a brace that does not begin a placeholder",
                    mend: "Use {task}, {types} and {input} only.")
                literal += "{"
                rest = rest.dropFirst()
            }
        }
        literal += rest
        if !literal.isEmpty { pieces.append(.literal(literal)) }
        let order = pieces.filter { $0 == .task || $0 == .types || $0 == .input }
        if !text.isEmpty && (order.count != 3 || order.last != .input || order[0] == order[1]) {
            fault(
                "placeholder", "layout does not hold {task}, {types} and {input} once each with {input} last",
                mend: "Put the instruction first, so that all records share it, and the input after it.")
        }
        return pieces
    }
}
