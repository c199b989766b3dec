// GitAddress: where a mailbox on another machine is, as a person writes it: an ssh or https address of a git repository.

import Faults

/// The address of a repository that is reached over ssh or https.
public struct GitAddress: Sendable, Equatable {
    /// How it is reached.
    public enum Way: String, Sendable { case ssh, https }

    /// The way.
    public let way: Way
    /// The address as libgit2 takes it.
    public let url: String
    /// The account at the host; nil where the address names none.
    public let user: String?
    /// The host's name or number.
    public let host: String
    /// The port; 22 or 443 where the address names none.
    public let port: Int

    /// Whether a text is meant as an address on another machine and not as a folder.
    public static func isRemote(_ text: String) -> Bool {
        if text.contains("://") { return true }
        guard let colon = text.firstIndex(of: ":") else { return false }
        return !text[..<colon].contains("/")
    }

    /// Reads an address: `ssh://user@host:port/path`, `user@host:path` or `https://host/path`. Throws `mailbox.address`: another scheme, a password or
    /// token in the address, a blank or control character, no host or no path.
    public init(_ text: String, at place: Place?) throws(Fault) {
        func refused(_ what: String, _ mend: String) -> Fault {
            Fault(.workflow, "mailbox.address", what, at: place, mend: mend)
        }
        let forms = "Write ssh://USER@HOST/PATH or https://HOST/PATH."
        guard text.utf8.count <= 1024, text.utf8.allSatisfy({ 0x21...0x7e ~= $0 }) else {
            throw refused("the mailbox's address has blanks or other than ASCII characters, or is too long", forms)
        }
        var rest: Substring
        var standard = 22
        if let mark = text.range(of: "://") {
            guard let way = Way(rawValue: text[..<mark.lowerBound].lowercased()) else {
                throw refused("messages travel through folders, ssh and https, and this address is neither", forms)
            }
            self.way = way
            standard = way == .ssh ? 22 : 443
            rest = text[mark.upperBound...]
            url = text
        } else {
            way = .ssh
            guard let colon = text.firstIndex(of: ":") else { throw refused("the address names no host", forms) }
            // The short form has its path after the colon, and no port.
            rest = "\(text[..<colon])/\(text[text.index(after: colon)...])"
            url = text
        }
        guard let slash = rest.firstIndex(of: "/"), rest.index(after: slash) < rest.endIndex else {
            throw refused("the address names no repository at the host", forms)
        }
        var authority = rest[..<slash]
        if let at = authority.lastIndex(of: "@") {
            let name = authority[..<at]
            // Also where it is empty: what stands there is copied into logs and histories of shells.
            guard !name.contains(":") else {
                throw refused(
                    "the mailbox's address holds a password, which every log would show",
                    "Remove it, and name a file with ssh_key: or token_file:.")
            }
            guard way == .ssh else {
                throw refused(
                    "the mailbox's address holds a user or a token, which every log would show",
                    "Remove it, and name a file with token_file:.")
            }
            user = String(name)
            authority = authority[authority.index(after: at)...]
        } else {
            user = nil
        }
        var name = authority
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            name = authority[authority.index(after: authority.startIndex)..<end]
            authority = authority[authority.index(after: end)...]
        } else {
            name = authority.prefix { $0 != ":" }
            authority = authority[name.endIndex...]
        }
        guard !name.isEmpty, user?.isEmpty != true, !name.hasPrefix("-"), user?.hasPrefix("-") != true else {
            throw refused("the address names no host or no user", forms)
        }
        host = String(name)
        if authority.isEmpty {
            port = standard
        } else {
            guard authority.first == ":", let number = Int(authority.dropFirst()), 1...65_535 ~= number else {
                throw refused("the address has no port between 1 and 65535 after its colon", forms)
            }
            port = number
        }
    }
}
