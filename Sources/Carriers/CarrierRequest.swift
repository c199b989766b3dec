// CarrierRequest: one exchange with a hub as a child process does it: what is asked and what came of it, as JSON over pipes. A child can be ended when the
// network hangs, and what a hostile hub does to it stays in it.

import Faults
import Federation
import GitLedger

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// What a child process is asked to do.
public struct CarrierRequest: Sendable, Equatable {
    /// The kind of exchange.
    public enum Work: Sendable, Equatable {
        /// Where the lines are at the hub.
        case list
        /// Take what the ledger lacks of some lines into a file of at most so many bytes.
        case fetch([LineRef], ledger: String, file: String, limit: Int)
        /// Move lines at the hub forward.
        case push([LineRef], ledger: String)
    }

    /// The address as a person wrote it.
    public var address: String
    /// What opens it.
    public var identity: CarrierIdentity
    /// What to do.
    public var work: Work

    /// Makes a request.
    public init(address: String, identity: CarrierIdentity, work: Work) {
        self.address = address
        self.identity = identity
        self.work = work
    }

    /// What a request gives.
    public enum Answer: Sendable, Equatable {
        case lines([LineRef: CommitID])
        /// Whether the file holds something new.
        case fetched(Bool)
        case pushed
    }

    /// Does the work in this process.
    func perform(progress: @escaping () -> Void) throws(Fault) -> Answer {
        let carrier = GitCarrier(try GitAddress(address, at: nil), identity, progress: progress)
        switch work {
        case .list: return .lines(try carrier.lines())
        case .fetch(let lines, let ledger, let file, let limit):
            return .fetched(try carrier.fetch(lines, for: ledger, into: file, limit: limit))
        case .push(let lines, let ledger):
            try carrier.push(lines, of: ledger)
            return .pushed
        }
    }

    /// A child's whole life: reads a request from the standard input, does it, and writes the answer. A dot and a line break say that bytes move.
    public static func serve() {
        // A pack is written to a file as it comes, so that little memory is needed; what a hub might make of more of it is not wanted.
        var memory = rlimit(rlim_cur: 4 << 30, rlim_max: 4 << 30)
        setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &memory)
        signal(SIGPIPE, SIG_DFL)
        var input: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while input.count < 1 << 20 {
            let count = buffer.withUnsafeMutableBytes { read(0, $0.baseAddress, $0.count) }
            if count <= 0 { break }
            input += buffer.prefix(count)
        }
        let answer: JSONValue
        do throws(Fault) {
            var last = time(nil)
            let request = try CarrierRequest(json: JSONValue(parsing: input))
            // libssh2 asks the environment alone where its agent is.
            if let agent = request.identity.agent { setenv("SSH_AUTH_SOCK", agent, 1) }
            answer = try request.perform {
                let now = time(nil)
                guard now != last else { return }
                last = now
                say(".")
            }.json
        } catch {
            answer = ["fault": error.carried]
        }
        say(String(decoding: answer.canonical, as: UTF8.self).split(separator: "\n").joined())
    }

    /// A line to the parent. It has no room for it only where it has ended, and then nothing here matters.
    private static func say(_ line: String) {
        var rest = Array("\(line)\n".utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

// MARK: JSON

extension CarrierRequest {
    var json: JSONValue {
        var members: [String: JSONValue] = ["address": .string(address)]
        func add(_ key: String, _ text: String?) { if let text { members[key] = .string(text) } }
        add("ssh_key", identity.sshKey)
        add("agent", identity.agent)
        add("known_hosts", identity.knownHosts)
        add("host_key", identity.hostKey)
        add("token_file", identity.tokenFile)
        add("certificates", identity.certificates)
        func names(_ lines: [LineRef]) -> JSONValue { .array(lines.map { .string($0.ref) }) }
        switch work {
        case .list: members["work"] = "list"
        case .fetch(let lines, let ledger, let file, let limit):
            members["work"] = "fetch"
            members["lines"] = names(lines)
            members["ledger"] = .string(ledger)
            members["file"] = .string(file)
            members["limit"] = .integer(Int64(limit))
        case .push(let lines, let ledger):
            members["work"] = "push"
            members["lines"] = names(lines)
            members["ledger"] = .string(ledger)
        }
        return .object(members)
    }

    init(json: JSONValue) throws(Fault) {
        func text(_ key: String) -> String { json[key]?.text ?? "" }
        let lines = (json["lines"]?.elements ?? []).compactMap { $0.text.flatMap { LineRef(named: $0) } }
        switch text("work") {
        case "list": work = .list
        case "fetch":
            work = .fetch(lines, ledger: text("ledger"), file: text("file"), limit: json["limit"]?.int ?? 0)
        case "push": work = .push(lines, ledger: text("ledger"))
        default:
            throw Fault(
                .usage, "mailbox.request", "this is not a request of a run or a site",
                mend: "Use medrounds site run or medrounds run.")
        }
        address = text("address")
        identity = CarrierIdentity(
            sshKey: json["ssh_key"]?.text, agent: json["agent"]?.text, knownHosts: json["known_hosts"]?.text,
            hostKey: json["host_key"]?.text,
            tokenFile: json["token_file"]?.text, certificates: json["certificates"]?.text)
    }
}

extension CarrierRequest.Answer {
    var json: JSONValue {
        switch self {
        case .lines(let lines):
            let members = lines.map { ($0.key.ref, JSONValue.string($0.value.hex)) }
            return ["lines": .object(Dictionary(members) { first, _ in first })]
        case .fetched(let isNew): return ["fetched": .bool(isNew)]
        case .pushed: return ["pushed": true]
        }
    }

    /// Nil for what no child of this program writes.
    init?(json: JSONValue) {
        if let members = json["lines"]?.members {
            var lines: [LineRef: CommitID] = [:]
            for (name, id) in members {
                guard let line = LineRef(named: name), let tip = id.text.flatMap({ CommitID(hex: $0) }) else {
                    return nil
                }
                lines[line] = tip
            }
            self = .lines(lines)
        } else if case .bool(let isNew)? = json["fetched"] {
            self = .fetched(isNew)
        } else if json["pushed"] != nil {
            self = .pushed
        } else {
            return nil
        }
    }
}

extension Fault {
    fileprivate var carried: JSONValue {
        var members: [String: JSONValue] = [
            "kind": .string(kind.rawValue), "code": .string(code), "what": .string(what), "mend": .string(mend),
            "is_unreachable": .bool(cause == .unreachable), "is_not_writable": .bool(cause == .notWritable),
        ]
        if let file = place?.file { members["file"] = .string(file) }
        return .object(members)
    }

    init?(carried json: JSONValue) {
        guard let kind = json["kind"]?.text.flatMap(Fault.Kind.init(rawValue:)), let code = json["code"]?.text else {
            return nil
        }
        func holds(_ key: String) -> Bool { if case .bool(true)? = json[key] { true } else { false } }
        self.init(
            kind, code, json["what"]?.text ?? "", at: json["file"]?.text.map { Place(file: $0) },
            mend: json["mend"]?.text ?? "",
            cause: holds("is_unreachable") ? .unreachable : holds("is_not_writable") ? .notWritable : nil)
    }
}
