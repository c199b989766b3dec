// StockAgent and FalseAgent: OpenSSH's own ssh-agent on a socket of a test, and a socket that answers as a test says.

import Foundation
import Testing

/// An ssh-agent of one test; stopped at its end.
final class StockAgent {
    let socket: String
    private let process = Process()

    /// What makes a program use it.
    var environment: [String: String] { ["SSH_AUTH_SOCK": socket] }
    var pid: pid_t { process.processIdentifier }

    init(in folder: String) throws {
        socket = "\(folder)/agent"
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["ssh-agent", "-D", "-a", socket]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        // Who reads what the tests print would wait for an agent that holds it.
        process.standardError = FileHandle.nullDevice
        try process.run()
        let end = Date().addingTimeInterval(20)
        while !FileManager.default.fileExists(atPath: socket) && Date() < end { Thread.sleep(forTimeInterval: 0.02) }
        try #require(FileManager.default.fileExists(atPath: socket))
    }

    /// A process inherits the signals that its thread blocks, so that a polite one may never arrive.
    deinit { kill(pid, SIGKILL) }

    /// Runs ssh-add.
    func add(_ arguments: String...) throws {
        let added = try TinyFederation.run(
            "/usr/bin/env", ["ssh-add", "-q"] + arguments, in: (socket as NSString).deletingLastPathComponent,
            environment: environment)
        try #require(added.code == 0, "\(added.err)")
    }

    /// Takes over a key and leaves its public half alone in the folder.
    func take(_ path: String) throws {
        try add(path)
        try FileManager.default.removeItem(atPath: path)
    }
}

/// A socket that answers every request with the same bytes; then it closes the connection.
final class FalseAgent {
    let socket: String
    private let listener: Int32

    init(_ answer: [UInt8], in folder: String) throws {
        let socket = "\(folder)/false-\(Int.random(in: 0..<1_000_000))"
        self.socket = socket
        let listener = Foundation.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        try #require(socket.utf8.count < MemoryLayout.size(ofValue: address.sun_path))
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: socket.utf8) }
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(code == 0 && listen(listener, 8) == 0)
        Thread.detachNewThread {
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                var request = [UInt8](repeating: 0, count: 4096)
                _ = request.withUnsafeMutableBytes { recv(client, $0.baseAddress, $0.count, 0) }
                _ = answer.withUnsafeBytes { send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                close(client)
            }
        }
    }

    deinit {
        // A thread that waits in accept is woken by this alone.
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }
}
