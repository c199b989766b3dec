// Hub: stock sshd on a loopback port with a bare repository for each site, as scripts/lib/hub.sh starts it.

import Foundation
import Testing

/// A hub of one test; stopped at its end.
final class Hub {
    let folder: String
    private(set) var address = ""
    private(set) var hostKey = ""
    private let keys: [String]
    private var pid: pid_t?

    /// Whether this machine can have one.
    static let isAvailable: Bool = {
        let folder = NSTemporaryDirectory() + "medrounds-hub-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return (try? Hub(in: folder, sites: ["a"])) != nil
    }()

    /// Makes a key for the coordinator and for each site in the folder, and starts.
    init(in folder: String, sites: [String]) throws {
        self.folder = folder
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for name in ["coordinator"] + sites {
            let made = try TinyFederation.run(
                "/usr/bin/env", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "\(folder)/\(name)"], in: folder)
            try #require(made.code == 0, "\(made.err)")
        }
        keys = ["\(folder)/coordinator.pub"] + sites.map { "\($0)=\(folder)/\($0).pub" }
        try start()
    }

    deinit { stop() }

    func start() throws {
        let script =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path + "/scripts/lib/hub.sh"
        let started = try TinyFederation.run("/usr/bin/env", ["bash", script, "start", folder] + keys, in: folder)
        try #require(started.code == 0, "\(started.err)")
        let text = try String(contentsOfFile: "\(folder)/sshd.pid", encoding: .utf8)
        pid = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines))
        for line in started.out.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words[0] == "address" { address = words[1] } else { hostKey = words[1] }
        }
    }

    func stop() {
        // A process inherits the signals that its thread blocks, so that a polite one may never arrive.
        if let pid { kill(pid, SIGKILL) }
        pid = nil
        try? FileManager.default.removeItem(atPath: "\(folder)/sshd.pid")
    }

    func repository(_ site: String) -> String { "\(folder)/mail/\(site).git" }

    /// The lines of a mailbox as site.yaml or mailboxes.yaml has them, by key.
    func mailbox(_ site: String, key: String, hostKey: String? = nil) -> [(String, String)] {
        [("address", "\(address)/\(site).git"), ("ssh_key", "\(folder)/\(key)"), ("host_key", hostKey ?? self.hostKey)]
    }
}
