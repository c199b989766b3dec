// KnownFile: what a file or folder is that was given in place of another one, and what to do with it. A person who gives the wrong file is
// told what it is.

import Faults
import Glibc

/// Kinds of files, recognised by their first bytes and names.
enum KnownFile {
    private static let pointer = Array("version https://git-lfs.github.com/spec/v1".utf8)

    /// Whether the bytes are a git-lfs pointer: a text of a few hundred bytes in place of a file that is kept elsewhere.
    static func isPointer(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count <= 1024 && bytes.starts(with: pointer)
    }

    /// What the first bytes say about a file that is not GGUF, and what to do; nil where they say nothing.
    static func name(of bytes: UnsafeRawBufferPointer) -> (what: String, mend: String)? {
        func starts(_ text: String) -> Bool { bytes.starts(with: Array(text.utf8)) }
        if bytes.starts(with: [0x50, 0x4b, 3, 4]) || (bytes.count > 2 && bytes[0] == 0x80 && (2...5).contains(bytes[1]))
        {
            return (
                "these are weights of PyTorch (.bin, .pt, .pth), which are not read",
                "Load the model with transformers and save it again with save_pretrained, which writes model.safetensors."
            )
        }
        for magic in ["lmgg", "fmgg", "tjgg", "algg"] where starts(magic) {
            return (
                "this is a GGML file, the format before GGUF", "Fetch the model as GGUF, or convert it to GGUF."
            )
        }
        if bytes.count > 9, bytes[8] == 0x7b, bytes[6] == 0, bytes[7] == 0 {
            return (
                "this is a safetensors file", "Give the folder that holds it beside its config.json."
            )
        }
        if starts("<!") || starts("<html") || starts("<HTML") {
            return (
                "this is a web page, not the file itself", "Fetch the file itself from its download address."
            )
        }
        if starts("{") { return ("this is a JSON file", "Give the folder that holds it, or a GGUF file.") }
        if bytes.starts(with: [0x1f, 0x8b]) { return ("the file is compressed (gzip)", "Unpack it first.") }
        return nil
    }

    /// The names in a folder, sorted; empty where it cannot be read. At most a few thousand are read.
    static func names(in folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while names.count < 10_000, let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The newest folder that a trainer wrote in this one and that holds the file.
    static func checkpoint(in folder: String, with file: String) -> String? {
        let numbers = names(in: folder).compactMap { name in
            name.hasPrefix("checkpoint-") ? Int(name.dropFirst("checkpoint-".count)) : nil
        }
        return numbers.sorted().last { Storage.exists("\(folder)/checkpoint-\($0)/\(file)") }.map { "checkpoint-\($0)" }
    }

    /// The first file of PyTorch weights among the names.
    static func torchFile(_ names: [String], _ stem: String) -> String? {
        names.first { name in
            name.hasPrefix(stem) && [".bin", ".pt", ".pth", ".pkl"].contains { name.hasSuffix($0) }
        }
    }
}
