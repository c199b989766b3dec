// KeyAccess: how commands open keys: the person's ssh-agent, and on a terminal ssh-add of OpenSSH, which asks for a passphrase without echo. What it
// opens is kept by an ssh-agent of this process alone, so that the passphrase is asked once and never enters this program.

import Faults
import Foundation
import Identities

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// How this process opens keys.
package enum KeyAccess {
    /// An opener for one command. On a terminal it asks for the passphrase of an encrypted key.
    package static func opener() -> KeyOpener {
        let socket = ProcessInfo.processInfo.environment["SSH_AUTH_SOCK"] ?? ""
        let agent = socket.isEmpty ? nil : SSHAgent(socket)
        guard isatty(STDIN_FILENO) == 1 else { return KeyOpener(agent: agent, unlock: nil) }
        let own = OwnAgent()
        return KeyOpener(agent: agent) { (path) throws(Fault) in try own.unlock(path) }
    }
}

/// An ssh-agent of this process; it ends within seconds of it, however the process ends.
private final class OwnAgent {
    private var agent: SSHAgent?

    func unlock(_ path: String) throws(Fault) -> SSHAgent {
        let agent: SSHAgent
        if let known = self.agent { agent = known } else { agent = try Self.start(for: path) }
        self.agent = agent
        let words = ["env", "SSH_AUTH_SOCK=\(agent.path)", "SSH_ASKPASS_REQUIRE=never", "ssh-add", "-q", "--", path]
        let child = try Self.spawn(words, input: nil, output: nil, inOwnGroup: false, path)
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        guard status == 0 else { throw Self.refused(path, "ssh-add did not open it") }
        return agent
    }

    /// OpenSSH's agent ends when the command that it runs has ended; here that command ends when this process closes a pipe, so that a kill leaves nothing
    /// behind. It is in a group of its own: Ctrl-C is for this process.
    private static func start(for path: String) throws(Fault) -> SSHAgent {
        var (input, output): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
        guard pipe(&input) == 0, pipe(&output) == 0 else {
            throw refused(path, "no pipe to an ssh-agent: \(String(cString: strerror(errno)))")
        }
        for descriptor in input + output { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        defer {
            close(input[0])
            close(output[1])
            close(output[0])
        }
        // input[1] stays open for as long as this process lives.
        let script = #"printf '%s\n' "$SSH_AUTH_SOCK"; exec cat >/dev/null"#
        _ = try spawn(
            ["ssh-agent", "sh", "-c", script], input: input[0], output: output[1], inOwnGroup: true, path)
        close(output[1])
        output[1] = -1
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while line.count < 4096, read(output[0], &byte, 1) == 1, byte != 0x0a { line.append(byte) }
        guard byte == 0x0a, !line.isEmpty else { throw refused(path, "ssh-agent did not start") }
        return SSHAgent(String(decoding: line, as: UTF8.self))
    }

    private static func spawn(
        _ words: [String], input: Int32?, output: Int32?, inOwnGroup: Bool, _ path: String
    ) throws(Fault) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input { posix_spawn_file_actions_adddup2(&actions, input, 0) }
        // What ssh-add says is no result of this command.
        posix_spawn_file_actions_adddup2(&actions, output ?? 2, 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        if inOwnGroup { posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP)) }
        var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        defer { pointers.forEach { free($0) } }
        pointers.append(nil)
        var child = pid_t()
        let code = posix_spawnp(&child, words[0], &actions, &attributes, pointers, environ)
        guard code == 0 else { throw refused(path, "\(words[0]) cannot be run: \(String(cString: strerror(code)))") }
        return child
    }

    private static func refused(_ path: String, _ why: String) -> Fault {
        Fault(
            .data, "keys.encrypted", "the key is encrypted: \(why)", at: Place(file: path),
            mend: "Install OpenSSH's ssh-agent and ssh-add, and type the key's passphrase; or run ssh-add before.")
    }
}
