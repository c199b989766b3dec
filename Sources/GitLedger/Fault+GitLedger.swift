// The wording of every fault of the ledger, one factory for each code.

import Faults
import Federation

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

extension Fault {
    /// `ledger.missing`: there is nothing at the path.
    static func ledgerMissing(_ path: String) -> Fault {
        Fault(
            .ledger, "ledger.missing", "there is no ledger here", at: Place(file: path),
            mend: "Name the ledger's folder, or run a workflow, which creates it.")
    }

    /// `ledger.not-a-repository`: there is something else at the path.
    static func ledgerNotARepository(_ path: String, _ fact: String) -> Fault {
        Fault(
            .ledger, "ledger.not-a-repository", fact, at: Place(file: path),
            mend: "Name the folder of a bare git repository, or a path that does not exist yet.")
    }

    /// `ledger.not-bare`: a repository with a work tree: either a clone, where nothing can be written, or no clone of a ledger.
    static func ledgerNotBare(_ path: String, isClone: Bool) -> Fault {
        let what =
            isClone
            ? "this clone has a work tree; it can be read, but nothing can be written to it"
            : "this git repository has a work tree and no branches of a remote named origin; a ledger is bare"
        return Fault(
            .ledger, "ledger.not-bare", what, at: Place(file: path),
            mend: "Make a bare copy with medrounds ledger clone SOURCE DEST, and name that.")
    }

    /// `ledger.extension`: a repository that git can read but libgit2 cannot.
    static func ledgerExtension(_ path: String, _ name: String, _ value: String) -> Fault {
        let isIDs = name.lowercased() == "objectformat"
        return Fault(
            .ledger, "ledger.extension",
            "this git repository may be sound, but it uses extensions.\(name)=\(value), which this program's libgit2 does not read",
            at: Place(file: "\(path)/config"),
            mend: isIDs
                ? "Name another folder: a ledger's ids are SHA-1, and git cannot turn one object format into the other."
                : "Run git --git-dir=\(path) bundle create ledger.bundle --branches, then medrounds ledger import ledger.bundle into a new ledger."
        )
    }

    /// `ledger.config`: a configuration that refers to other files, or cannot be read within the limits.
    static func ledgerConfig(_ path: String, _ fact: String) -> Fault {
        Fault(
            .ledger, "ledger.config", fact, at: Place(file: path),
            mend: "Copy the ledger with medrounds ledger clone on the machine where it was made, or remove the line.")
    }

    /// `ledger.too-large`: something has more bytes or items than the ledger reads or writes.
    static func ledgerTooLarge(
        _ subject: String, _ size: Int, limit: Int, unit: String = "bytes", at place: Place
    ) -> Fault {
        Fault(
            .ledger, "ledger.too-large", "\(subject) has \(size) \(unit); at most \(limit) are permitted here",
            at: place,
            mend: "Do not trust this ledger: nothing of that size is made by a run; ask its owner for a sound copy.",
            cause: .tooLarge)
    }

    /// `ledger.exists`: there is already something at the place for a copy.
    static func ledgerExists(_ path: String) -> Fault {
        Fault(
            .usage, "ledger.exists", "there is already something at this place", at: Place(file: path),
            mend: "Name a path that does not exist yet; update an existing copy with git fetch.")
    }

    /// `clone.remote`: a source on another machine.
    static func cloneRemote(_ source: String, _ path: String) -> Fault {
        Fault(
            .usage, "clone.remote", "only ledgers on this machine are cloned", at: Place(file: source),
            mend:
                "Run git clone --bare \(source) \(path), then git --git-dir=\(path) config remote.origin.fetch 'refs/heads/*:refs/heads/*'."
        )
    }

    /// `ledger.unreadable`: the system refused to read.
    static func ledgerUnreadable(_ path: String, _ reason: String) -> Fault {
        Fault(
            .ledger, "ledger.unreadable", "the ledger cannot be read: \(reason)", at: Place(file: path),
            mend: "Give this user the right to read the folder and everything in it.")
    }

