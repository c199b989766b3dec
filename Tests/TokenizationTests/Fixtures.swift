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

    /// The folder of goldens beside the package; nil where absent.
    static let goldens: String? = {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let path = "\(root)/../shared/goldens"
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }()
}

/// The bytes of a file.
func contents(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }
