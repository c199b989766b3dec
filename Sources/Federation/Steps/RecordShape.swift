// RecordShape: the fields of a JSON file of a run, each with its type, its range, where its value is checked, and its meaning. No field can
// hold a sentence.

import Faults

/// Counts in records: whole numbers from 0 to 2^40. No count of a run comes near the limit, and a sum of a million of them fits in 64 bits.
package enum Count {
    package static let range = 0...1 << 40
    /// The sum; nil where it is outside the range.
    package static func sum(_ counts: some Sequence<Int>) -> Int? {
        var total = 0
        for count in counts {
            guard range.contains(count) else { return nil }
            total += count
            guard range.contains(total) else { return nil }
        }
        return total
    }
}

/// The fields of an object.
package struct RecordShape: Sendable {
    package var fields: [Field]

    package init(_ fields: [Field]) { self.fields = fields }

    /// One field.
    package struct Field: Sendable {
        package var name: String
        package var form: Form
        package var presence: Presence
        package var evidence: Evidence
        package var meaning: String

        package init(
            _ name: String, _ form: Form, _ evidence: Evidence, _ presence: Presence, _ meaning: String
        ) {
            self.name = name
            self.form = form
            self.presence = presence
            self.evidence = evidence
            self.meaning = meaning
        }

        package init(_ name: String, _ form: Form, _ evidence: Evidence, _ meaning: String) {
            self.init(name, form, evidence, .always, meaning)
        }
    }

    /// When the field is present.
    package enum Presence: Sendable, Hashable {
        case always
        /// Exactly where another field of the object has that value.
        case with(String, String)
        /// May be missing; the text says when it is present, and the checker compares that with the plan.
        case optional(String)
    }

    /// Where a value comes from, strongest first.
    package enum Evidence: String, Sendable, CaseIterable {
        /// A checker computes it again from the ledger.
        case recomputed
        /// The plan says it.
        case planned
        /// Only the committer states it; a replay with the notes can confirm it.
        case claimed
        /// The fields inside have their own evidence.
        case inside
    }

    /// What a value may be.
    package indirect enum Form: Sendable {
        /// A whole number from 0 to 2^40, or in the range.
        case count(ClosedRange<Int> = Count.range)
        /// A finite number in the range.
        case real(ClosedRange<Double> = -1e300...1e300)
        case truth
        /// 64 lower-case hexadecimal digits.
        case digest
        /// Exactly one of these words.
        case word([String])
        /// The name of a site of the plan.
        case site
        /// The name of a cohort of the plan.
        case cohort
        /// The code of a fault that this program knows.
        case code
        /// The name of a tensor of the plan's adapter.
        case tensor
        /// The workflow's seed in decimal digits.
        case seed
        /// A time in UTC: `2026-11-28T08:30:00Z`.
        case time
        /// A git commit of the program's sources, 40 hexadecimal digits with or without `+changes`, or `unknown`.
        case source
        /// Eight bytes that only a site can read, as 16 lower-case hexadecimal digits.
        case sealed
        /// Four counts in decimal digits, joined by single spaces.
        case fourCounts
        /// Part of the plan as plan.json writes it; compared with it.
        case ofPlan
        case list(Form, atMost: Int = 1 << 20)
        case object(RecordShape)
        /// An object whose members are named by the types of the template.
        case byType(RecordShape)
        /// An object whose members are named by tasks.
        case byTask(RecordShape)
        case orNull(Form)
    }

    /// The names that a run's plan defines.
    package struct Names: Sendable {
        package var sites: Set<String>
        package var cohorts: Set<String>
        /// The types of all tasks of the template; nil where the template cannot be read.
        package var types: Set<String>?
        package var tensors: Set<String>

        package init(sites: Set<String>, cohorts: Set<String>, types: Set<String>?, tensors: Set<String>) {
            self.sites = sites
            self.cohorts = cohorts
            self.types = types
            self.tensors = tensors
        }
    }
}

extension RecordShape {
    /// What is wrong with a value as an object of this shape; nil where nothing is. The text holds names of fields and never a value.
    package func flaw(of value: JSONValue, _ names: Names) -> String? { flaw(of: value, "", names) }

    private func flaw(of value: JSONValue, _ path: String, _ names: Names) -> String? {
        guard let members = value.members else { return "\(path.isEmpty ? "the file" : path) is not an object" }
        let known = Set(fields.map(\.name))
        let foreign = members.keys.count { !known.contains($0) }
        if foreign > 0 {
            return
                "\(path.isEmpty ? "the record" : path) has \(foreign) \(foreign == 1 ? "field" : "fields") that no record of its kind has"
        }
        for field in fields {
            let inner = path.isEmpty ? field.name : "\(path).\(field.name)"
            guard let member = members[field.name] else {
                switch field.presence {
                case .always: return "the field \(inner) is missing"
                case .with(let other, let word):
                    if members[other]?.text == word { return "the field \(inner) is missing" }
                case .optional: break
                }
                continue
            }
            if case .with(let other, let word) = field.presence, members[other]?.text != word {
                return "the field \(inner) is present although \(other) is not \(word)"
            }
            if let flaw = field.form.flaw(of: member, inner, names) { return flaw }
        }
        return nil
    }
}

