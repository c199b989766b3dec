// ReadmeLine: the page that a plain `git clone` of a ledger shows. It is one commit whose every byte is fixed here, so that it can hold
// nothing else and is the same in all ledgers.

import CLibgit2
import Digests
import Faults
import Federation

enum ReadmeLine {
    static let file = "README.md"

    /// The page. A change of one letter makes another commit: existing ledgers keep the commit that they have, and a checker must know
    /// both.
    static let text = """
        # A ledger of MedRounds

        This git repository is a ledger: it holds every step of every run of a federation of hospitals that train
        one language model together, one commit a step. It holds adapters, scores, settings and digests. It holds no
        text of a note.

        You see this page because you cloned the ledger with plain git. The runs are on branches of their own:

            git branch -r                               all lines
            git log --oneline origin/runs/NAME          the steps of one run
            git show origin/runs/NAME:plan.json         what was planned before anything was computed

        | branch | holds |
        | --- | --- |
        | `runs/NAME` | the run: plan, scores, averages, evaluations |
        | `runs/NAME.published` | what the coordinator sends to the sites |
        | `runs/NAME.sites/SITE` | what one site trained and uploaded |
        | `runs/NAME.answers/SITE` | what one site answered to the plan |
        | `identities` | who may sign |
        | `pruned` | which adapters were removed to save space |
        | `readme` | this page and nothing else |

        With the program, from this folder or from a bare copy:

            medrounds log --ledger .
            medrounds verify NAME --ledger .
            medrounds ledger clone SOURCE COPY.git

        Nothing is ever rewritten or deleted here. Commits made by hand are found by `medrounds verify`.

        """

    static let subject = "readme: what this repository is"
    static let trailers = [Trailer("Step", "readme")]
    static let author = CommitAuthor(name: "MedRounds", email: "medrounds@localhost")
    /// 2026-01-01T00:00:00Z, for every ledger.
    static let time: Int64 = 1_767_225_600

    /// The draft of the line's only commit.
    static var draft: CommitDraft {
        CommitDraft(
            line: .readme, expectedTip: nil, parents: [], base: nil,
            changes: [FileChange(path: file, bytes: Array(text.utf8))], subject: subject, trailers: trailers,
            author: author, time: time)
    }

    /// The id that the commit has in every ledger.
    static let commit: CommitID = {
        Git.prepare()
        func id(_ bytes: [UInt8], _ kind: ObjectKind) -> ObjectID {
            var oid = git_oid()
            precondition(git_odb_hash(&oid, bytes, bytes.count, kind.type) == 0, "SHA-1 of a few bytes")
            return ObjectID(oid)
        }
        let page = Array(text.utf8)
        let entry = TreeEntry(mode: TreeEntry.fileMode, name: Array(file.utf8), id: id(page, .blob))
        let line = StateLayout.line(file, Repository.BlobDigest(digest: .sha256(page), size: page.count))
        let record = CommitRecord(
            id: CommitID(id([], .commit)), parents: [], tree: id(entry.bytes, .tree), subject: subject, body: "",
            trailers: trailers + [Trailer(StateLayout.trailer, Digest.sha256(line).hex)], author: author, time: time)
        return CommitID(id(record.written, .commit))
    }()
}

extension Ledger {
    /// The only commit that the line `readme` of a ledger may have.
    public static var readmeCommit: CommitID { ReadmeLine.commit }
}

extension Repository {
    /// Adds the line `readme` where there is none, and sets HEAD to it where HEAD names nothing that exists, so that a plain `git clone`
    /// checks out a page and does not warn. Faults: those of `commit`.
    mutating func addReadme() throws(Fault) {
        do throws(Fault) {
            if try tip(.readme) == nil { _ = try commit(ReadmeLine.draft) }
        } catch {
            // Another process may have made it in the meantime.
            guard try tip(.readme) != nil else { throw error }
        }
        guard case .symbolic(let target) = try refs.head(), target != LineRef.readme.ref,
            try refs.value(of: target) == nil
        else { return }
        if git_repository_set_head(handle, LineRef.readme.ref) < 0 {
            throw .ledgerNotWritable(path, GitFailure(code: -1).message)
        }
    }
}
