// Chat templates: the golden of transformers for SmolLM2, templates in the style of every family as Jinja renders them
// (scripts/goldens/chat_templates.py), and what is refused.

import ChatTemplates
import Faults
import Federation
import Foundation
import TestSupport
import Testing

@Suite struct ChatTemplateTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "Goldens")

    private func golden(_ name: String) throws -> JSONValue {
        try JSONValue(parsing: try contents(Self.folder.appendingPathComponent(name).path))
    }

    private func messages(_ json: JSONValue?) throws -> [ChatTemplate.Message] {
        try #require(json?.elements).map { message in
            ChatTemplate.Message(
                role: try #require(message["role"]?.text), content: try #require(message["content"]?.text))
        }
    }

    @Test func writesTheGoldenOfTransformers() throws {
        let golden = try golden("chat.json")
        let template = try ChatTemplate(
            try #require(golden["chat_template"]?.text), beginning: "<|im_start|>", end: "<|im_end|>")
        let cases = try #require(golden["cases"]?.elements)
        #expect(cases.count == 4)
        for example in cases {
            let text = try template.text(
                of: messages(example["messages"]), addsGenerationPrompt: example["add_generation_prompt"] == true)
            #expect(text == example["text"]?.text)
        }
    }

    @Test(arguments: [
        "marked-turns", "headed-turns", "last-question", "strict-pairs", "loose-lines", "spaces", "words",
        "marked-answers",
    ])
    func writesWhatJinjaWrites(name: String) throws {
        let golden = try golden("chat_templates.json")
        let example = try #require(golden["templates"]?.elements?.first { $0["name"]?.text == name })
        try expect(example)
    }

    private func expect(_ example: JSONValue) throws {
        let name = example["name"]?.text ?? "?"
        let template = try ChatTemplate(try #require(example["template"]?.text), beginning: "<s>", end: "</s>")
        let cases = try #require(example["cases"]?.elements)
        #expect(cases.count == 14)
        for (index, item) in cases.enumerated() {
            let messages = try messages(item["messages"])
            let opens = item["add_generation_prompt"] == true
            guard let expected = item["text"]?.text else {
                let fault = #expect(throws: Fault.self) { try template.text(of: messages, addsGenerationPrompt: opens) }
                #expect(fault?.code == "tokenizer.chat-template")
                continue
            }
            #expect(try template.text(of: messages, addsGenerationPrompt: opens) == expected, "\(name) \(index)")
        }
    }

    /// Templates of models that we may not distribute: a file that chat_templates.py made from a folder of them.
    @Test(
        .enabled(
            if: ProcessInfo.processInfo.environment["MEDROUNDS_CHAT_TEMPLATES"] != nil, "no file of models' templates"))
    func writesWhatJinjaWritesWithTemplatesOfModels() throws {
        let path = ProcessInfo.processInfo.environment["MEDROUNDS_CHAT_TEMPLATES"] ?? ""
        for example in try #require(try JSONValue(parsing: try contents(path))["templates"]?.elements) {
            try expect(example)
        }
    }

    /// A template of a trainer: its marks for the loss have no effect where a prompt is written.
    @Test func passesThroughWhatMarksTheAssistantsWords() throws {
        let source = """
            {% for m in messages %}{% if m.role=='assistant' %}{{ '<a>' }}{% generation %}{{ m.content + '</a>' }}{% endgeneration %}{{ '!' }}\
            {% else %}{{ '<' + m.role + '>' + m.content }}{% endif %}{% endfor %}
            """
        let template = try ChatTemplate(source, beginning: nil, end: nil)
        let messages = [
            ChatTemplate.Message(role: "user", content: "q"), ChatTemplate.Message(role: "assistant", content: "r"),
        ]
        #expect(try template.text(of: messages, addsGenerationPrompt: false) == "<user>q<a>r</a>!")
        for (broken, word) in [
            ("{% generation %}a", "endgeneration"), ("{% generation x %}a{% endgeneration %}", "generation"),
            ("{% generation %}a{% endif %}", "endgeneration"), ("{% endgeneration %}", "no block"),
        ] {
            let fault = #expect(throws: Fault.self) { _ = try ChatTemplate(broken, beginning: nil, end: nil) }
            #expect(fault?.what.contains(word) == true, "\(broken): \(fault?.what ?? "")")
        }
    }

    /// Found by the fuzzer: a namespace from which a member is read where it is made.
    @Test func looksIntoANamespaceWhereItIsMade() throws {
        let template = try ChatTemplate("{{ namespace(n=5).n }}{{ namespace(n=6)['n'] }}", beginning: nil, end: nil)
        #expect(try template.text(of: [], addsGenerationPrompt: false) == "56")
    }

    @Test func namesWhatIsNotRead() throws {
        for (source, construct) in [
            ("{% macro f(x) %}{% endmacro %}", "macro"), ("{% include 'x' %}", "include"),
            ("{% raw %}{% endraw %}", "raw"),
            ("{{ 1.5 }}", "fraction"), ("{{ {'a': 1} }}", "{"), ("{% if x %}", "endif"), ("{% endfor %}", "endfor"),
            ("{{ 'a", "string"), ("{{ a b }}", "more in it"), ("{# a", "comment"), ("{{ a", "tag"),
            ("{{ }}", "too early"),
            ("{{ " + String(repeating: "(", count: 500) + "a" + String(repeating: ")", count: 500) + "}}", "deeper"),
            ("{{ a @ b }}", "@"), ("{% set x %}", "set"),
            (String(repeating: "{% if x %}", count: 500), "deeper"),
            ("{{ " + String(repeating: "not ", count: 500) + "a }}", "deeper"),
            ("{{ a" + String(repeating: ".b", count: 500) + " }}", "deeper"),
            ("{{ " + String(repeating: "- ", count: 500) + "a }}", "deeper"),
        ] {
            let fault = #expect(throws: Fault.self) { _ = try ChatTemplate(source, beginning: nil, end: nil) }
            #expect(fault?.code == "tokenizer.chat-template")
            #expect(fault?.what.contains(construct) == true, "\(source.prefix(40)): \(fault?.what ?? "")")
        }
    }

    @Test func refusesWhatItCannotEvaluateAndWhatWouldNotEnd() throws {
        let loops =
            String(repeating: "{% for a in range(9999) %}", count: 5) + String(repeating: "{% endfor %}", count: 5)
        let doubling =
            "{% set n = namespace(t='aaaaaaaa') %}{% for i in range(9999) %}{% set n.t = n.t + n.t %}{% endfor %}"
        for source in [
            "{{ f(1) }}", "{{ 'a' | wordcount }}", "{{ 'a' is prime }}", "{{ messages }}", "{{ 'a' + 1 }}", "{{ x.y }}",
            "{{ 1 // 0 }}", "{{ 'a'.format(1) }}", "{% for a in 1 %}{% endfor %}", "{{ range(99999) }}",
            "{% set x.y = 1 %}", "{% for a, b in ['c'] %}{% endfor %}", "{{ [1][::2] }}", loops, doubling,
        ] {
            let template = try ChatTemplate(source, beginning: nil, end: nil)
            let fault = #expect(throws: Fault.self) { _ = try template.text(of: [], addsGenerationPrompt: true) }
            #expect(fault?.code == "tokenizer.chat-template", "\(source.prefix(60))")
        }
    }
}
