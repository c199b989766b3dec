// Repository: the one owner of the libgit2 handles, with object reading and writing. Not safe for two threads at once:
// Ledger keeps it behind a lock.

import CLibgit2
import Faults
import Federation

struct Repository: ~Copyable {
    /// The ledger's folder as the person named it.
    let path: String
    let handle: OpaquePointer
    let objects: OpaquePointer
    /// SHA-256 and size of every blob hashed so far: a blob's content cannot change under its id.
    var blobDigests: [ObjectID: BlobDigest] = [:]
    /// The state of every folder hashed so far, likewise.
    var stateDigests: [PlacedTree: FolderState] = [:]
    /// Commits read so far, likewise.
    var commits: [CommitID: CommitRecord] = [:]
    /// Trees read last: the root and the folder of rounds are asked for again and again.
    var recentTrees: [ObjectID: Tree] = [:]
    /// The folder of rounds as it was hashed and checked last, and others of so many entries, by path.
    var longFolders: [String: LongFolder] = [:]
    /// What the ledger lists as pruned, once it was asked for.
    var prunedBlobs: [ObjectID: BlobDigest]?

    struct BlobDigest {
        let digest: Digest
        let size: Int
    }

    /// The folder git calls its common directory, without a slash at the end.
    let folder: String
    private let inflater = Inflater()

    /// Opens a bare repository. Faults: ledger.missing, ledger.not-a-repository, ledger.not-bare, ledger.unreadable,
    /// ledger.corrupt.
    init(opening path: String) throws(Fault) {
        Git.prepare()
        try Files.requireFolder(path)
        var opened: OpaquePointer?
        let flags = GIT_REPOSITORY_OPEN_NO_SEARCH.rawValue | GIT_REPOSITORY_OPEN_NO_DOTGIT.rawValue
        do {
            try Git.attempt(git_repository_open_ext(&opened, path, flags, nil))
        } catch  where error.isNotFound {
            if Files.exists("\(path)/.git") { throw .ledgerNotBare(path) }
            throw .ledgerNotARepository(path, "this folder is no git repository")
        } catch {
            throw error.reading(path, at: Place(file: path))
        }
        guard let opened else { throw .ledgerCorrupt("the repository does not open", at: Place(file: path)) }
        guard git_repository_is_bare(opened) == 1 else {
            git_repository_free(opened)
            throw .ledgerNotBare(path)
        }
        var database: OpaquePointer?
        guard git_repository_odb(&database, opened) == 0, let database else {
            let failure = GitFailure(code: -1)
            git_repository_free(opened)
            throw failure.reading(path, at: Place(file: path))
        }
        self.path = path
        self.handle = opened
        self.objects = database
        let common = git_repository_commondir(opened).map { String(cString: $0) } ?? path
        self.folder = common.hasSuffix("/") ? String(common.dropLast()) : common
    }

    deinit {
        git_odb_free(objects)
        git_repository_free(handle)
    }

    /// Reads an object and compares its content with its id. Faults: ledger.corrupt, ledger.missing-object,
    /// ledger.unreadable.
    func read(_ id: ObjectID, _ kind: ObjectKind, at place: Place) throws(Fault) -> [UInt8] {
        if let loose = try LooseObject(id, in: folder, with: inflater, at: place) {
            return try loose.content(of: kind, at: place)
        }
        var oid = id.oid
        var object: OpaquePointer?
        do {
            try Git.attempt(git_odb_read(&object, objects, &oid))
        } catch  where error.isNotFound {
            throw .ledgerMissingObject(id, kind: kind.rawValue, at: place)
        } catch  where error.isPermission {
            throw .ledgerUnreadable(path, error.message)
        } catch {
            throw .ledgerDamaged(id, error.message, at: place)
        }
        guard let object else { throw .ledgerMissingObject(id, kind: kind.rawValue, at: place) }
        defer { git_odb_object_free(object) }
        guard git_odb_object_type(object) == kind.type else { throw .ledgerDamaged(id, "it is no \(kind)", at: place) }
        return Array(UnsafeRawBufferPointer(start: git_odb_object_data(object), count: git_odb_object_size(object)))
    }

    /// The length of an object in bytes, from its header alone. Faults: as `read`.
    func size(of id: ObjectID, _ kind: ObjectKind, at place: Place) throws(Fault) -> Int {
        if let loose = try LooseObject(id, in: folder, with: inflater, at: place) {
            return try loose.size(of: kind, at: place)
        }
        var oid = id.oid
        var length = 0
        var type = GIT_OBJECT_INVALID
        do {
            try Git.attempt(git_odb_read_header(&length, &type, objects, &oid))
        } catch  where error.isNotFound {
            throw .ledgerMissingObject(id, kind: kind.rawValue, at: place)
        } catch {
            throw .ledgerDamaged(id, error.message, at: place)
        }
        guard type == kind.type else { throw .ledgerDamaged(id, "it is no \(kind)", at: place) }
        return length
    }

    /// Writes an object, durably, and gives its id. A copy that is already there is read first: git never writes over one,
    /// so a damaged copy would stay. Faults: ledger.not-writable, ledger.corrupt.
    func write(_ bytes: [UInt8], _ kind: ObjectKind, at place: Place) throws(Fault) -> ObjectID {
        do {
            var oid = git_oid()
            try Git.attempt(git_odb_hash(&oid, bytes, bytes.count, kind.type))
            if git_odb_exists(objects, &oid) == 1 {
                let id = ObjectID(oid)
                _ = try read(id, kind, at: place)
                return id
            }
            if bytes.count >= StoredObject.least {
                try StoredObject.store(bytes, kind, ObjectID(oid), in: folder)
            } else {
                try Git.attempt(git_odb_write(&oid, objects, bytes, bytes.count, kind.type))
            }
            return ObjectID(oid)
        } catch let failure as GitFailure {
            throw .ledgerNotWritable(path, failure.message)
        } catch let fault as Fault {
            throw fault
        } catch {
            preconditionFailure("libgit2 calls throw nothing else")
        }
    }
}

/// The kinds of objects a ledger holds.
enum ObjectKind: String, CustomStringConvertible {
    case blob, tree, commit

    var type: git_object_t {
        switch self {
        case .blob: GIT_OBJECT_BLOB
        case .tree: GIT_OBJECT_TREE
        case .commit: GIT_OBJECT_COMMIT
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
