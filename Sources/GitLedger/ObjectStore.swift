// ObjectStore: finds an object's bytes among loose files, packs and alternates, and reads them within a limit. Another git process may move
// them at any moment (`git gc` packs loose objects and removes old packs), so an object that is not found is looked for again.

import CLibgit2
import Faults

/// Reads objects by id. Not safe for two threads at once, like the Repository that owns it.
final class ObjectStore {
    /// The folder `objects` of the ledger, then those that its alternates name.
    private let shelves: [String]
    private let inflater = Inflater()
    /// By path without the file's ending, in the order in which they were found.
    private var packs: [PackFile] = []
    private var known: Set<String> = []
    /// Packs that cannot be read, and why: an object that is not found elsewhere may be in one of them.
    private var broken: [String: String] = [:]

    /// How often packs are listed again before an object counts as missing: a pack may be replaced while it is read.
    private static let attempts = 5
    /// If more packs than this are open, they are closed.
    private static let mostOpen = 64

    /// Takes the folder `objects`, and one more folder where objects wait to be checked.
    init(folder: String, also incoming: String? = nil) {
        shelves = Alternates.shelves(from: folder) + [incoming].compactMap { $0 }
    }

    /// Kind and content, compared with the id; nil where there is no such object. Faults: ledger.corrupt, ledger.unreadable,
    /// ledger.too-large.
    func read(_ id: ObjectID, limit: Int, at place: Place) throws(Fault) -> (kind: ObjectKind, content: [UInt8])? {
        let found = try find(
            id, at: place,
            loose: { (object) throws(ObjectFlaw) in try object.content(limit: limit) },
            packed: { (pack, offset) throws(ObjectFlaw) in try pack.content(at: offset, limit: limit) }, limit: limit)
        guard let (kind, content) = found else { return nil }
        var oid = git_oid()
        guard git_odb_hash(&oid, content, content.count, kind.type) == 0, ObjectID(oid) == id else {
            throw .ledgerDamaged(id, "its content has another id", at: place)
        }
        return (kind, content)
    }

    /// Kind and length from the object's header alone; nil where there is no such object. Faults: as `read`.
    func header(_ id: ObjectID, at place: Place) throws(Fault) -> (kind: ObjectKind, size: Int)? {
        try find(
            id, at: place,
            loose: { (object) throws(ObjectFlaw) in try object.header() },
            packed: { (pack, offset) throws(ObjectFlaw) in try pack.header(at: offset) }, limit: Ledger.largestObject)
    }

    /// The packs of the ledger itself, listed again. Faults: ledger.corrupt where one cannot be read.
    func ownPacks() throws(Fault) -> [PackFile] {
        list()
        let own = "\(shelves[0])/pack/"
        if let (path, reason) = broken.first(where: { $0.key.hasPrefix(own) }) {
            throw .ledgerCorrupt("a pack cannot be read: \(reason)", at: Place(file: "\(path).pack"))
        }
        return packs.filter { $0.path.hasPrefix(own) }
    }

    /// Whether an existing object is in the ledger itself and not in an alternate.
    func isOwn(_ id: ObjectID) -> Bool {
        if Files.exists("\(shelves[0])/\(id.hex.prefix(2))/\(id.hex.dropFirst(2))") { return true }
        return packs.contains { $0.path.hasPrefix("\(shelves[0])/pack/") && (try? $0.offset(of: id)) ?? nil != nil }
    }

    /// Forgets all packs, because their files were replaced.
    func forgetPacks() {
        packs = []
        known = []
        broken = [:]
    }

    private func find<Found>(
        _ id: ObjectID, at place: Place, loose: (LooseObject) throws(ObjectFlaw) -> Found,
        packed: (PackFile, Int) throws(ObjectFlaw) -> Found, limit: Int
    ) throws(Fault) -> Found? {
        do throws(ObjectFlaw) {
            for attempt in 0..<Self.attempts {
                for shelf in shelves {
                    if let object = try LooseObject(id, in: shelf, with: inflater, limit: limit) {
                        return try loose(object)
                    }
                }
                var hasVanished = false
                for pack in packs {
                    guard let offset = try pack.offset(of: id) else { continue }
                    do throws(ObjectFlaw) {
                        return try packed(pack, offset)
                    } catch .vanished {
                        hasVanished = true
                    }
                }
                let isSame = list()
                // The first listing may be the very first; after that, an unchanged listing means that the object is missing.
                if isSame && !hasVanished && attempt > 0 { break }
            }
        } catch {
            throw error.fault(id, at: place)
        }
        if let (path, reason) = broken.min(by: { $0.key < $1.key }) {
            throw .ledgerDamaged(id, "it is not found, and the pack \(path).pack cannot be read: \(reason)", at: place)
        }
        return nil
    }

    /// Lists the packs that exist now; returns whether they are the same as before.
    @discardableResult
    private func list() -> Bool {
        var present: Set<String> = []
        for shelf in shelves {
            for name in Files.names(in: "\(shelf)/pack") where name.hasPrefix("pack-") && name.hasSuffix(".idx") {
                present.insert("\(shelf)/pack/\(name.dropLast(4))")
            }
        }
        let isSame = present == known
        guard !isSame else { return true }
        packs.removeAll { !present.contains($0.path) }
        broken = broken.filter { present.contains($0.key) }
        for path in present.subtracting(known).sorted() {
            do throws(ObjectFlaw) {
                packs.append(try PackFile(path, with: inflater))
            } catch .vanished {
                present.remove(path)
            } catch {
                broken[path] = error.reason
            }
        }
        if packs.count(where: \.isOpen) > Self.mostOpen { for pack in packs { pack.rest() } }
        known = present
        return false
    }
}

extension ObjectFlaw {
    /// The flaw as text.
    var reason: String {
        switch self {
        case .damaged(let what): what
        case .tooLarge(let size, let limit): "it has \(size) bytes; at most \(limit) are read"
        case .vanished: "its file is gone"
        case .unreadable(let code): Files.reason(code)
        }
    }

    func fault(_ id: ObjectID, at place: Place) -> Fault {
        switch self {
        case .damaged(let what): .ledgerDamaged(id, what, at: place)
        case .tooLarge(let size, let limit): .ledgerTooLarge("object \(id)", size, limit: limit, at: place)
        case .vanished: .ledgerDamaged(id, "its pack was removed several times while it was read", at: place)
        case .unreadable(let code): .ledgerUnreadable(place.file ?? id.hex, Files.reason(code))
        }
    }
}

/// `objects/info/alternates`: one folder of objects per line, absolute or relative to the folder `objects` that names it.
enum Alternates {
    /// The depth to which git follows them.
    private static let deepest = 5
    private static let largest = 1 << 20

    static func shelves(from folder: String) -> [String] {
        var found = [folder]
        var level = [folder]
        for _ in 0..<deepest {
            var next: [String] = []
            for shelf in level {
                guard case .content(let bytes) = Files.bounded("\(shelf)/info/alternates", limit: largest) else {
                    continue
                }
                for line in bytes.split(separator: 0x0a).prefix(100) where line.first != 0x23 {
                    let path = String(decoding: line, as: UTF8.self)
                    let absolute = path.hasPrefix("/") ? path : "\(shelf)/\(path)"
                    if !found.contains(absolute) {
                        found.append(absolute)
                        next.append(absolute)
                    }
                }
            }
            level = next
        }
        return found
    }
}
