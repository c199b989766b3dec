// medrounds run: a workflow file in, a committed run out.

import AuditCommands
import ArgumentParser
import Faults
import Federating
import Federation
import Foundation
import GitLedger
import Identities
import LocalFiles
import Reports
import RunRecords
import Runs
import Workflows

/// What names a workflow on the command line.
struct WorkflowOptions: ParsableArguments {
    @Argument(help: "The workflow file.", completion: .file(extensions: ["yaml", "yml"]))
    var workflow: String

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp(
            "Replace a setting, such as adapter.rank=8; recorded in the plan. May be given several times. The paths data_root, template and model.base are relative to the current folder then.",
            valueName: "key=value"))
    var overrides: [String] = []
}

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Execute a workflow and commit every step to the ledger.")

    @OptionGroup var source: WorkflowOptions
    @OptionGroup var place: PlaceOptions
    @OptionGroup var machine: MachineOptions

    @Option(help: "The run's name (default: the workflow's name and the next free number).")
    var name: String?

    @Option(help: ArgumentHelp("The folder of private keys (default: keys in the work folder).", valueName: "path"))
    var keys: String?

    @Option(
        help: ArgumentHelp(
            "Where each site on another machine has its mailbox (default: mailboxes.yaml beside the workflow).",
            valueName: "path"))
    var mailboxes: String?

    @Flag(help: "Go on with a run that was stopped: the one named, or the workflow's newest.")
    var resume = false

    @Flag(help: "Print faults only.")
    var quiet = false

    @Flag(help: "Print the final figures as JSON.")
    var json = false

    func run() throws {
        Interruption.watch()
        let name = try name.map(runName)
        let console = Console(quiet: quiet)
        let progress = ProgressPrinter(console)
        let origin = RunOrigin(
            workflow: source.workflow, overrides: source.overrides, cache: Environment.cache,
            current: FileManager.default.currentDirectoryPath)
        // An unreadable ledger or a taken name is told before minutes are spent on models and notes; a ledger is made only once nothing
        // of them can fail any more.
        _ = try origin.declaration()
        let found = try Ledger.openIfThere(path: place.ledger)
        if let found {
            try compareClocks(found, console)
            if !resume, let name { try Runner.checkFree(name, in: found) }
        }
        // A run goes on without the sites that it began without. Who works on it already is told before the notes are read.
        var committed: CommittedPlan?
        if resume {
            let found = try found ?? Ledger.open(path: place.ledger)
            let chosen = try name ?? Runner.newest(of: origin.declaration().declaration.name, ledger: found)
            if RunLock.isHeld(chosen, workspace: place.workspace) {
                _ = try RunLock(chosen, workspace: place.workspace)
            }
            if try CommittedPlan.isThere(for: chosen, in: found) {
                committed = try CommittedPlan(of: chosen, in: found)
            }
        }
        let context = try RunContext.load(
            origin, workspace: place.workspace, committed: committed?.plan, threads: machine.count,
            isInterrupted: { Interruption.requested },
            report: { progress.show($0) })
        // A site on another machine signs there, with a key that is never here.
        let opener = KeyAccess.opener()
        let signing = try SigningKeys.load(
            from: keys ?? place.workspace.keys,
            sites: context.plan.declaration.sites.filter { !$0.isRemote }.map(\.id), ledger: found, opener: opener)
        try Runner.checkSigning(context, signing)
        let mailboxes = try mailboxPlaces(context.plan)
        let ledger = try Ledger.create(path: place.ledger)
        let key = "\(keys ?? place.workspace.keys)/\(SignerRole.coordinator.fileName)"
        let post = try mailboxes.map {
            try CoordinatorPost(
                $0.places, file: $0.file, home: Environment.home, key: key, keys: opener, ledger: ledger)
        }
        var lock: RunLock?
        var claimed: RunName?
        defer { withExtendedLifetime(lock) {} }
        let claim = { (run: RunName) throws(Fault) in
            lock = try RunLock(run, workspace: place.workspace)
            claimed = run
        }
        let newest =
            resume
            ? try committed?.run ?? name ?? Runner.newest(of: context.plan.declaration.name, ledger: ledger) : nil
        let runner: Runner
        do throws(Fault) {
            // Sites on other machines are waited for from here on: this may take days, and be stopped at any time.
            if let newest {
                runner = try Runner.resume(
                    context, run: newest, ledger: ledger, workspace: place.workspace, keys: signing, post: post,
                    claim: claim)
            } else {
                runner = try Runner.begin(
                    context, name: name, ledger: ledger, workspace: place.workspace, keys: signing, post: post,
                    claim: claim)
            }
            try runner.execute()
        } catch {
            progress.finish()
            if error.kind != .bug, let claimed, try ledger.tip(.published(claimed)) != nil {
                let flags =
                    source.overrides.map { " --set '\($0)'" }.joined() + place.flags
                    + (keys.map { " --keys '\($0)'" } ?? "") + (self.mailboxes.map { " --mailboxes '\($0)'" } ?? "")
                console.note(
                    "\(claimed) can go on with: medrounds run \(source.workflow)\(flags) --name \(claimed) --resume")
            }
            throw error
        }
        progress.finish()
        let summary = try RunSummary(run: runner.run, ledger: ledger)
        if json {
            Console.result(raw: summary.json.canonical)
        } else if !quiet {
            SummaryPrinter.lines(summary).forEach(Console.result)
        }
    }

    /// A clock that is more than a day from the ledger's newest commit is told at once. It may be right, since a ledger may rest; a commit from the
    /// future never is.
    private func compareClocks(_ ledger: Ledger, _ console: Console) throws {
        guard let newest = try ledger.newestTime() else { return }
        let now = Int64(Date().timeIntervalSince1970)
        guard abs(now - newest) > 86_400 else { return }
        let times =
            "the ledger's newest commit is of \(LogCommand.utc(newest)), this machine's clock says \(LogCommand.utc(now))"
        console.note(
            newest > now
                ? "\(times): one of the two clocks is wrong; new commits are dated no earlier than what they follow"
                : "\(times): go on if the ledger rested since then, else set the clock")
    }

    /// Where the mailbox of each site on another machine is that the run called, and the file that says so; nil where there are no such sites.
    private func mailboxPlaces(
        _ plan: Plan
    ) throws -> (places: [SiteID: MailboxPlace], file: String)? {
        // A site that the plan leaves out is still told so.
        let remote = plan.declaration.sites.filter(\.isRemote).map(\.id) + plan.late
        guard !remote.isEmpty else { return nil }
        let beside = (source.workflow as NSString).deletingLastPathComponent
        let path = mailboxes ?? (beside.isEmpty ? "mailboxes.yaml" : "\(beside)/mailboxes.yaml")
        let bytes = try LocalFile.read(
            path, kind: .usage, code: "run.no-mailbox",
            mend: "Write a line a site there: the site's name and its mailbox.")
        let named = try MailboxFile.read(bytes: bytes, file: path)
        for site in remote where named[site] == nil {
            throw Fault(
                .usage, "run.no-mailbox", "\(site) is on another machine and has no mailbox", at: Place(file: path),
                mend: "Write a line \(site): with the folder or address of its messages.")
        }
        return (named.filter { remote.contains($0.key) }, path)
    }
}
