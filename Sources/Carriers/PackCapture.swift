// PackCapture: a store of git objects that takes a pack as it comes over the network and writes it into a file, unread: libgit2 1.5 would inflate it
// without any limit. The ledger's own reader judges the file afterwards.

import CLibgit2

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Where a pack is written, and how much of it there may be.
final class PackCapture {
    let file: UnsafeMutablePointer<FILE>
    let limit: Int
    private(set) var count = 0
    private(set) var isTooLarge = false
    private let progress: () -> Void

    init(_ file: UnsafeMutablePointer<FILE>, limit: Int, progress: @escaping () -> Void) {
        self.file = file
        self.limit = limit
        self.progress = progress
    }

    func append(_ bytes: UnsafeRawPointer?, _ size: Int) -> Int32 {
        guard size <= limit - count else {
            isTooLarge = true
            return GIT_EUSER.rawValue
        }
        count += size
        progress()
        return fwrite(bytes, 1, size, file) == size ? 0 : -1
    }

    /// Adds a store to an object database, before all others, that gives every pack to this object. The object must outlive the database.
    func add(to database: OpaquePointer) -> Int32 {
        let backend = UnsafeMutablePointer<CapturingStore>.allocate(capacity: 1)
        backend.initialize(to: CapturingStore())
        git_odb_init_backend(&backend.pointee.base, UInt32(GIT_ODB_BACKEND_VERSION))
        backend.pointee.base.writepack = beginPack
        backend.pointee.base.free = freeStore
        backend.pointee.capture = Unmanaged.passUnretained(self).toOpaque()
        return backend.withMemoryRebound(to: git_odb_backend.self, capacity: 1) {
            git_odb_add_backend(database, $0, 1000)
        }
    }
}

/// libgit2 hands back pointers to the first member of each.
private struct CapturingStore {
    var base = git_odb_backend()
    var capture: UnsafeMutableRawPointer?
}

private struct CapturingPack {
    var base = git_odb_writepack()
    var capture: UnsafeMutableRawPointer?
}

private func beginPack(
    _ out: UnsafeMutablePointer<UnsafeMutablePointer<git_odb_writepack>?>?,
    _ backend: UnsafeMutablePointer<git_odb_backend>?, _ database: OpaquePointer?,
    _ progress: git_indexer_progress_cb?, _ payload: UnsafeMutableRawPointer?
) -> Int32 {
    guard let out, let backend else { return -1 }
    let pack = UnsafeMutablePointer<CapturingPack>.allocate(capacity: 1)
    pack.initialize(to: CapturingPack())
    pack.pointee.base.backend = backend
    pack.pointee.base.append = appendPack
    pack.pointee.base.commit = commitPack
    pack.pointee.base.free = freePack
    pack.pointee.capture = UnsafeMutableRawPointer(backend).assumingMemoryBound(to: CapturingStore.self).pointee.capture
    out.pointee = UnsafeMutableRawPointer(pack).assumingMemoryBound(to: git_odb_writepack.self)
    return 0
}

private func appendPack(
    _ pack: UnsafeMutablePointer<git_odb_writepack>?, _ bytes: UnsafeRawPointer?, _ size: Int,
    _ progress: UnsafeMutablePointer<git_indexer_progress>?
) -> Int32 {
    guard let pack,
        let capture = UnsafeMutableRawPointer(pack).assumingMemoryBound(to: CapturingPack.self).pointee.capture
    else { return -1 }
    return Unmanaged<PackCapture>.fromOpaque(capture).takeUnretainedValue().append(bytes, size)
}

private func commitPack(
    _ pack: UnsafeMutablePointer<git_odb_writepack>?, _ progress: UnsafeMutablePointer<git_indexer_progress>?
) -> Int32 { 0 }

private func freePack(_ pack: UnsafeMutablePointer<git_odb_writepack>?) {
    guard let pack else { return }
    UnsafeMutableRawPointer(pack).assumingMemoryBound(to: CapturingPack.self).deallocate()
}

private func freeStore(_ backend: UnsafeMutablePointer<git_odb_backend>?) {
    guard let backend else { return }
    UnsafeMutableRawPointer(backend).assumingMemoryBound(to: CapturingStore.self).deallocate()
}
