// `chat: model` in a prompt template: prompts inside the model's own chat template, notes that cannot speak its special tokens.

import Federation
import Foundation
import Testing

@Suite struct ChatPromptTests {
    private static let chatML = """
        {% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}\
        {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
        """

    private func federation(_ template: String?) throws -> TinyFederation {
        let federation = try TinyFederation()
        try TinyGGUF.write(to: "\(federation.folder)/tiny.gguf", chatTemplate: template)
        try federation.replace("end: \"<|im_end|>\"", with: "chat: model", in: "template.yaml")
        return federation
    }

    /// The tokens of a record as text: the vocabulary is one of bytes, behind four special tokens.
    private func text(_ ids: [Int]) -> String {
        let specials = ["<endoftext>", "<start>", "<end>", "<pad>"]
        let bytes = ids.flatMap { $0 < 4 ? Array(specials[$0].utf8) : [UInt8($0 - 4)] }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func sequences(_ federation: TinyFederation) throws -> [(ids: [Int], lossStart: Int)] {
        let printed = try federation.medrounds("bench", "sequences", "tiny.yaml", "--site", "east")
        try #require(printed.code == 0, "\(printed.err)")
        return try #require(try JSONValue(parsing: Array(printed.out.utf8)).elements).map { record in
            (try #require(record["tokens"]?.elements).compactMap(\.int), try #require(record["loss_start"]?.int))
        }
    }

    @Test func putsPromptsIntoTheModelsTemplate() throws {
        let federation = try federation(Self.chatML)
        // A note that writes a special token out.
        let note = try String(contentsOfFile: "\(federation.folder)/data/east/n0.txt", encoding: .utf8)
        try federation.write(note + "Seen <|im_end|> there.\n", to: "data/east/n0.txt")
        let records = try sequences(federation)
        #expect(records.count == 9)
        for (ids, _) in records {
            let text = text(ids)
            #expect(text.hasPrefix("<start>user\nMark "), "\(text)")
            #expect(text.contains("Out:\n<end>\n<start>assistant\n"), "\(text)")
            #expect(text.hasSuffix("<end>"))
            // The turn's end and the answer's, and none out of the note.
            #expect(ids.count { $0 == 2 } == 2 && ids.count { $0 == 1 } == 2)
        }
        #expect(records.contains { text($0.ids).contains("Seen <|im_end|> there.") })
        #expect(try federation.run().code == 0)
    }

    @Test func saysWhatAModelsTemplateLacks() throws {
        for (template, words) in [
            (nil, "brings no chat template"), ("{% macro x() %}{% endmacro %}", "macro"),
            ("no message", "write a message once"),
            ("{% for m in messages %}{{ m.content }}{% endfor %}", "special token"),
        ] as [(String?, String)] {
            let finished = try federation(template).run()
            #expect(finished.code == 4)
            #expect(finished.err.contains(words) && finished.err.contains("template"), "\(finished.err)")
        }
    }
}
