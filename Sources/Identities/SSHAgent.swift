// SSHAgent: asks an ssh-agent which keys it holds, and has it sign (draft-ietf-sshm-ssh-agent). Every answer is judged: its length, its form, and the
// signature itself.

import Digests
import Faults
import Foundation

/// The agent behind a socket of this machine. Each question makes its own connection, so that an agent may be started again in between.
public struct SSHAgent: Sendable, Equatable {
    /// The socket's path.
    package let path: String

    /// Seconds for one question and its answer.
    private static let patience = 10
    /// OpenSSH's agent takes and gives no more in one message.
    private static let largest = 256 << 10
    private enum Message {
        static let requestIdentities: UInt8 = 11
        static let identities: UInt8 = 12
        static let signRequest: UInt8 = 13
        static let signature: UInt8 = 14
    }

    /// Names an agent; nothing is asked yet.
    public init(_ path: String) { self.path = path }

    /// The public halves of the keys it holds, as ssh sends them, of every kind. Throws `keys.agent`.
    package func keys() throws(Fault) -> [[UInt8]] {
        var answer = try ask([Message.requestIdentities], expecting: Message.identities)
        guard let count = answer.word(), count <= 4096 else { throw fault("its list of keys is damaged") }
        var keys: [[UInt8]] = []
        for _ in 0..<count {
            guard let blob = answer.string(), answer.string() != nil else { throw fault("its list of keys is damaged") }
            keys.append(blob)
        }
        return keys
    }

    /// The 64 bytes of the signature that one of its keys makes. Throws `keys.agent`, also for a signature that is not the key's.
    func sign(_ message: [UInt8], by key: SSHPublicKey) throws(Fault) -> [UInt8] {
        let request =
            [Message.signRequest] + SSHWire.string(key.blob) + SSHWire.string(message) + SSHWire.word(0)
        var answer = try ask(request, expecting: Message.signature)
        guard let blob = answer.string() else { throw fault("its signature is damaged") }
        var inner = SSHReader(blob)
        guard inner.text() == SSHWire.algorithm, let signature = inner.string(), inner.isAtEnd, signature.count == 64,
            SigningKey.accepts(signature, of: message, by: key.bytes)
        else { throw fault("its signature is not one of \(key)") }
        return signature
    }

    // MARK: The socket

    private func ask(_ request: [UInt8], expecting kind: UInt8) throws(Fault) -> SSHReader {
        guard request.count <= Self.largest else {
            throw fault("it takes no message of \(request.count) bytes", mend: "Sign with a key in a file.")
        }
        let end = ProcessInfo.processInfo.systemUptime + Double(Self.patience)
        let descriptor = try connected(until: end)
        defer { close(descriptor) }
        try send(SSHWire.word(request.count) + request, to: descriptor, until: end)
        var head = SSHReader(try receive(4, from: descriptor, until: end))
        guard let count = head.word(), 1...UInt32(Self.largest) ~= count else {
            throw fault("its answer has no length that an agent's answer has")
        }
        let answer = try receive(Int(count), from: descriptor, until: end)
        guard answer[0] == kind else {
            throw fault(
                kind == Message.signature ? "it does not sign" : "it does not say which keys it holds",
                mend: "See ssh-add -l; unlock the agent, add the key again, or confirm when the agent asks.")
        }
        return SSHReader(Array(answer.dropFirst()))
    }

    private func connected(until end: Double) throws(Fault) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard !path.isEmpty, path.utf8.count < room, !path.utf8.contains(0) else {
            throw fault("the path of its socket has more than \(room - 1) bytes")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        #if canImport(Glibc)
            let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        #else
            let kind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK
        #endif
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw fault(String(cString: strerror(errno))) }
        while true {
            let code = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if code == 0 { return descriptor }
            let reason = errno
            // EAGAIN: others wait at the socket already.
            if reason == EAGAIN || reason == EINTR, ProcessInfo.processInfo.systemUptime < end {
                usleep(20_000)
                continue
            }
            close(descriptor)
            throw fault(String(cString: strerror(reason)))
        }
    }

    private func send(_ bytes: [UInt8], to descriptor: Int32, until end: Double) throws(Fault) {
        var rest = bytes[...]
        while !rest.isEmpty {
            try wait(for: Int16(POLLOUT), on: descriptor, until: end)
            let count = rest.withUnsafeBytes {
                Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else { throw fault("it closed the connection") }
            rest = rest.dropFirst(count)
        }
    }

    private func receive(_ wanted: Int, from descriptor: Int32, until end: Double) throws(Fault) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while bytes.count < wanted {
            try wait(for: Int16(POLLIN), on: descriptor, until: end)
            let count = buffer.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress, min($0.count, wanted - bytes.count), 0)
            }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else { throw fault("it closed the connection") }
            bytes += buffer.prefix(count)
        }
        return bytes
    }

    private func wait(for events: Int16, on descriptor: Int32, until end: Double) throws(Fault) {
        while true {
            let left = Int32(max(0, (end - ProcessInfo.processInfo.systemUptime) * 1000))
            var waiting = pollfd(fd: descriptor, events: events, revents: 0)
            let ready = poll(&waiting, 1, left)
            if ready > 0 { return }
            if ready < 0, errno == EINTR { continue }
            throw fault("it did not answer within \(Self.patience) seconds")
        }
    }

    private func fault(_ what: String, mend: String? = nil) -> Fault {
        Fault(
            .failed, "keys.agent", "the ssh-agent cannot be used: \(what)", at: Place(file: path),
            mend: mend ?? "Start an ssh-agent, run ssh-add, and give this command its SSH_AUTH_SOCK.")
    }
}
