// OpenedModel: the base model, tokenizer and template that a workflow names, opened.

import Digests
import Extraction
import Faults
import Federation
import Foundation
import LocalFiles
import ModelFiles
import ModelShelf
import RunRecords
import Tokenization
import Workflows

/// The base model, its tokenizer and the prompt template of a workflow.
struct OpenedModel {
    let file: ModelFile
    let summary: ModelSummary
    let encoder: PromptEncoder
    let tokenizerDigest: Digest
    let template: PromptTemplate
    let templateBytes: [UInt8]

    /// With `template` these bytes are the template, whatever the declaration names.
    init(_ declaration: FederationDeclaration, origin: RunOrigin, template given: [UInt8]? = nil) throws {
        let base = declaration.model.base
        let folder = origin.overrides.contains { $0.hasPrefix("model.base=") } ? origin.current : origin.folder
        let (path, known) = try ModelCatalogue.path(of: base, folder: folder, cache: origin.cache)
        file = try ModelFile.open(path: path)
        let digest = Self.digest(of: file)
        if let wanted = known?.digest, wanted != digest {
            throw Fault(
                .model, "model.digest", "the file's SHA-256 is \(digest), not the catalogue's \(wanted)",
                at: Place(file: path),
                mend: "Delete the file and run medrounds models fetch \(base), which fetches it again.")
        }
        var parameters = 0
        for name in file.tensorNames { parameters += file.tensor(name)?.shape.reduce(1, *) ?? 0 }
        summary = ModelSummary(
            name: known?.name ?? (path as NSString).lastPathComponent, digest: digest, parameters: parameters,
            tensors: file.tensorNames.count, sizes: file.shape.sizes)
        guard let stored = file.vocabulary else {
            throw Fault(
                .model, "model.no-tokenizer", "the model brings no tokenizer", at: Place(file: path),
                mend: "Use a .gguf file with its tokenizer, or a folder with tokenizer.json.")
        }
        let vocabulary = try stored.cut(as: declaration.model.preTokenizer, path: path)
        let tokenizer = try Tokenizer(BPEVocabulary(vocabulary, at: Place(file: path)))
        tokenizerDigest = Self.digest(of: vocabulary)
        let builtIn = BuiltInTemplate.bytes(named: declaration.template)
        let templatePath =
            builtIn == nil ? origin.path(declaration.template, key: "template") : declaration.template
        let names = BuiltInTemplate.allCases.map(\.rawValue).joined(separator: ", ")
        templateBytes =
            try given ?? builtIn
            ?? LocalFile.read(
                templatePath, kind: .workflow, code: "template.missing",
                mend: "Name a template file, or one that the program brings: \(names).")
        let node = try YAMLReader.read(bytes: templateBytes, file: templatePath)
        template = try PromptTemplate(json: node.plain, file: templatePath)
        encoder =
            if let end = template.end {
                try PromptEncoder(tokenizer, end: end, file: templatePath)
            } else {
                try PromptEncoder(tokenizer, chat: vocabulary, model: path)
            }
    }

    /// SHA-256 of the file; of a folder, over the digests and names of its files in order.
    private static func digest(of file: ModelFile) -> Digest {
        let files = file.files
        if files.count == 1 { return Digest.sha256(files[0].bytes) }
        var builder = DigestBuilder()
        for (name, bytes) in files { builder.update("\(Digest.sha256(bytes)) \(bytes.count) \(name)\n") }
        return builder.digest()
    }

    private static func digest(of vocabulary: StoredVocabulary) -> Digest {
        var builder = DigestBuilder()
        builder.update("\(vocabulary.model)\n\(vocabulary.preTokenizer)\n")
        if vocabulary.composes { builder.update("nfc\n") }
        if vocabulary.ignoresMerges { builder.update("whole words\n") }
        if let prefix = vocabulary.byteFallback { builder.update("byte fallback, \(prefix)\n") }
        for token in vocabulary.tokens { builder.update("\(token)\n") }
        for merge in vocabulary.merges { builder.update("\(merge)\n") }
        return builder.digest()
    }
}
