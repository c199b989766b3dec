// Messages over https: stock git http-backend behind TLS, with a token for each mailbox.

import Foundation
import Testing

private enum HTTPSTools {
    static let areThere: Bool = {
        let tried = try? TinyFederation.run(
            "/bin/sh", ["-c", "command -v openssl && python3 -c 'import ssl, http.server'"], in: "/")
        return tried?.code == 0
    }()
}

@Suite(.enabled(if: HTTPSTools.areThere, "needs python3 and openssl, for a hub over https")) struct HTTPSHubTests {
    @Test func aRunOverHTTPSGivesTheBytesOfOneProcess() throws {
        let one = try TinyFederation()
        #expect(try one.run("--name", "r").code == 0)
        let machines = try Machines()
        let folder = machines.folder
        let made = try TinyFederation.run(
            "/bin/sh",
            [
                "-c",
                """
                set -e
                openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
                    -addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem 2>/dev/null
                umask 077
                for site in east west; do
                    git init -q --bare hub/$site.git
                    git -C hub/$site.git config http.receivepack true
                    echo "$site:token-of-$site" > hub/$site.token
                done
                """,
            ], in: folder)
        try #require(made.code == 0, "\(made.err)")
        let script =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path + "/scripts/lib/https-hub.py"
        let hub = Process()
        hub.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        hub.arguments = ["python3", script, "hub", "certificate.pem", "key.pem"]
        hub.currentDirectoryURL = URL(fileURLWithPath: folder)
        let pipe = Pipe()
        hub.standardOutput = pipe
        try hub.run()
        defer { kill(hub.processIdentifier, SIGKILL) }
        let port = String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        try #require(Int(port) != nil)

        var mailboxes = ""
        for site in machines.sites {
            let address = "https://localhost:\(port)/\(site).git"
            mailboxes +=
                "\(site): {address: \"\(address)\", token_file: hub/\(site).token, certificates: certificate.pem}\n"
            let opened = "token_file: ../hub/\(site).token\ncertificates: ../certificate.pem"
            try machines.coordinator.replace(
                "mailbox: ../mail/\(site)", with: "mailbox: \(address)\n\(opened)", in: "\(site)/site.yaml")
        }
        try machines.coordinator.write(mailboxes, to: "mailboxes.yaml")

        // A server that nobody vouches for, and a token that others can read, get nothing.
        let path = "\(folder)/east/site.yaml"
        let whole = try String(contentsOfFile: path, encoding: .utf8)
        try whole.replacingOccurrences(of: "certificates: ../certificate.pem\n", with: "").write(
            toFile: path, atomically: true, encoding: .utf8)
        let stranger = try machines.once("east")
        #expect(stranger.code == 1 && stranger.err.contains("mailbox.host-key"), "\(stranger.err)")
        try whole.write(toFile: path, atomically: true, encoding: .utf8)
        chmod("\(folder)/hub/east.token", 0o644)
        let open = try machines.once("east")
        #expect(open.code == 1 && open.err.contains("mailbox.token") && !open.err.contains("token-of"), "\(open.err)")
        chmod("\(folder)/hub/east.token", 0o600)

        let sites = try machines.sites.map { try machines.startSite($0) }
        defer { for process in sites { kill(process.processIdentifier, SIGKILL) } }
        let run = try machines.startCoordinator()
        #expect(machines.wait(run) && run.terminationStatus == 0, "\(machines.log("coordinator"))")
        let mine = try machines.files(machines.coordinator.ledger, "runs/r")
        let theirs = try machines.files(one.ledger, "runs/r")
        for (path, blob) in theirs where path.hasSuffix("adapter.safetensors") {
            #expect(mine[path] == blob, "\(path)")
        }
        // No token and no path of a mailbox is in a ledger.
        for ledger in [machines.coordinator.ledger, machines.siteLedger("east")] {
            for id in try machines.objects(ledger) {
                let content = try machines.git(ledger, "cat-file", "-p", id)
                #expect(!content.contains("token-of") && !content.contains(":\(port)/"))
            }
        }
    }
}
