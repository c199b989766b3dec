// BuiltInTemplate: the prompt templates inside the program, so that a workflow can name them from any folder. A test compares each with its
// file in workflows/templates, which a person can copy to write a template.

/// A prompt template that a workflow may name without a path.
public enum BuiltInTemplate: String, Sendable, CaseIterable {
    case clinicalExtraction = "clinical-extraction"
    case clinicalBrief = "clinical-brief"

    /// The template of a workflow that does not name one.
    public static let standard = BuiltInTemplate.clinicalExtraction

    /// The bytes of the template of that name; nil where the program has none of that name.
    public static func bytes(named name: String) -> [UInt8]? {
        BuiltInTemplate(rawValue: name).map { Array($0.text.utf8) }
    }

    /// The YAML.
    public var text: String {
        switch self {
        case .clinicalExtraction: Self.extraction
        case .clinicalBrief: Self.brief
        }
    }
}

extension BuiltInTemplate {
    // Lines are as in the files, some longer than our limit.
    // swift-format-ignore
    private static let extraction = #"""
        # The wording of prompts. Everything before {input} is the same text for all records of one task and choice of types; a prompt
        # lists only the types that the source annotates. docs/extraction.md says how the placeholders are filled.
        version: 1
        name: clinical-extraction
        end: "<|im_end|>"
        layout: |
          ### Task
          {task}
          ### Types
          {types}
          ### Input
          {input}
          ### Output
        tasks:
          ner:
            instruction: >-
              Copy the input word for word and put each mention of a type listed below between <span class="TYPE"> and </span>.
              Mark the whole phrase. A mention may stand inside another. Add, drop and change nothing else; where nothing is to be
              marked, copy the input as it is.
            types:
              - {name: problem, definition: "a disease, symptom, sign, injury or abnormal finding"}
              - {name: treatment, definition: "a procedure, operation, device or therapy other than a medicine"}
              - {name: test, definition: "an examination, measurement, laboratory test or imaging study"}
              - {name: drug, definition: "a medicine, vaccine or drug class, by any name, without its dose"}
          re:
            instruction: >-
              The input marks one head mention with <span class="TYPE"> and </span>. Copy the input without that mark, word for word,
              and put each modifier of the head, of a type listed below, between <span class="TYPE"> and </span>. Leave modifiers of
              other mentions unmarked. Add, drop and change nothing else.
            types:
              - {name: bodyloc, heads: [problem, treatment, test], definition: "the part of the body concerned"}
              - {name: condition, heads: [problem, treatment, drug], definition: "the circumstance under which it holds or is to be done"}
              - {name: course, heads: [problem, treatment], definition: "how it develops: improving, worsening, stable, resolved"}
              - {name: dosage, heads: [drug], definition: "how much is taken at one time"}
              - {name: duration, heads: [problem, treatment, drug], definition: "how long it lasts or is given"}
              - {name: form, heads: [drug], definition: "the preparation: tablet, drops, ointment"}
              - {name: frequency, heads: [problem, treatment, test, drug], definition: "how often it occurs or is given"}
              - {name: labvalue, heads: [test, problem], definition: "the result or finding of a test"}
              - {name: negation, heads: [problem, treatment, test, drug], definition: "words that say it is absent or was not done"}
              - {name: reference_range, heads: [test], definition: "the range that counts as normal"}
              - {name: route, heads: [drug, treatment], definition: "the way it is given: by mouth, into a vein"}
              - {name: severity, heads: [problem], definition: "how strong it is: mild, moderate, severe"}
              - {name: strength, heads: [drug], definition: "the amount of substance in one unit"}
              - {name: subject, heads: [problem, treatment, test, drug], definition: "the person concerned where it is not the patient"}
              - {name: temporal, heads: [problem, treatment, test, drug], definition: "the date or time of it"}
              - {name: uncertain, heads: [problem], definition: "words that say it is only possible"}

        """#

    // swift-format-ignore
    private static let brief = #"""
        # The wording of clinical-extraction.yaml in few tokens: for small models and short runs, where the instruction costs more than the notes.
        version: 1
        name: clinical-brief
        end: "<|im_end|>"
        layout: |
          ### Task
          {task}
          {types}
          ### Input
          {input}
          ### Output
        tasks:
          ner:
            instruction: >-
              Copy the input and put mentions of these types between <span class="TYPE"> and </span>.
            types:
              - {name: problem, definition: "disease, symptom, finding"}
              - {name: treatment, definition: "procedure, device"}
              - {name: test, definition: "examination"}
              - {name: drug, definition: "medicine"}
          re:
            instruction: >-
              The input marks a head. Copy it without that mark and put the modifiers of the head, of these types, between
              <span class="TYPE"> and </span>.
            types:
              - {name: bodyloc, heads: [problem, treatment, test], definition: "body part"}
              - {name: condition, heads: [problem, treatment, drug], definition: "circumstance"}
              - {name: course, heads: [problem, treatment], definition: "development"}
              - {name: dosage, heads: [drug], definition: "amount taken"}
              - {name: duration, heads: [problem, treatment, drug], definition: "how long"}
              - {name: form, heads: [drug], definition: "preparation"}
              - {name: frequency, heads: [problem, treatment, test, drug], definition: "how often"}
              - {name: labvalue, heads: [test, problem], definition: "result"}
              - {name: negation, heads: [problem, treatment, test, drug], definition: "absent"}
              - {name: reference_range, heads: [test], definition: "normal range"}
              - {name: route, heads: [drug, treatment], definition: "way given"}
              - {name: severity, heads: [problem], definition: "how strong"}
              - {name: strength, heads: [drug], definition: "amount a unit"}
              - {name: subject, heads: [problem, treatment, test, drug], definition: "other person"}
              - {name: temporal, heads: [problem, treatment, test, drug], definition: "time"}
              - {name: uncertain, heads: [problem], definition: "possible"}

        """#
}
