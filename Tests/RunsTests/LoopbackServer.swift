// LoopbackServer: one file over HTTP on 127.0.0.1, with ranges, whose first answer breaks off: for tests of downloads.

import Foundation
import Synchronization

/// Serves bytes until it goes away.
final class LoopbackServer: Sendable {
    private let bytes: [UInt8]
    private let cut: Int
    private let listener: Int32
    private let port: UInt16
    private let seen = Mutex<[Int]>([])

    /// Where each answer began.
    var starts: [Int] { seen.withLock { $0 } }
    var address: String { "http://127.0.0.1:\(port)/model.gguf" }

    init(_ bytes: [UInt8], cutsFirstAt cut: Int) throws {
        self.bytes = bytes
        self.cut = cut
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let port = withUnsafeMutablePointer(to: &name) { pointer -> UInt16? in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                guard bind(listener, raw, length) == 0, listen(listener, 4) == 0,
                    getsockname(listener, raw, &length) == 0
                else { return nil }
                return UInt16(bigEndian: UnsafeRawPointer(raw).load(fromByteOffset: 2, as: UInt16.self))
            }
        }
        guard let port else { throw CocoaError(.fileNoSuchFile) }
        self.port = port
        Thread.detachNewThread { [weak self] in
            while let client = Optional(accept(listener, nil, nil)), client >= 0 {
                self?.answer(client)
                close(client)
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private func answer(_ client: Int32) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(client, &buffer, buffer.count, 0)
        let request = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        let start =
            request.range(of: "Range: bytes=").flatMap { Int(request[$0.upperBound...].prefix { $0.isNumber }) } ?? 0
        let isFirst = seen.withLock { seen in
            seen.append(start)
            return seen.count == 1
        }
        let left = Array(bytes[min(start, bytes.count)...])
        let head =
            start == 0
            ? "HTTP/1.1 200 OK\r\n"
            : "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes \(start)-\(bytes.count - 1)/\(bytes.count)\r\n"
        send(client, Array("\(head)Content-Length: \(left.count)\r\nConnection: close\r\n\r\n".utf8))
        send(client, Array(isFirst ? left.prefix(cut) : left[...]))
    }

    private func send(_ client: Int32, _ bytes: [UInt8]) {
        var done = 0
        while done < bytes.count {
            let step = bytes.withUnsafeBytes {
                Foundation.send(
                    client, $0.baseAddress.map { $0 + done }, bytes.count - done, Int32(MSG_NOSIGNAL))
            }
            guard step > 0 else { return }
            done += step
        }
    }
}
