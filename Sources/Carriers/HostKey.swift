// HostKey: whether the key that an ssh host shows is the one that is expected of it. libgit2 1.5 calls every host key invalid and leaves the answer to
// its caller; known_hosts is read by libssh2, hashed names included.

import CLibssh2
import Digests
import Faults
import Federation
import Foundation

enum HostKey {
    /// Nil where the key, in the wire format of ssh, is the host's; else why it is not taken. A key that nobody confirmed is never taken.
    static func flaw(_ key: [UInt8], of address: GitAddress, _ identity: CarrierIdentity) -> Fault? {
        let seen = "SHA256:" + Data(Federation.Digest.sha256(key).bytes).base64EncodedString().prefix { $0 != "=" }
        if let pinned = identity.hostKey {
            guard seen != pinned else { return nil }
            return refused(
                "the host \(address.host) shows the key \(seen), pinned is \(pinned)",
                "Do not go on before the person who runs the host confirms the new key; then write it as host_key:.")
        }
        let scan = "ssh-keyscan -p \(address.port) \(address.host)"
        guard let path = identity.knownHosts else {
            return refused(
                "the host \(address.host) shows the key \(seen), and there is no known_hosts to compare it with",
                "Ask the person who runs the host for its fingerprint, and write it as host_key:.")
        }
        guard let session = shim_ssh_session(), let hosts = libssh2_knownhost_init(session) else {
            return refused("known_hosts cannot be read: no memory", "Free memory, then try again.")
        }
        defer {
            libssh2_knownhost_free(hosts)
            libssh2_session_free(session)
        }
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            return refused(
                "the file of host keys cannot be read, so the key \(seen) of \(address.host) is not known", at: path,
                "Ask the person who runs the host for its fingerprint, and compare it with that of \(scan).")
        }
        // A line at a time: one that libssh2 does not understand hides no other.
        for line in text.split(whereSeparator: \.isNewline) {
            let bytes = line.utf8.map { CChar(bitPattern: $0) }
            _ = libssh2_knownhost_readline(hosts, bytes, bytes.count, LIBSSH2_KNOWNHOST_FILE_OPENSSH)
        }
        let types = LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW
        let found = key.withUnsafeBytes { raw in
            libssh2_knownhost_checkp(
                hosts, address.host, Int32(address.port), raw.bindMemory(to: CChar.self).baseAddress, key.count,
                Int32(types), nil)
        }
        switch found {
        case LIBSSH2_KNOWNHOST_CHECK_MATCH: return nil
        case LIBSSH2_KNOWNHOST_CHECK_MISMATCH:
            return refused(
                "the host \(address.host) shows the key \(seen), and known_hosts has another one for it", at: path,
                "Do not go on before the person who runs the host confirms the new key.")
        default:
            return refused(
                "the host \(address.host) shows the key \(seen), and known_hosts has none of that kind for it",
                at: path,
                "Compare the fingerprint with the person who runs the host, then add the line of \(scan).")
        }
    }

    private static func refused(_ what: String, at path: String? = nil, _ mend: String) -> Fault {
        Fault(.failed, "mailbox.host-key", what, at: path.map { Place(file: $0) }, mend: mend)
    }
}
