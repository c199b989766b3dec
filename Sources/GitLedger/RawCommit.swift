// RawCommit: a commit object with everything in it, for a checker that permits only what it can derive.

import Faults

/// The author or the committer, and the time, as a commit's header says it.
public struct CommitPerson: Sendable, Hashable {
    /// Name and address.
    public var author: CommitAuthor
    /// Seconds since 1970; never negative and never after the year 9999.
    public var time: Int64
    /// What follows the time, such as `+0000`.
    public var zone: String
}

/// One header of a commit object.
public struct CommitHeader: Sendable, Hashable {
    /// The word before the first space.
    public var key: String
    /// The rest, with its continuation lines.
    public var value: String
}

/// A commit object as git stores it. It has at most 1 MiB, so that everything in it can be checked.
public struct RawCommit: Sendable {
    /// The commit's id.
    public let id: CommitID
    /// Bytes of the object.
    public let size: Int
    /// All headers in order, also those that the ledger never writes, such as `encoding` and `mergetag`.
    public let headers: [CommitHeader]
    /// Everything after the headers.
    public let message: String
    /// The record that a reader of ledgers gets from it.
    public let record: CommitRecord

    init?(id: CommitID, parsing bytes: [UInt8]) {
        guard let record = CommitRecord(id: id, parsing: bytes) else { return nil }
        var headers: [CommitHeader] = []
        var lines = bytes[...]
        while let end = lines.firstIndex(of: 0x0a), end > lines.startIndex {
            let line = lines[..<end]
            lines = lines[(end + 1)...]
            if line.first == 0x20, !headers.isEmpty {
                headers[headers.count - 1].value += "\n" + String(decoding: line.dropFirst(), as: UTF8.self)
            } else {
                let space = line.firstIndex(of: 0x20) ?? line.endIndex
                headers.append(
                    CommitHeader(
                        key: String(decoding: line[..<space], as: UTF8.self),
                        value: String(decoding: line[space...].dropFirst(), as: UTF8.self)))
            }
        }
        self.id = id
        self.size = bytes.count
        self.headers = headers
        self.message = String(decoding: lines.dropFirst(), as: UTF8.self)
        self.record = record
    }

    /// The author as the header says; nil where it cannot be read.
    public var author: CommitPerson? { value("author").flatMap(CommitRecord.person) }
    /// The committer as the header says; nil where it cannot be read.
    public var committer: CommitPerson? { value("committer").flatMap(CommitRecord.person) }

    /// The value of the first header of that key.
    public func value(_ key: String) -> String? { headers.first { $0.key == key }?.value }

    /// The message's paragraphs, the subject first and the trailers last.
    public var paragraphs: [String] {
        var found: [[Substring]] = []
        var isOpen = false
        for line in message.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty {
                isOpen = false
            } else if isOpen {
                found[found.count - 1].append(line)
            } else {
                found.append([line])
                isOpen = true
            }
        }
        return found.map { $0.joined(separator: "\n") }
    }

    /// As text, everything in which the object differs from what the ledger writes; empty exactly where `record.isAsWritten`.
    public var deviations: [String] {
        guard !record.isAsWritten else { return [] }
        var found: [String] = []
        let known = ["tree", "parent", "author", "committer", "gpgsig"]
        for key in Set(headers.map(\.key)).subtracting(known).sorted() {
            found.append("it has a header \(Printable.text(key))")
        }
        for key in known where key != "parent" {
            let count = headers.count { $0.key == key }
            if count > 1 { found.append("its header \(key) occurs \(count) times") }
        }
        if author?.author != committer?.author { found.append("author and committer are not the same") }
        if author?.time != committer?.time { found.append("the author's time is not the committer's") }
        for zone in Set([author?.zone, committer?.zone].compactMap { $0 }).sorted() where zone != "+0000" {
            found.append("its time zone is \(Printable.text(zone)) and not +0000")
        }
        if message.utf8.contains(where: { $0 < 0x20 && $0 != 0x0a || $0 == 0x7f }) {
            found.append("its message holds a control character")
        }
        if record.trailers.isEmpty { found.append("its message does not end in trailers") }
        return found.isEmpty ? ["the order or the white space of its lines differs"] : found
    }
}

extension Ledger {
    /// Reads a commit with everything in it. Faults: ledger.corrupt, ledger.missing-object, ledger.unreadable, ledger.too-large.
    public func raw(_ commit: CommitID) throws(Fault) -> RawCommit {
        try reading { (repository) throws(Fault) in
            let place = Place(commit: commit.hex)
            let bytes = try repository.read(commit.object, .commit, at: place)
            guard let raw = RawCommit(id: commit, parsing: bytes) else {
                throw .ledgerDamaged(commit.object, "it is not laid out as a commit", at: place)
            }
            return raw
        }
    }
}
