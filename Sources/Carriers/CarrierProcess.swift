// CarrierProcess: runs an exchange in a child process and ends it when nothing moves.

import Faults
import Federation

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// How exchanges are run.
public struct CarrierProcess: Sendable {
    /// The program and the words that make it serve one request.
    public var command: [String]
    /// Seconds without a moved byte after which an exchange counts as broken off.
    public var patience: Int

    /// Takes this program itself by default.
    public init(command: [String] = ["/proc/self/exe", "carry"], patience: Int = 60) {
        self.command = command
        self.patience = patience
    }

    /// Throws what the exchange threw, and `mailbox.unreachable` where nothing moved for too long or the child ended without an answer.
    public func run(_ request: CarrierRequest) throws(Fault) -> CarrierRequest.Answer {
        var (input, output): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
        guard pipe(&input) == 0, pipe(&output) == 0 else {
            (input + output).forEach { if $0 >= 0 { close($0) } }
            throw .mailboxUnreachable(request.address, "no pipe: \(String(cString: strerror(errno)))")
        }
        for descriptor in input + output { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input[0], 0)
        posix_spawn_file_actions_adddup2(&actions, output[1], 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
        defer { words.forEach { free($0) } }
        words.append(nil)
        var child = pid_t()
        // Kernels and threads of the engine are not wanted in it; the environment is the person's, since an ssh-agent is named there.
        let code = posix_spawn(&child, command[0], &actions, nil, words, environ)
        close(input[0])
        close(output[1])
        defer { close(output[0]) }
        guard code == 0 else {
            close(input[1])
            throw .mailboxUnreachable(request.address, "no process: \(String(cString: strerror(code)))")
        }
        let bytes = request.json.canonical
        _ = bytes.withUnsafeBytes { write(input[1], $0.baseAddress, $0.count) }
        close(input[1])
        let (text, isLate) = Self.read(output[0], patience: patience)
        if isLate { kill(child, SIGKILL) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        if isLate { throw .mailboxUnreachable(request.address, "nothing moved for \(patience) seconds") }
        let last = text.split(separator: UInt8(ascii: "\n")).last.map(Array.init) ?? []
        let limits = JSONLimits(depth: 8, values: 1 << 18)
        guard let json = try? JSONValue(parsing: last, limits: limits) else {
            throw .mailboxUnreachable(request.address, "the exchange ended without an answer")
        }
        if let fault = json["fault"].flatMap(Fault.init(carried:)) { throw fault }
        guard let answer = CarrierRequest.Answer(json: json) else {
            throw .mailboxUnreachable(request.address, "the exchange ended with an answer that nobody reads")
        }
        return answer
    }

    /// What the child writes until it ends; at most 32 MB. Late where it was silent for too long.
    private static func read(_ descriptor: Int32, patience: Int) -> (text: [UInt8], isLate: Bool) {
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while text.count < 32 << 20 {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, Int32(patience) * 1000)
            if ready < 0, errno == EINTR { continue }
            if ready <= 0 { return (text, true) }
            let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return (text, false) }
            text += buffer.prefix(count)
        }
        return (text, true)
    }
}
