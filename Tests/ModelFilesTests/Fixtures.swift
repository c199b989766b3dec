// Where tests find the goldens, and folders of their own.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum Fixtures {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .path
    /// The goldens of these tests.
    static let ownGoldens = "\(tests)/ModelFilesTests/Goldens"
    /// The models and adapters that PyTorch and PEFT wrote for the engine's tests.
    static let engineGoldens = "\(tests)/EngineTests/Goldens"
    /// The tokenizer that goes with them.
    static let tokenizer = "\(tests)/TokenizationTests/Goldens/tiny-llama3/tokenizer.json"
}

/// A temporary folder that is removed at the end of the scope that holds it.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/medrounds-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ bytes: [UInt8], _ name: String) throws -> String {
        let file = "\(path)/\(name)"
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }

    func write(_ text: String, _ name: String) throws -> String { try write(Array(text.utf8), name) }

    func makeFolder(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: "\(path)/\(name)", withIntermediateDirectories: true)
    }
}
