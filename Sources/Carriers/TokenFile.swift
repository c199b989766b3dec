// TokenFile: the file with a token for https: never in an address, on a command line or in a log.

import Faults

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

enum TokenFile {
    /// Reads `USER:TOKEN` or `TOKEN`, one line. Throws `mailbox.token`: unreadable, readable for others, empty or longer than 4,096 bytes.
    static func read(_ path: String) throws(Fault) -> (user: String, token: String) {
        func refused(_ what: String, _ mend: String) -> Fault {
            Fault(.failed, "mailbox.token", what, at: Place(file: path), mend: mend)
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw refused("the token cannot be read: \(String(cString: strerror(errno)))", "Name a file that is there.")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw refused("the token is not in a plain file", "Name a plain file with token_file:.")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw refused("others on this machine can read the token", "Run chmod 600 \(path).")
        }
        var bytes = [UInt8](repeating: 0, count: 4097)
        let count = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        let line = text.prefix { !$0.isNewline }
        guard 1...4096 ~= count, !line.isEmpty else {
            throw refused("the file holds no token in its first line", "Write USER:TOKEN or the token alone there.")
        }
        guard let colon = line.firstIndex(of: ":") else { return ("git", String(line)) }
        return (String(line[..<colon]), String(line[line.index(after: colon)...]))
    }
}
