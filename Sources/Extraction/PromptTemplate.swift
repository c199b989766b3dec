// PromptTemplate: the wording of prompts for every task, as a value; reading it from a template file is in PromptTemplate+reading.swift.

import Faults
import Federation

/// How a record is shown to the model: one layout for all tasks, the instruction first and the input after it.
public struct PromptTemplate: Sendable, Equatable {
    /// A type that a task marks.
    public struct TypeDefinition: Sendable, Equatable {
        /// The class in marks and corpora.
        public var name: String
        /// What it means, in one line.
        public var definition: String
        /// For a modifier: the entity types it may belong to. Empty for an entity type.
        public var heads: [String]
    }

    /// What a task asks for.
    public struct TaskWording: Sendable, Equatable {
        /// The instruction, without the types.
        public var instruction: String
        /// The types in the order in which prompts list them.
        public var types: [TypeDefinition]
    }

    /// A piece of the layout.
    enum Piece: Sendable, Equatable {
        case literal(String)
        case task, types, input
    }

    /// The template's name, kebab-case.
    public let name: String
    /// The text of the tokenizer's special token that follows a completion; it is not part of `completion` and must be encoded as that one
    /// token. nil where the file says `chat: model`: a prompt is then the user's message in the model's own chat template, which also says
    /// what ends an answer.
    public let end: String?
    /// The wording of named entity recognition.
    public let ner: TaskWording
    /// The wording of relation extraction, nil where the template has none.
    public let re: TaskWording?
    let pieces: [Piece]

    /// The types of a task that a source annotates, in the template's order.
    ///
    /// Throws `template.no-task` where the template has no wording for the task and `template.no-type` where it does not name a type.
    public func types(of task: ExtractionTask, in selection: TypeSelection) throws(Fault) -> [String] {
        guard let wording = wording(of: task) else {
            throw Fault(
                .workflow, "template.no-task", "template \(name) has no task \(task.rawValue)",
                mend: "Name a template that has it, or leave the task out of the source's tasks.")
        }
        let names = wording.types.map(\.name)
        switch selection {
        case .all: return names
        case .some(let chosen):
            if let unknown = chosen.first(where: { !names.contains($0) }) {
                throw Fault(
                    .workflow, "template.no-type",
                    "template \(name) has no \(task.rawValue) type \(LabelName.quoted(unknown))",
                    mend: "Use some of: \(names.joined(separator: ", ")).")
            }
            return names.filter { chosen.contains($0) }
        }
    }

    /// The modifier types that may belong to a head of this type, in the template's order.
    public func modifiers(of head: String) -> [String] {
        re?.types.filter { $0.heads.contains(head) }.map(\.name) ?? []
    }

    /// Everything before the input: the same text for all records of one task and choice of types.
    public func instruction(task: ExtractionTask, types: [String]) -> String {
        render(pieces.prefix { $0 != .input }, task: task, types: types, input: "")
    }

    /// The whole prompt. `input` is text as `Markup` writes it: plain for named entity recognition, with the head marked for relation extraction.
    public func prompt(task: ExtractionTask, types: [String], input: String) -> String {
        render(pieces[...], task: task, types: types, input: input)
    }

    /// What the model should write after the prompt, up to the end marker: the text with its mentions marked.
    public func completion(_ text: [Unicode.Scalar], spans: [MarkedSpan]) -> String {
        Markup.marked(text, spans: spans)
    }

    private func wording(of task: ExtractionTask) -> TaskWording? {
        switch task {
        case .ner: ner
        case .re: re
        }
    }

    private func render(_ pieces: ArraySlice<Piece>, task: ExtractionTask, types: [String], input: String) -> String {
        let wording = wording(of: task)
        var text = ""
        for piece in pieces {
            switch piece {
            case .literal(let literal): text += literal
            case .task: text += wording?.instruction ?? ""
            case .types:
                let lines = (wording?.types ?? []).filter { types.contains($0.name) }.map {
                    "\($0.name): \($0.definition)"
                }
                text += lines.joined(separator: "\n")
            case .input: text += input
            }
        }
        return text
    }
}
