// DocumentForm: what a YAML file is expected to be, and whether its first keys say that it is one. Lines of other files are never shown.

import Faults

/// What a YAML file is read as.
public enum DocumentForm: Sendable {
    case workflow, template
    /// A file of which nothing is known: no fault shows a line or a word of it.
    case unknown

    /// The largest file that is read, in bytes.
    public static let maximumBytes = YAMLSource.maximumBytes

    /// The form that the keys at the top of a text show; `unknown` where they show none, or where it is not text.
    public static func of(_ bytes: [UInt8], file: String) -> DocumentForm {
        guard let keys = try? YAMLSource(bytes: bytes, file: file).topKeys() else { return .unknown }
        // Both forms begin with version and name; only a template has a layout.
        let isTemplate = keys.contains("layout") || (keys.contains("tasks") && !keys.contains("steps"))
        if isTemplate && DocumentForm.template.recognises(keys) { return .template }
        return DocumentForm.workflow.recognises(keys) ? .workflow : .unknown
    }

    /// The keys at the top of such a file.
    var keys: [String] {
        switch self {
        case .workflow: WorkflowReader.keys + Settings.study.keys
        case .template: ["version", "name", "end", "chat", "layout", "tasks"]
        case .unknown: []
        }
    }

    /// Whether the keys at the top of a file, as far as it can be read, are those of this form.
    ///
    /// A note may begin with a word and a colon, even with `name:`. So the first key must be known, and there must also be `version` or
    /// three known keys in all.
    func recognises(_ found: [String]) -> Bool {
        guard let first = found.first, keys.contains(first) else { return false }
        let known = Set(found).intersection(keys)
        return known.contains("version") || known.count >= 3
    }

    /// The name of the form in a fault.
    var noun: String {
        switch self {
        case .workflow: "workflow"
        case .template: "template"
        case .unknown: "file"
        }
    }

    /// What to do about a file that is of another form.
    var mend: String {
        switch self {
        case .workflow: "Name a workflow file; its first line is version: 1."
        case .template: "Name a template file; its first line is version: 1."
        case .unknown: "Correct the YAML at this place; the line above may be the cause."
        }
    }
}

extension YAMLSource {
    /// The keys at the top of the document, up to the place where it stops being YAML; empty where it is not a mapping.
    func topKeys() -> [String] {
        guard let events = try? YAMLEvents(self) else { return [] }
        var keys: [String] = []
        var depth = 0
        var expectsKey = true
        while let event = try? events.next() {
            switch event.content {
            case .streamEnd: return keys
            case .documentStart, .other: continue
            case .mappingStart, .sequenceStart:
                if depth == 0, case .sequenceStart = event.content { return [] }
                // A key that is a list or a mapping counts as an unknown key.
                if depth == 1, expectsKey { keys.append("") }
                depth += 1
                // Nothing deeper is ever read, and libyaml takes quadratic time in the number of open brackets.
                if depth > YAMLReader.maximumDepth { return keys }
                if depth == 1 { expectsKey = true }
            case .mappingEnd, .sequenceEnd:
                depth -= 1
                if depth == 0 { return keys }
                if depth == 1 { expectsKey.toggle() }
            case .scalar(let text, _):
                if depth == 0 { return [] }
                guard depth == 1 else { continue }
                if expectsKey { keys.append(text) }
                expectsKey.toggle()
            case .alias:
                if depth == 1 { expectsKey.toggle() }
            }
        }
        return keys
    }
}
