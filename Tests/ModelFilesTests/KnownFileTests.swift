// A file of another kind in place of a model or an adapter: the fault says what it is, and what to do.

import Faults
import Federation
import ModelFiles
import Testing

@Suite struct KnownFileTests {
    private static let sizes = BackboneSizes(layers: 1, hidden: 8, queries: 8, keyValues: 4, feedForward: 12)
    private static let pointer = """
        version https://git-lfs.github.com/spec/v1
        oid sha256:0000000000000000000000000000000000000000000000000000000000000000
        size 843112

        """

    private func model(_ path: String) throws -> Fault {
        try #require(throws: Fault.self) { _ = try ModelFile.open(path: path) }
    }

    private func adapter(_ path: String) throws -> Fault {
        try #require(throws: Fault.self) { _ = try AdapterFolder.read(path, sizes: Self.sizes) }
    }

    private func folder(_ files: [(String, String)]) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for (name, text) in files {
            let parts = name.split(separator: "/")
            if parts.count == 2 { try folder.makeFolder(String(parts[0])) }
            _ = try folder.write(text, name)
        }
        return folder
    }

    @Test func namesAGitLFSPointer() throws {
        let folder = try folder([
            ("m.gguf", Self.pointer), ("f/config.json", "{}"), ("f/model.safetensors", Self.pointer),
            ("a/adapter_config.json", #"{"peft_type":"LORA","r":8,"lora_alpha":16}"#),
            ("a/adapter_model.safetensors", Self.pointer), ("b/adapter_config.json", Self.pointer),
            ("b/adapter_model.safetensors", "x"),
        ])
        _ = try folder.write(FolderTests.config.canonical, "f/config.json")
        for fault in [
            try model("\(folder.path)/m.gguf"), try model("\(folder.path)/f"), try adapter("\(folder.path)/a"),
            try adapter("\(folder.path)/b"),
        ] {
            #expect(fault.code == "model.git-lfs-pointer" && fault.mend.contains("git lfs pull"), "\(fault)")
        }
        // A text that only begins like a pointer is not one.
        let long = try folder.write(Self.pointer + String(repeating: "a", count: 1024), "long.gguf")
        #expect(try model(long).code == "model.unknown-format")
    }

    @Test func namesOtherFormatsOfWeights() throws {
        let folder = try TemporaryFolder()
        let safetensors = Safetensors.write([
            Safetensors.Item(name: "a", shape: [1], type: .f32, bytes: [0, 0, 0, 0])
        ])
        for (bytes, word) in [
            ([0x50, 0x4b, 3, 4, 0, 0], "PyTorch"), ([0x80, 2, 0x7d, 0], "PyTorch"), (safetensors, "safetensors"),
            (Array("tjgg1234".utf8), "GGML"), (Array("<!DOCTYPE html>".utf8), "web page"),
            (Array("{\"a\": 1}".utf8), "JSON"), ([0x1f, 0x8b, 8, 0], "compressed"), ([1, 2, 3, 4], "four bytes GGUF"),
        ] as [([UInt8], String)] {
            let path = try folder.write(bytes, "m.gguf")
            let fault = try model(path)
            #expect(fault.code == "model.unknown-format" && fault.what.contains(word), "\(fault)")
        }
        var bigEndian = GGUFBuilder.tinyLlama()
        bigEndian.version = 3 << 24
        let fault = try model(try folder.write(bigEndian.bytes, "big.gguf"))
        #expect(fault.code == "model.unsupported-version" && fault.what.contains("big-endian"))
        bigEndian.version = 1
        #expect(try model(try folder.write(bigEndian.bytes, "old.gguf")).what.contains("version 1"))
    }

    @Test func namesOtherFoldersInPlaceOfAModel() throws {
        for (files, word, way) in [
            ([("adapter_config.json", "{}")], "an adapter", "as the adapter"),
            ([("a.gguf", "GGUF")], "a.gguf", ".gguf file itself"),
            (
                [("checkpoint-9/config.json", "{}"), ("checkpoint-30/config.json", "{}")], "checkpoint-30",
                "checkpoint-30"
            ),
            ([("snapshots/x", "")], "Hugging Face cache", "snapshots"),
        ] as [([(String, String)], String, String)] {
            let folder = try folder(files)
            let fault = try model(folder.path)
            #expect(
                fault.code == "model.elsewhere" && fault.what.contains(word) && fault.mend.contains(way), "\(fault)")
        }
        for (file, word) in [
            ("pytorch_model.bin", "pytorch_model.bin"), ("pytorch_model-00001-of-00002.bin", "pytorch_model-00001"),
            ("adapter_config.json", "an adapter"),
        ] {
            let folder = try folder([(file, "PK")])
            _ = try folder.write(FolderTests.config.canonical, "config.json")
            let fault = try model(folder.path)
            #expect(fault.code == "model.elsewhere" && fault.what.contains(word), "\(fault)")
        }
    }

    @Test func namesOtherThingsInPlaceOfAnAdapter() throws {
        for (files, code, word, way) in [
            (
                [("adapter_config.json", "{}"), ("adapter_model.bin", "PK")], "elsewhere", "adapter_model.bin",
                "save_pretrained"
            ),
            (
                [("adapter_config.json", "{}"), ("adapter_model.pt", "PK")], "elsewhere", "adapter_model.pt",
                "save_pretrained"
            ),
            ([("adapter_config.json", "{}")], "not-found", "no adapter_model.safetensors", "adapter_config.json and"),
            ([("adapter_model.safetensors", "")], "not-found", "no adapter_config.json", "adapter_config.json and"),
            ([("config.json", "{}"), ("model.safetensors", "")], "elsewhere", "base model", "as the model"),
            ([("a.gguf", "GGUF")], "elsewhere", "a.gguf", ".gguf file itself"),
            (
                [
                    ("checkpoint-8/adapter_config.json", "{}"), ("checkpoint-30/adapter_config.json", "{}"),
                    ("checkpoint-99/x", ""),
                ], "elsewhere", "checkpoint-30", "checkpoint-30"
            ),
        ] as [([(String, String)], String, String, String)] {
            let folder = try folder(files)
            let fault = try adapter(folder.path)
            #expect(
                fault.code == "adapter.\(code)" && fault.what.contains(word) && fault.mend.contains(way), "\(fault)")
        }
        let folder = try folder([("a.safetensors", "x"), ("b", "GGUF"), ("c.bin", "PK\u{3}\u{4}")])
        let missing = try adapter("\(folder.path)/none")
        #expect(missing.code == "adapter.not-found")
        for word in ["adapter_config.json", "adapter_model.safetensors", ".gguf"] {
            #expect(missing.mend.contains(word))
        }
        #expect(try adapter("\(folder.path)/a.safetensors").mend.contains("adapter_config.json"))
        #expect(try adapter("\(folder.path)/b").mend.contains("end in .gguf"))
        #expect(try adapter("\(folder.path)/c.bin").what.contains("PyTorch"))
    }

    @Test func namesAFolderWhereAFileBelongs() throws {
        let folder = try folder([("config.json/x", ""), ("m/adapter_config.json", "{}")])
        let fault = try model(folder.path)
        #expect(fault.code == "model.not-a-file" && fault.what.contains("folder"))
        #expect(try model("/dev/null").what.contains("device"))
    }

    @Test func tellsModelsAndAdaptersInGGUFApart() throws {
        let folder = try TemporaryFolder()
        let shape = ModelShape(
            architecture: "llama", hiddenSize: 8, layerCount: 1, headCount: 2, keyValueHeadCount: 1, headDimension: 4,
            feedForwardSize: 12, vocabularySize: 5, rmsEpsilon: 1e-6, ropeTheta: 10000, ropeScaling: .none,
            contextLength: 64, tiedHead: true)
        let model = try folder.write(GGUFBuilder.tinyLlama().bytes, "m.gguf")
        let fault = try #require(throws: Fault.self) { _ = try AdapterGGUF.read(path: model, shape: shape) }
        #expect(fault.code == "adapter.elsewhere" && fault.what.contains("a model"))
        let configuration = LoRAConfiguration(rank: 1, alpha: 1, dropout: 0, targets: [.q])
        let adapter = Adapter(
            configuration: configuration,
            tensors: AdapterFile.expected(sizes: shape.sizes, configuration: configuration).map {
                NamedTensor(name: $0, shape: $1, values: [Float](repeating: 1, count: $1[0] * $1[1]))
            })
        try AdapterGGUF.write(adapter, shape: shape, to: folder.path + "/a.gguf")
        #expect(try self.model(folder.path + "/a.gguf").what.contains("an adapter"))
    }
}
