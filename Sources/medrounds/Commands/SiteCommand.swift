// medrounds site: a hospital's own process in a federation over several machines.

import AuditCommands
import ArgumentParser
import Carriers
import Faults
import Federating
import Federation
import Foundation
import GitLedger
import Identities
import LocalFiles
import RunRecords
import Runs
import Workflows

struct SiteCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "site", abstract: "Take part in a federation with notes and keys that stay on this machine.",
        subcommands: [Init.self, Run.self, Status.self])

    struct Init: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make the folder of a site: its key and a commented site.yaml.")
        @Argument(help: "The folder to make.")
        var folder: String
        @Option(help: "The site's name, as the coordinator calls it.")
        var site: String
        @Option(help: "The mailbox: a folder that the coordinator reaches too, or ssh://USER@HOST/PATH.")
        var mailbox: String

        func run() throws {
            guard let name = SiteID(site) else { throw ValidationError("\"\(site)\" is no site name.") }
            let path = "\(folder)/site.yaml"
            if FileManager.default.fileExists(atPath: path) {
                throw Fault(
                    .usage, "site.exists", "a site is already there", at: Place(file: path),
                    mend: "Name another folder, or edit this site.yaml.")
            }
            let isPlace = mailbox.hasPrefix("/") || GitAddress.isRemote(mailbox)
            if GitAddress.isRemote(mailbox) { _ = try GitAddress(mailbox, at: nil) }
            let whole = isPlace ? mailbox : "\(FileManager.default.currentDirectoryPath)/\(mailbox)"
            let key = SSHPrivateKey()
            let keyPath = "\(folder)/work/keys/\(SignerRole.site(name).fileName)"
            try key.write(to: keyPath, comment: "site:\(name)")
            try LocalFile.write(Array(Self.text(name, whole).utf8), to: path)
            Console.result("\(path): name the notes and the model there")
            Console.result("send \(keyPath).pub to the coordinator, who runs:")
            Console.result("medrounds keys allow site:\(name) \(SignerRole.site(name).fileName).pub")
        }

        private static func text(_ site: SiteID, _ mailbox: String) -> String {
            """
            # The site \(site). Nothing of this file leaves the machine.
            version: 1
            site: \(site)
            # Where messages from and to the coordinator are.
            mailbox: \(mailbox)
            # For a mailbox at a hub: the key for ssh (else the site's own), and the fingerprint of the host's key (else known_hosts).
            # ssh_key: ~/.ssh/id_ed25519
            # host_key: SHA256:...
            # The coordinator's public key, or its SHA256: fingerprint, as its people told it by another way than the mailbox: what anybody else signed is
            # then refused. Without this line the first list of signers that comes is trusted.
            # coordinator_key: ssh-ed25519 AAAA...
            # The base model: a name that `medrounds models list` shows, or the path of a file.
            model: smollm2-135m-instruct
            # The notes to train on, as in a workflow; relative to data_root, which is relative to this file.
            data_root: .
            train: notes
            tasks: {ner: all}
            # limit: 200
            # Notes that are decoded and scored here where a coordinator asks for it; counts by document leave the machine, no text.
            # cohorts: {my-test: {data: test-notes, tasks: {ner: all}}}
            # Plans within these bounds are approved without asking a person. Without them somebody is asked.
            # accept: {rounds: 10, rank: 16, megabytes: 100}

            """
        }
    }

    struct Run: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Wait for calls, have plans approved, train, upload.")
        @Argument(help: "The site's file.", completion: .file(extensions: ["yaml", "yml"]))
        var file: String
        @Flag(help: "Do what can be done now, then end.")
        var once = false
        @Flag(help: "Approve what is asked, as the person who types this.")
        var approve = false
        @OptionGroup var machine: MachineOptions
        @Flag(help: "Print faults only.")
        var quiet = false

        func run() throws {
            Interruption.watch()
            let console = Console(quiet: quiet)
            let progress = ProgressPrinter(console)
            let approves = approve
            let canAsk = isatty(0) == 1
            var shown: Set<RunName> = []
            let process = try SiteProcess(
                file, cache: Environment.cache, home: Environment.home, opener: KeyAccess.opener(),
                threads: machine.count,
                ask: { question in
                    progress.finish()
                    if shown.insert(question.run).inserted || canAsk { question.lines.forEach(Console.result) }
                    if approves { return true }
                    guard canAsk else { return false }
                    FileHandle.standardError.write(Data("Approve? Type yes: ".utf8))
                    return readLine() == "yes"
                }, isInterrupted: { Interruption.requested }, report: { progress.show($0) })
            func tell(_ run: RunName, _ state: SiteState) {
                progress.finish()
                Console.result("\(run): \(state.words)")
                if case .refused(let fault) = state { console.note(fault.description) }
            }
            guard once else { return try process.loop(tell: tell, trouble: { console.note($0) }) }
            let states = try process.once()
            for (run, state) in states { tell(run, state) }
            if let trouble = process.trouble {
                throw Fault(
                    .failed, "mailbox.unreachable", trouble,
                    mend: "Check the network, then run the same command again.")
            }
            if states.isEmpty { Console.result("no call yet") }
            for case (_, .refused(let fault)) in states { throw fault }
        }
    }

    struct Status: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Say where the site stands in each run.")
        @Argument(help: "The site's file.", completion: .file(extensions: ["yaml", "yml"]))
        var file: String

        func run() throws {
            let folder = (file as NSString).deletingLastPathComponent
            let site = try SiteFile.read(
                bytes: LocalFile.read(
                    file, kind: .workflow, code: "site.missing", mend: "Make one with medrounds site init."), file: file
            ).site
            let ledger = try Ledger.open(path: folder.isEmpty ? "ledger.git" : "\(folder)/ledger.git")
            var table = Table("run", "published", "own line", "last commit")
            for run in try ledger.runs() {
                let published = try PublishedLine(of: run, in: ledger)
                let own = try published.map { try SiteStanding.words(of: site, run, $0, ledger) } ?? "no step yet"
                table.add(
                    run.name, published?.round.map { $0 == 0 ? "the plan" : "round \($0)" } ?? "the call", own,
                    published.map { LogCommand.utc($0.tip.time) } ?? "")
            }
            table.lines.forEach(Console.result)
        }
    }
}
