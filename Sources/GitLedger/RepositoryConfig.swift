// RepositoryConfig: a repository's own configuration, checked before libgit2 reads it: libgit2 follows includes to any place, and for an
// extension it says only "unsupported".

import CLibgit2
import Faults

enum RepositoryConfig {
    private static let largest = 1 << 20

    /// Faults: ledger.config, ledger.extension, ledger.unreadable.
    static func check(_ place: String) throws(Fault) {
        let folder = place.hasSuffix("/") ? String(place.dropLast()) : place
        let path = "\(folder)/config"
        // libgit2 also reads these when it opens a repository.
        for name in ["commondir", "gitdir", "HEAD"] {
            switch Files.bounded("\(folder)/\(name)", limit: 4096) {
            case .content, .absent: break
            case .notAFile: throw .ledgerConfig("\(folder)/\(name)", "this is not a plain file")
            case .tooLarge(let size):
                throw .ledgerConfig("\(folder)/\(name)", "this file has \(size) bytes; at most 4096 are read")
            case .failed(let code): throw .ledgerUnreadable("\(folder)/\(name)", Files.reason(code))
            }
        }
        let bytes: [UInt8]
        switch Files.bounded(path, limit: largest) {
        case .content(let content): bytes = content
        case .absent: return
        case .notAFile: throw .ledgerConfig(path, "this is not a plain file")
        case .tooLarge(let size): throw .ledgerConfig(path, "this file has \(size) bytes; at most \(largest) are read")
        case .failed(let code): throw .ledgerUnreadable(path, Files.reason(code))
        }
        let text = String(decoding: bytes, as: UTF8.self).lowercased()
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
        where line.contains("[include") && line.first != "#" && line.first != ";" {
            throw .ledgerConfig("\(path):\(index + 1)", "the configuration includes another file")
        }
        if let (name, value) = extensions(path) { throw .ledgerExtension(folder, name, value) }
    }

    /// The first extension that libgit2 1.5 does not read, in a repository whose format version makes extensions count.
    private static func extensions(_ path: String) -> (name: String, value: String)? {
        var config: OpaquePointer?
        defer { git_config_free(config) }
        guard git_config_open_ondisk(&config, path) == 0, let config else { return nil }
        var version: Int32 = 0
        guard git_config_get_int32(&version, config, "core.repositoryformatversion") == 0, version > 0 else {
            return nil
        }
        var iterator: OpaquePointer?
        defer { git_config_iterator_free(iterator) }
        guard git_config_iterator_glob_new(&iterator, config, "^extensions\\.") == 0 else { return nil }
        var entry: UnsafeMutablePointer<git_config_entry>?
        while git_config_next(&entry, iterator) == 0, let found = entry?.pointee {
            guard let key = found.name.map({ String(cString: $0) }) else { continue }
            let name = String(key.dropFirst("extensions.".count))
            let value = found.value.map { String(cString: $0) } ?? "true"
            if name == "noop" || name == "objectformat" && value.lowercased() == "sha1" { continue }
            return (name, value)
        }
        return nil
    }
}
