// AllowedSigners: who may sign which commits and when, in the format that ssh-keygen and git read (ssh-keygen(1), ALLOWED SIGNERS).

import Faults
import Federation
import Foundation

/// What a key may sign for.
public enum SignerRole: Hashable, Sendable, CustomStringConvertible {
    /// The plan, scores, averages, evaluations, and the allowed signers themselves.
    case coordinator
    /// What one site trains and uploads, and its approvals.
    case site(SiteID)
    /// Approvals of one site, where they are given by another person than the one who runs the site.
    case approver(SiteID)

    /// Reads `coordinator`, `site:NAME` or `approver:NAME`; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        if parts == ["coordinator"] {
            self = .coordinator
        } else if parts.count == 2, let site = SiteID(parts[1]), ["site", "approver"].contains(parts[0]) {
            self = parts[0] == "site" ? .site(site) : .approver(site)
        } else {
            return nil
        }
    }

    /// The principal of the role in the file.
    public var description: String {
        switch self {
        case .coordinator: "coordinator"
        case .site(let site): "site:\(site)"
        case .approver(let site): "approver:\(site)"
        }
    }

    /// The key's file in the keys folder. Commitment keys are beside it as `<owner>.key`.
    public var fileName: String { description.replacingOccurrences(of: ":", with: "-") + ".ed25519" }
}

/// One key with its role and the time in which it may sign.
public struct AllowedSigner: Hashable, Sendable {
    /// What it may sign for.
    public var role: SignerRole
    /// The key.
    public var key: SSHPublicKey
    /// The first second in which it may sign, in seconds since 1970.
    public var validAfter: Int64
    /// The first second in which it may no longer sign; nil where there is no end.
    public var validBefore: Int64?

    /// Makes a signer.
    public init(role: SignerRole, key: SSHPublicKey, validAfter: Int64, validBefore: Int64? = nil) {
        self.role = role
        self.key = key
        self.validAfter = validAfter
        self.validBefore = validBefore
    }

    /// Whether the key may sign at that time.
    package func isValid(at time: Int64) -> Bool { time >= validAfter && (validBefore.map { time < $0 } ?? true) }

    /// The line of the file.
    var line: String {
        var options = ["namespaces=\"\(SSHSignature.commits),\(SSHSignature.witness)\""]
        options.append("valid-after=\"\(SignerTime.text(validAfter))\"")
        if let validBefore { options.append("valid-before=\"\(SignerTime.text(validBefore))\"") }
        return "\(role) \(options.joined(separator: ",")) \(key.line)"
    }
}

/// The whole file.
public struct AllowedSigners: Equatable, Sendable {
    /// The signers in the order in which they were allowed.
    public var signers: [AllowedSigner]

    /// Makes a file of signers.
    public init(_ signers: [AllowedSigner]) { self.signers = signers }

    /// Reads only the form that `bytes` writes; a line in any other form is a fault, so that no option is ignored. Throws
    /// `keys.bad-signers` with the line.
    public init(parsing bytes: [UInt8], file: String, commit: String? = nil) throws(Fault) {
        signers = []
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Self.bad("the file is not UTF-8", Place(file: file, commit: commit))
        }
        for (index, line) in text.split(separator: "\n").enumerated() where !line.hasPrefix("#") {
            let place = Place(file: file, line: index + 1, commit: commit)
            let fields = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 4, let role = SignerRole(fields[0]), fields[2] == SSHWire.algorithm,
                let key = SSHPublicKey(base64: fields[3])
            else { throw Self.bad("the line is not `role options ssh-ed25519 key`", place) }
            var signer = AllowedSigner(role: role, key: key, validAfter: 0, validBefore: nil)
            for part in fields[1].split(separator: "\"", omittingEmptySubsequences: false).dropLast().chunked() {
                let (name, value) = part
                switch name.drop(while: { $0 == "," }) {
                case "namespaces=": continue
                case "valid-after=": signer.validAfter = SignerTime.seconds(value) ?? -1
                case "valid-before=": signer.validBefore = SignerTime.seconds(value) ?? -1
                default: throw Self.bad("the option \(name) is not known", place)
                }
            }
            guard signer.line == line else {
                throw Self.bad("the line is not written as this program writes it", place)
            }
            signers.append(signer)
        }
    }

    /// The file.
    public var bytes: [UInt8] { Array(signers.map { $0.line + "\n" }.joined().utf8) }

    /// Ends a key's time for a role; if it ended earlier, nothing changes. Throws `keys.not-allowed` where the key never had the role.
    public mutating func end(_ key: SSHPublicKey, _ role: SignerRole, at time: Int64) throws(Fault) {
        let own = signers.indices.filter { signers[$0].key == key && signers[$0].role == role }
        if own.isEmpty { throw .notAllowed("the key \(key) is not allowed for \(role)") }
        for index in own { signers[index].validBefore = min(signers[index].validBefore ?? .max, time) }
    }

    /// Whether a key may sign for one of the roles at that time; nil where it may, otherwise what is wrong.
    package func flaw(of key: SSHPublicKey, for roles: [SignerRole], at time: Int64) -> String? {
        let known = signers.filter { $0.key == key }
        let names = roles.map(\.description).joined(separator: " or ")
        if known.isEmpty { return "the key \(key) is not among the allowed signers" }
        let fitting = known.filter { roles.contains($0.role) }
        if fitting.isEmpty { return "the key \(key) is allowed for \(known[0].role), not for \(names)" }
        if fitting.contains(where: { $0.isValid(at: time) }) { return nil }
        return "the key \(key) was not valid for \(names) at \(SignerTime.text(time))"
    }

    private static func bad(_ what: String, _ place: Place) -> Fault {
        Fault(
            .ledger, "keys.bad-signers", what, at: place,
            mend: "Write allowed signers with medrounds keys; fetch the ledger again if it was not you.")
    }
}

/// Times in the form of allowed-signers files: `20261125000000Z`, UTC.
package enum SignerTime {
    package static func text(_ seconds: Int64) -> String {
        let formatter = ISO8601DateFormatter()
        return formatter.string(from: Date(timeIntervalSince1970: TimeInterval(seconds))).filter {
            $0 != "-" && $0 != ":" && $0 != "T"
        }
    }

    /// Nil for any other form.
    static func seconds(_ text: some StringProtocol) -> Int64? {
        let digits = Array(text)
        guard digits.count == 15, digits.last == "Z" else { return nil }
        func part(_ range: Range<Int>) -> String { String(digits[range]) }
        let iso =
            "\(part(0..<4))-\(part(4..<6))-\(part(6..<8))T\(part(8..<10)):\(part(10..<12)):\(part(12..<14))Z"
        guard let date = ISO8601DateFormatter().date(from: iso) else { return nil }
        let seconds = Int64(date.timeIntervalSince1970)
        return Self.text(seconds) == text ? seconds : nil
    }
}

extension Sequence<Substring> {
    /// Elements in pairs; the last pair has one element where their number is odd.
    fileprivate func chunked() -> [(Substring, Substring)] {
        let all = Array(self)
        return stride(from: 0, to: all.count, by: 2).map { (all[$0], $0 + 1 < all.count ? all[$0 + 1] : "") }
    }
}
