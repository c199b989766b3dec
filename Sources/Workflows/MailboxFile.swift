// MailboxFile: mailboxes.yaml, which stands with the coordinator and outside the ledger: where each site's mailbox is; and what site.yaml and it say of a
// mailbox alike.

import Faults
import Federation

/// Where a mailbox is, and with what it is opened. Paths are as written: relative to the file that names them.
public struct MailboxPlace: Sendable, Equatable {
    /// A folder, or the ssh or https address of a git repository.
    public var address: String
    /// The private key for ssh.
    public var sshKey: String?
    /// The file of host keys.
    public var knownHosts: String?
    /// The fingerprint of the host's key.
    public var hostKey: String?
    /// The file of the token for https.
    public var tokenFile: String?
    /// The file of certificates for https.
    public var certificates: String?

    static let keys = ["ssh_key", "known_hosts", "host_key", "token_file", "certificates"]

    init(_ address: String, _ mapping: MappingReader, path: String, _ faults: FaultCollector) {
        func text(_ key: String) -> String? {
            mapping.node(key).flatMap {
                MappingReader.string(
                    $0, path: path.isEmpty ? key : "\(path).\(key)", expected: "a text", faults: faults)
            }
        }
        self.init(
            address: address, sshKey: text("ssh_key"), knownHosts: text("known_hosts"), hostKey: text("host_key"),
            tokenFile: text("token_file"), certificates: text("certificates"))
    }

    /// Makes a place.
    public init(
        address: String, sshKey: String? = nil, knownHosts: String? = nil, hostKey: String? = nil,
        tokenFile: String? = nil, certificates: String? = nil
    ) {
        self.address = address
        self.sshKey = sshKey
        self.knownHosts = knownHosts
        self.hostKey = hostKey
        self.tokenFile = tokenFile
        self.certificates = certificates
    }
}

/// mailboxes.yaml.
public enum MailboxFile {
    /// The mailbox of each site: its folder or address, or a mapping of `address` and what opens it. Throws every fault of the file at once.
    public static func read(bytes: [UInt8], file: String) throws(FaultReport) -> [SiteID: MailboxPlace] {
        let faults = FaultCollector(files: [file])
        let root: YAMLNode
        do { root = try YAMLReader.read(bytes: bytes, file: file, form: .unknown) } catch {
            throw FaultReport(error.faults)
        }
        var found: [SiteID: MailboxPlace] = [:]
        if let top = MappingReader(root, path: "", keys: nil, faults: faults) {
            for pair in top.pairs {
                guard let site = SiteID(pair.key) else {
                    faults.add(
                        .wrongType(
                            "a site", is: "another text", expected: "a name in kebab-case", at: pair.keyMark.place))
                    continue
                }
                found[site] = place(pair.key, pair.value, faults)
            }
        }
        try faults.throwIfAny()
        return found
    }

    private static func place(_ site: String, _ value: YAMLNode, _ faults: FaultCollector) -> MailboxPlace? {
        guard case .mapping = value.content else {
            return MappingReader.string(value, path: site, expected: "a folder or an address", faults: faults).map {
                MailboxPlace(address: $0)
            }
        }
        let keys = ["address"] + MailboxPlace.keys
        guard let mapping = MappingReader(value, path: site, keys: keys, faults: faults),
            let node = mapping.node("address", required: true),
            let address = MappingReader.string(
                node, path: "\(site).address", expected: "a folder or an address", faults: faults)
        else { return nil }
        return MailboxPlace(address, mapping, path: site, faults)
    }
}