    /// `ledger.not-writable`: a read-only or full disk, or a path where nothing can be written. The mend follows the error number.
    static func ledgerNotWritable(_ path: String, _ code: Int32) -> Fault {
        ledgerNotWritable(path, Files.reason(code), mend: writingMend(code))
    }

    /// `ledger.not-writable` for a reason that has no error number.
    static func ledgerNotWritable(_ path: String, _ reason: String, mend: String? = nil) -> Fault {
        Fault(
            .ledger, "ledger.not-writable", "the ledger cannot be written: \(reason)", at: Place(file: path),
            mend: mend
                ?? "Free disk space or give the right to write, then run the same command again; no committed step is lost."
        )
    }

    private static func writingMend(_ code: Int32) -> String {
        let loss = "then run the same command again; no committed step is lost."
        return switch code {
        case ENOSPC, EDQUOT: "Free disk space, \(loss)"
        case EFBIG: "Raise this user's limit of file sizes (ulimit -f), \(loss)"
        case EACCES, EPERM: "Give this user the right to write to that folder, or name another place with --ledger."
        case EROFS: "Mount that disk for writing, or name a ledger on another one with --ledger."
        case ENOTDIR, EEXIST: "Move the file that is in the way, or name another place with --ledger."
        case ENOENT: "Name a place on a disk where folders can be made with --ledger; none can be made there."
        case EMFILE, ENFILE: "Raise the limit of open files (ulimit -n), \(loss)"
        default: "Check the disk, \(loss)"
        }
    }

    /// `ledger.corrupt`: an object, a ref or the repository itself was changed after it was written.
    static func ledgerCorrupt(_ what: String, at place: Place) -> Fault {
        Fault(
            .ledger, "ledger.corrupt", what, at: place,
            mend: "Restore it from a clone of the ledger; what git wrote never changes by itself.")
    }

    /// `ledger.corrupt` for an object: its content does not fit its id.
    static func ledgerDamaged(_ id: ObjectID, _ reason: String, at place: Place) -> Fault {
        .ledgerCorrupt("object \(id) is damaged: \(reason)", at: place)
    }

    /// `ledger.missing-object`: there is no object with this id.
    static func ledgerMissingObject(_ id: ObjectID, kind: String, at place: Place) -> Fault {
        Fault(
            .ledger, "ledger.missing-object", "the ledger holds no \(kind) \(id)", at: place,
            mend: "Check the id, or fetch the missing object from a full clone of the ledger.")
    }

    /// `ledger.pruned`: a content that was removed on purpose.
    static func ledgerPruned(_ path: String, _ blob: ObjectID, in commit: CommitID?) -> Fault {
        Fault(
            .ledger, "ledger.pruned", "the content \(blob) was pruned from this ledger",
            at: Place(file: path, commit: commit?.hex),
            mend: "Use a copy of the ledger that was made before it was pruned.", cause: .pruned)
    }

    /// `ledger.kept`: a content that should be pruned but cannot be removed here.
    static func ledgerKept(_ path: String, _ count: Int, _ why: String, mend: String) -> Fault {
        Fault(.ledger, "ledger.kept", "\(count) of the contents to prune \(why)", at: Place(file: path), mend: mend)
    }

    /// `bundle.unreadable`: the file cannot be opened.
    static func bundleUnreadable(_ file: String, _ reason: String, mend: String? = nil) -> Fault {
        Fault(
            .data, "bundle.unreadable", "the bundle cannot be read: \(reason)", at: Place(file: file),
            mend: mend ?? "Name the file that medrounds ledger export or git bundle create wrote.")
    }

    /// `bundle.empty`: there is nothing to export.
    static func bundleEmpty(_ path: String) -> Fault {
        Fault(
            .usage, "bundle.empty", "the ledger holds no line yet", at: Place(file: path),
            mend: "Run a workflow first, or name another ledger.")
    }