extension RecordShape.Form {
    fileprivate func flaw(of value: JSONValue, _ path: String, _ names: RecordShape.Names) -> String? {
        func unless(_ holds: Bool) -> String? { holds ? nil : "\(path) is not \(words)" }
        func text(_ holds: (String) -> Bool) -> String? { unless(value.text.map(holds) ?? false) }
        switch self {
        case .count(let range): return unless(value.int.map(range.contains) ?? false)
        case .real(let range): return unless(value.double.map { $0.isFinite && range.contains($0) } ?? false)
        case .truth: return unless(value.bool != nil)
        case .digest: return text { Digest(hex: $0) != nil }
        case .word(let words): return text(words.contains)
        case .site: return text(names.sites.contains)
        case .cohort: return text(names.cohorts.contains)
        case .code: return text(FaultCode.isKnown)
        case .tensor: return text(names.tensors.contains)
        case .seed: return text { UInt64($0).map { seed in String(seed) } == $0 }
        case .time: return text(Self.isTime)
        case .source: return text(Self.isSource)
        case .sealed:
            return text { text in
                text.utf8.count == 16
                    && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
            }
        case .fourCounts:
            return text { text in
                let parts = text.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
                return parts.count == 4
                    && parts.allSatisfy { part in
                        (1...13).contains(part.count) && part.allSatisfy { (0x30...0x39).contains($0) }
                            && (part.count == 1 || part.first != 0x30)
                    }
            }
        case .ofPlan: return nil
        case .list(let form, let most):
            guard let elements = value.elements, elements.count <= most else { return unless(false) }
            for (index, element) in elements.enumerated() {
                if let flaw = form.flaw(of: element, "\(path).\(index)", names) { return flaw }
            }
            return nil
        case .object(let shape): return shape.flaw(of: value, path, names)
        case .byType(let shape):
            return Self.flaw(of: value, path, names, shape) {
                names.types?.contains($0) ?? (KebabCase.accepts($0.replacingUnderscores))
            }
        case .byTask(let shape):
            return Self.flaw(of: value, path, names, shape) { ExtractionTask(rawValue: $0) != nil }
        case .orNull(let form):
            if case .null = value { return nil }
            return form.flaw(of: value, path, names)
        }
    }

    private static func flaw(
        of value: JSONValue, _ path: String, _ names: RecordShape.Names, _ shape: RecordShape,
        _ accepts: (String) -> Bool
    ) -> String? {
        guard let members = value.members else { return "\(path) is not an object" }
        for name in members.keys.sorted() {
            guard accepts(name) else { return "\(path) has a member that the plan does not name" }
            if let member = members[name], let flaw = shape.flaw(of: member, "\(path).\(name)", names) { return flaw }
        }
        return nil
    }

    /// What the value must be, for faults and for the docs.
    package var words: String {
        switch self {
        case .count(let range) where range == Count.range: "a count"
        case .count(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .real(let range) where range.upperBound >= 1e300: "a number"
        case .real(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
        case .truth: "true or false"
        case .digest: "a SHA-256"
        case .word(let words):
            words.count == 1 ? "`\(words[0])`" : "one of " + words.map { "`\($0)`" }.joined(separator: ", ")
        case .site: "a site of the plan"
        case .cohort: "a cohort of the plan"
        case .code: "the code of a fault"
        case .tensor: "a tensor of the plan's adapter"
        case .seed: "a seed in digits"
        case .time: "a time in UTC"
        case .source: "a commit of the sources"
        case .sealed: "16 hexadecimal digits"
        case .fourCounts: "four counts"
        case .ofPlan: "as in plan.json"
        case .list(let form, _): "a list: \(form.words)"
        case .object: "an object"
        case .byType: "an object by type"
        case .byTask: "an object by task"
        case .orNull(let form): "\(form.words), or null"
        }
    }

    private static func isTime(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        let form = Array("0000-00-00T00:00:00Z".utf8)
        guard bytes.count == form.count else { return false }
        return zip(bytes, form).allSatisfy { $1 == 0x30 ? (0x30...0x39).contains($0) : $0 == $1 }
    }

    private static func isSource(_ text: String) -> Bool {
        if text == "unknown" { return true }
        let digits = text.hasSuffix("+changes") ? text.dropLast(8) : text[...]
        return digits.utf8.count == 40
            && digits.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}

extension String {
    fileprivate var replacingUnderscores: String { String(map { $0 == "_" ? "-" : $0 }) }
}
