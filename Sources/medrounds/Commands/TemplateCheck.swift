// TemplateCheck: a prompt template read for its faults alone.

import Extraction
import Workflows

/// Reads a template file.
enum TemplateCheck {
    /// The template's name. Throws every fault of the file.
    static func name(_ bytes: [UInt8], file: String) throws -> String {
        try PromptTemplate(json: YAMLReader.read(bytes: bytes, file: file).plain, file: file).name
    }
}