    /// `bundle.bad`: the file is not a bundle of a ledger, or it is incomplete.
    static func bundleBad(_ file: String, _ fact: String) -> Fault {
        Fault(
            .data, "bundle.bad", fact, at: Place(file: file),
            mend: "Make the bundle again with medrounds ledger export, and compare the SHA-256 of both copies.")
    }

    /// `bundle.rewrites`: the bundle holds another history of a line.
    static func bundleRewrites(_ line: LineRef, old: CommitID, new: CommitID) -> Fault {
        Fault(
            .mismatch, "bundle.rewrites", "the bundle's \(new) does not descend from the \(old) of this ledger",
            at: Place(commit: line.ref),
            mend:
                "Nothing was taken. One of the two histories was rewritten: compare both with statements of medrounds witness."
        )
    }

    /// `ledger.no-such-run`: a run without a main line.
    static func ledgerNoSuchRun(_ run: RunName) -> Fault {
        Fault(
            .ledger, "ledger.no-such-run", "the ledger holds no run named \(run)",
            at: Place(commit: LineRef.main(run).ref), mend: "List the runs and name one of them.")
    }

    /// `ledger.missing-file`: a path that a draft takes over or removes, but the tree does not hold.
    static func ledgerMissingFile(_ path: String, in commit: CommitID?) -> Fault {
        Fault(
            .ledger, "ledger.missing-file", "the tree holds no such file or folder",
            at: Place(file: path, commit: commit?.hex), mend: "Name a path that the commit holds.")
    }

    /// `ledger.invalid-path`: a path that no tree of a ledger may hold.
    static func ledgerInvalidPath(_ path: String, _ fact: String, in commit: CommitID? = nil) -> Fault {
        Fault(
            .ledger, "ledger.invalid-path", fact, at: Place(file: path, commit: commit?.hex),
            mend:
                "Use names of UTF-8 without control characters, joined by single slashes, none of them `.`, `..` or `.git`."
        )
    }

    /// `ledger.foreign-entry`: a link, an executable or a submodule, which State-SHA256 does not cover.
    static func ledgerForeignEntry(_ path: String, mode: String, at place: Place) -> Fault {
        Fault(
            .ledger, "ledger.foreign-entry", "mode \(mode) is neither a plain file (100644) nor a folder (40000)",
            at: place,
            mend: "Do not commit to a ledger by hand; restore the line from a clone.")
    }

    /// `ledger.invalid-message`: a subject, body, trailer or author that git would read back as something else.
    static func ledgerInvalidMessage(_ fact: String, on line: LineRef) -> Fault {
        Fault(
            .ledger, "ledger.invalid-message", fact, at: Place(commit: line.ref),
            mend: "Use one line of plain text; trailer keys are letters, digits and hyphens.")
    }

    /// `ledger.raced`: the ref does not name the commit that the draft expects.
    static func ledgerRaced(_ line: LineRef, expected: CommitID?, found: CommitID?) -> Fault {
        Fault(
            .ledger, "ledger.raced",
            "expected \(expected?.hex ?? "no commit") at the tip and found \(found?.hex ?? "no commit")",
            at: Place(commit: line.ref),
            mend: "Let only one process work on a run, then run the same command again to resume.")
    }

    /// `ledger.not-forward`: the new commit would drop the old tip from the line.
    static func ledgerNotForward(_ line: LineRef, tip: CommitID) -> Fault {
        Fault(
            .ledger, "ledger.not-forward", "the new commit does not descend from the tip \(tip) and would drop it",
            at: Place(commit: line.ref), mend: "Add the old tip, or a commit that merged it, to the parents.")
    }

    /// `ledger.locked`: another process, or one that was killed, holds the ref's lock file.
    static func ledgerLocked(_ lockFile: String, line: LineRef, milliseconds: Int) -> Fault {
        Fault(
            .ledger, "ledger.locked", "\(line) stayed locked for \(milliseconds) ms by this file",
            at: Place(file: lockFile),
            mend: "Make sure that no other process is writing to the ledger, then delete the lock file.")
    }
}
