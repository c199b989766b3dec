// Repository: the only owner of the libgit2 handle, with object reading and writing. Not safe for two threads at once: Ledger keeps it
// behind a lock. libgit2 writes refs and packs; objects and refs are read here, within limits.

import CLibgit2
import Faults
import Federation

struct Repository: ~Copyable {
    /// The ledger's folder as the person named it.
    let path: String
    let handle: OpaquePointer
    /// The folder that git calls its common directory, without a slash at the end.
    let folder: String
    /// Whether this is a clone with a work tree, whose remote branches are read as a ledger's.
    let isClone: Bool
    let store: ObjectStore
    let refs: RefStore
    /// SHA-256 and size of every blob hashed so far: a blob's content cannot change under its id.
    var blobDigests: [ObjectID: BlobDigest] = [:]
    /// The state of every folder hashed so far; it cannot change under the folder's id.
    var stateDigests: [PlacedTree: FolderState] = [:]
    /// Commits read so far; they cannot change under their ids.
    var commits = Shelf<CommitID, CommitRecord>(limit: 256 << 20)
    /// The trees read last: the root and the folder of rounds are needed again and again.
    var recentTrees = Shelf<ObjectID, Tree>(limit: 64 << 20)
    /// The folder of rounds as it was last hashed and checked, and other folders with many entries, by path.
    var longFolders = Shelf<String, LongFolder>(limit: 64 << 20)
    /// Contents that are larger than the current check permits: they are not inflated for a state either.
    var refused: Set<ObjectID> = []
    /// Where lines will be once what was received is accepted: a check reads them there.
    var waiting: [LineRef: CommitID] = [:]
    /// What the ledger lists as pruned; nil until it is needed.
    var prunedBlobs: [ObjectID: BlobDigest]?

    struct BlobDigest {
        let digest: Digest
        let size: Int
    }

    /// Opens a bare repository, or a clone with a work tree for reading. Objects that wait in a folder of their own are read too.
    ///
    /// Faults: ledger.missing, ledger.not-a-repository, ledger.not-bare, ledger.unreadable, ledger.corrupt, ledger.config,
    /// ledger.extension.
    init(opening path: String, with incoming: String? = nil) throws(Fault) {
        Git.prepare()
        try Files.requireFolder(path)
        let plain = path.hasSuffix("/") ? String(path.dropLast()) : path
        let inner = "\(plain)/.git"
        let place = Files.isFolder(inner) && !Files.exists("\(plain)/HEAD") ? inner : path
        try RepositoryConfig.check(place)
        var opened: OpaquePointer?
        let flags = GIT_REPOSITORY_OPEN_NO_SEARCH.rawValue | GIT_REPOSITORY_OPEN_NO_DOTGIT.rawValue
        do {
            try Git.attempt(git_repository_open_ext(&opened, place, flags, nil))
        } catch  where error.isNotFound {
            if Files.exists(inner) { throw .ledgerNotBare(path, isClone: false) }
            throw .ledgerNotARepository(path, "this folder is not a git repository")
        } catch {
            throw error.reading(path, at: Place(file: path))
        }
        guard let opened else { throw .ledgerCorrupt("the repository does not open", at: Place(file: path)) }
        let common = git_repository_commondir(opened).map { String(cString: $0) } ?? path
        let folder = common.hasSuffix("/") ? String(common.dropLast()) : common
        let isClone = git_repository_is_bare(opened) != 1
        let refs = RefStore(folder: folder, isClone: isClone)
        do throws(Fault) {
            if isClone, !(try refs.all().contains { $0.name.hasPrefix("refs/remotes/origin/") }) {
                throw .ledgerNotBare(path, isClone: false)
            }
        } catch {
            git_repository_free(opened)
            throw error
        }
        self.path = path
        self.handle = opened
        self.folder = folder
        self.isClone = isClone
        self.refs = refs
        store = ObjectStore(folder: "\(folder)/objects", also: incoming)
    }

    deinit { git_repository_free(handle) }

    /// Faults: ledger.not-bare for a clone with a work tree, where nothing can be written.
    func requireBare() throws(Fault) {
        if isClone { throw .ledgerNotBare(path, isClone: true) }
    }

    /// Reads an object and compares its content with its id. Faults: ledger.corrupt, ledger.missing-object, ledger.unreadable,
    /// ledger.too-large where it has more bytes than the limit, or than its kind may have.
    func read(
        _ id: ObjectID, _ kind: ObjectKind, at place: Place, limit: Int = Ledger.largestObject
    ) throws(Fault) -> [UInt8] {
        guard let (found, content) = try store.read(id, limit: min(limit, kind.largest), at: place) else {
            throw .ledgerMissingObject(id, kind: kind.rawValue, at: place)
        }
        guard found == kind else { throw .ledgerDamaged(id, "it is not a \(kind)", at: place) }
        return content
    }

    /// The length of an object in bytes, from its header alone. Faults: as `read`.
    func size(of id: ObjectID, _ kind: ObjectKind, at place: Place) throws(Fault) -> Int {
        guard let (found, size) = try store.header(id, at: place) else {
            throw .ledgerMissingObject(id, kind: kind.rawValue, at: place)
        }
        guard found == kind else { throw .ledgerDamaged(id, "it is not a \(kind)", at: place) }
        return size
    }

    /// Writes an object, durably, and returns its id. If a copy exists already, it is read first: git never overwrites an object, so a
    /// damaged copy would stay. Faults: ledger.not-writable, ledger.corrupt, ledger.too-large.
    func write(_ bytes: [UInt8], _ kind: ObjectKind, at place: Place) throws(Fault) -> ObjectID {
        guard bytes.count <= kind.largest else {
            throw .ledgerTooLarge("the \(kind) to write", bytes.count, limit: kind.largest, at: place)
        }
        var oid = git_oid()
        guard git_odb_hash(&oid, bytes, bytes.count, kind.type) == 0 else {
            throw .ledgerNotWritable(path, GitFailure(code: -1).message)
        }
        let id = ObjectID(oid)
        if let (found, _) = try store.read(id, limit: kind.largest, at: place) {
            guard found == kind else { throw .ledgerDamaged(id, "it is not a \(kind)", at: place) }
            return id
        }
        try StoredObject.store(bytes, kind, id, in: folder)
        return id
    }
}

/// The kinds of git's objects; a ledger holds no tags.
enum ObjectKind: String, CustomStringConvertible {
    case blob, tree, commit, tag

    var type: git_object_t {
        switch self {
        case .blob: GIT_OBJECT_BLOB
        case .tree: GIT_OBJECT_TREE
        case .commit: GIT_OBJECT_COMMIT
        case .tag: GIT_OBJECT_TAG
        }
    }

    /// Larger objects are neither read nor written: a commit of 20,000 parents and a folder of 200,000 entries fit.
    var largest: Int {
        switch self {
        case .blob: Ledger.largestObject
        case .tree: 32 << 20
        case .commit, .tag: 1 << 20
        }
    }

    var description: String { rawValue }
}

extension GitFailure {
    var isPermission: Bool { message.contains("Permission denied") || message.contains("Operation not permitted") }

    /// The fault of a failed read that concerns the repository or a ref.
    func reading(_ path: String, at place: Place) -> Fault {
        isPermission ? .ledgerUnreadable(path, message) : .ledgerCorrupt(message, at: place)
    }
}
