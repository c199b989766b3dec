// RunLock: who works on a run on this machine: one process at a time, named to any other that wants to.

import Faults
import Federation
import Foundation
import LocalFiles
import RunRecords

/// The sole right of this process to go on with a run. It ends with the process, however that ends.
public final class RunLock {
    private let descriptor: Int32

    /// Takes the right. Throws `run.busy` with the other process where one has it.
    public init(_ run: RunName, workspace: Workspace) throws(Fault) {
        let path = Self.path(run, workspace)
        try LocalFile.makeFolder(of: path)
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        // A work folder that cannot be written is told by what first has to be written there.
        guard descriptor >= 0 else { return }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = Self.holder(path)
            close(descriptor)
            throw Fault(
                .usage, "run.busy", "another process works on \(run)\(holder.map { " (pid \($0))" } ?? "")",
                at: Place(file: path), mend: "Wait for it, or stop it with Ctrl-C there; then go on with --resume.")
        }
        let text = "\(getpid())\n"
        _ = ftruncate(descriptor, 0)
        _ = text.withCString { pwrite(descriptor, $0, text.utf8.count, 0) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Whether a process of this machine works on the run.
    public static func isHeld(_ run: RunName, workspace: Workspace) -> Bool {
        holder(of: run, workspace: workspace) != nil
    }

    /// The process that works on the run, as text; nil where none does.
    static func holder(of run: RunName, workspace: Workspace) -> String? {
        let path = path(run, workspace)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard flock(descriptor, LOCK_SH | LOCK_NB) != 0 else { return nil }
        return holder(path) ?? "unknown"
    }

    private static func holder(_ path: String) -> String? {
        guard let bytes = LocalFile.readIfPresent(path) else { return nil }
        let text = String(decoding: bytes.prefix(12), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return Int32(text).map { String($0) }
    }

    private static func path(_ run: RunName, _ workspace: Workspace) -> String { "\(workspace.work)/\(run)/running" }
}
