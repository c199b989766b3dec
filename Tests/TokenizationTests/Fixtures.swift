// Where tests find the base model and the goldens.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum Fixtures {
    /// The base model: MEDROUNDS_MODEL, else the cache; nil where absent.
    static let baseModel: String? = {
        let environment = ProcessInfo.processInfo.environment
        let path =
            environment["MEDROUNDS_MODEL"]
            ?? "\(FileManager.default.homeDirectoryForCurrentUser.path)/.cache/medrounds/SmolLM2-135M-Instruct.Q4_1.gguf"
        return FileManager.default.isReadableFile(atPath: path) ? path : nil
    }()

    /// The goldens of these tests.
    static let ownGoldens = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Goldens"
}

/// The bytes of a file.
func contents(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }
