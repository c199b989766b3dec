// Sampled replay: some training steps run again from a committed position that the auditor's seed draws, and where a training first
// diverges: by step, tensor, element, value and units in the last place.

import Digests
import Engine
import Faults
import Federation
import GitLedger
import LocalFiles
import ModelFiles
import RunRecords
import Verification
import Workflows

/// A place in a run from which training steps can be run again.
public struct ReplaySample: Sendable, Equatable {
    /// The round.
    public var round: Int
    /// The site.
    public var site: SiteID
    /// Steps done there: 0, or the position of a checkpoint.
    public var position: Int
}

extension Replayer {
    /// Every committed position of the rounds (or of one), of all sites or of one: by round, site and position.
    public func positions(round only: Int?, site one: SiteID? = nil) throws(Fault) -> [ReplaySample] {
        var samples: [ReplaySample] = []
        for round in try rounds(only) {
            let commit = try aggregateCommit(of: round)
            let absent = try absences(of: round, in: commit)
            for site in plan.declaration.sites.map(\.id) where absent[site]?.step != .train && one ?? site == site {
                let record = try trainRecord(round, site, commit)
                guard try record.text("status") == "done" else { continue }
                samples.append(ReplaySample(round: round, site: site, position: 0))
                for position in try checkpoints(record) {
                    samples.append(ReplaySample(round: round, site: site, position: position.step))
                }
            }
        }
        return samples
    }

    /// The position that a seed draws: the first 8 bytes, big-endian, of the SHA-256 of the lines `medrounds sample`, the main line's
    /// tip and the seed, modulo the count of positions. Whoever made the run did not know the seed, so could not know the place.
    public func draw(seed: String, round only: Int?, site: SiteID? = nil) throws(Fault) -> ReplaySample {
        let samples = try positions(round: only, site: site)
        guard !samples.isEmpty else {
            throw Fault(
                .usage, "replay.no-position", "the run \(run) has no finished training to start from",
                mend: "Replay at level aggregate.")
        }
        let digest = Digest.sha256("medrounds sample\n\(tip.hex)\n\(seed)\n")
        let number = digest.bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return samples[Int(number % UInt64(samples.count))]
    }

    /// Runs the steps after a position again and compares each loss with the record, each state that is reached with its digest, and
    /// the trained adapter where the training ends.
    ///
    /// With `arithmetic` other than ours each step is computed a second time, every product by that arithmetic, from the same adapter and
    /// moments; what is further apart than `ArithmeticBounds` is a difference too.
    ///
    /// Throws `replay.other-plan`, `engine.openblas`, and `replay.no-checkpoint` where the site's checkpoint file is gone.
    public func sampled(
        _ sample: ReplaySample, steps count: Int, arithmetic: Arithmetic = .ours, context: RunContext
    ) throws(Fault) -> ReplayedStep {
        try checkPlan(context)
        guard let configuration = plan.declaration.training else {
            preconditionFailure("a position stands in a train record")
        }
        let (round, site) = (sample.round, sample.site)
        let commit = try aggregateCommit(of: round)
        let record = try trainRecord(round, site, commit)
        let losses = try self.losses(record)
        let start = try startAdapter(of: round, context).cut(for: site, context)
        let last = min(losses.count, sample.position + count)
        var step = ReplayedStep(
            round: round, step: .train, owner: site.name,
            part: "steps \(sample.position + 1) to \(last) of \(losses.count)", files: 0, bytes: 0, faults: [])
        func differs(_ what: String, tensor: String? = nil) {
            step.faults.append(Recomputation.mismatch(what, record.path, commit, tensor: tensor))
        }
        if try record.object("input").digest("adapter_sha256") != start.digest {
            differs("the training is recorded to start from another adapter than the round's, \(start.digest)")
            return step
        }
        let folder = checkpointFolder(round, site, start, context)
        let state = try self.state(sample.position, site, record, folder)
        if let known = state?.losses, let wrong = known.indices.first(where: { known[$0] != losses[$0] }) {
            differs("the checkpoint holds loss \(known[wrong]) for step \(wrong + 1), committed is \(losses[wrong])")
        }
        let positions = try checkpoints(record)
        let expected = configuration.checkpointEvery.map { Array(stride(from: $0, to: losses.count, by: $0)) } ?? []
        if positions.map(\.step) != expected {
            differs("the recorded checkpoints are not those that the plan asks for")
        }

        context.report(.started(round: round, step: .train, owner: site.name))
        var reached: [(position: Int, state: TrainingState)] = []
        let tell = { (progress: TrainingProgress) throws(Fault) in
            try context.checkInterruption()
            context.report(
                .progressed(
                    done: progress.step - sample.position, total: last - sample.position, unit: "steps",
                    detail: "loss \(Figures.fixed(progress.loss, 3))"))
        }
        let outcome = try train(
            TrainStep.job(
                context: context, round: round, site: site, configuration: configuration, start: start),
            from: state, through: last,
            second: arithmetic == .ours ? nil : SecondArithmetic(arithmetic, steps: sample.position..<last),
            progress: tell
        ) { (state: TrainingState) throws(Fault) in reached.append((state.steps, state)) }

        step.bytes = (last - sample.position) * MemoryLayout<Double>.size
        step.comparisons = outcome.comparisons
        let bounds = ArithmeticBounds.of(plan.declaration.model.numerics)
        if !outcome.comparisons.isEmpty { step.bounds = bounds }
        for comparison in outcome.comparisons where !comparison.isWithin(bounds) {
            differs(
                "step \(comparison.step + 1) is further from \(arithmetic.rawValue) than rounding explains: loss \(comparison.lossDifference), "
                    + "gradient \(comparison.gradient), its norm \(comparison.gradientNormDifference), update \(comparison.update)"
            )
        }
        if let difference = Self.lossDifference(outcome.losses, losses) { differs(difference) }
        for (position, state) in reached {
            guard let recorded = positions.first(where: { $0.step == position }) else { continue }
            let bytes = TrainingStateFile.bytes(of: state)
            step.files += 1
            step.bytes += bytes.count
            if Digest.sha256(bytes) != recorded.digest {
                let theirs = try? self.state(position, site, record, folder)
                let (what, tensor) = Self.words(state, theirs)
                differs("the state after step \(position) is not the recorded one\(what)", tensor: tensor)
            }
        }
        if last == losses.count {
            let bytes = TrainStep.encode(outcome.adapter)
            step.files += 1
            step.bytes += bytes.count
            let recorded = try record.object("output").digest("adapter_sha256")
            if Digest.sha256(bytes) != recorded {
                let theirs = trained(round, site, recorded, context)
                let (what, tensor) = Self.words("adapter", outcome.adapter, theirs)
                differs("the trained adapter is not the recorded one\(what)", tensor: tensor)
            }
        }
        return step
    }

    /// Where a training that was replayed in full first diverges: the step whose loss differs, and the tensor where the site's own
    /// adapter is still in the work folder.
    func divergence(
        _ output: StepOutput, _ committed: [UInt8], _ path: String, _ round: Int, _ owner: String, _ commit: CommitID,
        _ context: RunContext
    ) -> [Fault] {
        guard let record = try? RecordReader(parsing: committed, path: path), let theirs = try? losses(record),
            let mine = try? losses(RecordReader(output.record, path: path))
        else { return [] }
        var faults: [Fault] = []
        if let difference = Self.lossDifference(mine, theirs) {
            faults.append(Recomputation.mismatch(difference, path, commit))
        }
        if let adapter = output.adapter, let site = SiteID(owner),
            let recorded = try? record.object("output").digest("adapter_sha256"),
            Digest.sha256(TrainStep.encode(adapter)) != recorded
        {
            let (what, tensor) = Self.words("adapter", adapter, trained(round, site, recorded, context))
            faults.append(
                Recomputation.mismatch(
                    "the trained adapter is not the recorded one\(what)", path, commit, tensor: tensor))
        }
        return faults
    }

    // MARK: What is compared

    private func trainRecord(_ round: Int, _ site: SiteID, _ commit: CommitID) throws(Fault) -> RecordReader {
        let path = StepKind.train.record(round: round, owner: site.name)
        guard let bytes = try ledger.file(path, of: commit) else { throw .missingFile(path, commit.hex) }
        return try RecordReader(parsing: bytes, path: path, commit: commit.hex)
    }

    private func checkpoints(_ record: RecordReader) throws(Fault) -> [CheckpointPosition] {
        guard record["checkpoints"] != nil else { return [] }
        var positions: [CheckpointPosition] = []
        for row in try record.list("checkpoints") { positions.append(try CheckpointPosition(row)) }
        return positions
    }

    private func losses(_ record: RecordReader) throws(Fault) -> [Double] {
        let values = record["step_losses"]?.elements?.compactMap(\.double) ?? []
        guard try values.count == record.int("steps"), !values.isEmpty else {
            throw Fault(
                .ledger, "ledger.bad-record", "step_losses does not hold a number for every step",
                at: Place(file: record.path, commit: record.commit),
                mend: "Fetch the run again from a copy whose verification passes.", cause: .badRecord)
        }
        return values
    }

    private func checkpointFolder(
        _ round: Int, _ site: SiteID, _ start: StartAdapter, _ context: RunContext
    ) -> CheckpointFolder {
        CheckpointFolder(
            folder: context.workspace?.desk(of: site, in: run).checkpoints(round) ?? "",
            plan: Digest.sha256(plan.json.canonical), input: start.digest)
    }

    /// The state at a position from the site's checkpoint file; nil for position 0.
    private func state(
        _ position: Int, _ site: SiteID, _ record: RecordReader, _ folder: CheckpointFolder
    ) throws(Fault) -> TrainingState? {
        guard position > 0 else { return nil }
        let path = folder.file(after: position)
        guard let bytes = LocalFile.readIfPresent(path) else {
            throw Fault(
                .data, "replay.no-checkpoint",
                "the training state after step \(position) is not here any more; the ledger holds only its digest",
                at: Place(file: path),
                mend: "Ask the site for this file, draw another position with another seed, or replay at level full.")
        }
        let recorded = try checkpoints(record).first { $0.step == position }?.digest
        let digest = Digest.sha256(bytes)
        guard digest == recorded else {
            throw Fault(
                .mismatch, "replay.checkpoint",
                "the file's SHA-256 is \(digest), the record of the training says \(recorded?.hex ?? "nothing")",
                at: Place(file: path), mend: "Ask the site for the file that the record names.")
        }
        return try TrainingStateFile.read(
            bytes, sizes: plan.inputs.model.sizes, configuration: plan.declaration.adapter(of: site), path: path)
    }

    /// What the site trained, where its work folder still holds the file that the record names.
    private func trained(_ round: Int, _ site: SiteID, _ digest: Digest, _ context: RunContext) -> Adapter? {
        guard let path = context.workspace?.desk(of: site, in: run).trainedAdapter(round),
            let bytes = LocalFile.readIfPresent(path), Digest.sha256(bytes) == digest
        else { return nil }
        return try? AdapterFile.read(
            bytes, sizes: plan.inputs.model.sizes, configuration: plan.declaration.adapter(of: site), path: path)
    }

    private static func lossDifference(_ mine: [Double], _ theirs: [Double]) -> String? {
        for (index, (left, right)) in zip(mine, theirs).enumerated() where left.bitPattern != right.bitPattern {
            return
                "step \(index + 1) is the first that differs: its loss was recomputed as \(left), committed is \(right), "
                + "\(Adapter.ulps(left, right)) units in the last place of float64 apart"
        }
        return nil
    }

    private static func words(_ mine: TrainingState, _ theirs: TrainingState?) -> (String, tensor: String?) {
        guard let theirs else { return ("; the site's file is not here, so no tensor can be named", nil) }
        for (part, left, right) in [
            ("adapter", mine.adapter, theirs.adapter), ("first moment", mine.firstMoment, theirs.firstMoment),
            ("second moment", mine.secondMoment, theirs.secondMoment),
        ] where left.firstDifference(from: right) != nil { return words(part, left, right) }
        return ("", nil)
    }

    private static func words(_ part: String, _ mine: Adapter, _ theirs: Adapter?) -> (String, tensor: String?) {
        guard let theirs else { return ("; the site's file is not here, so no tensor can be named", nil) }
        guard let difference = mine.firstDifference(from: theirs) else { return ("", nil) }
        return (
            ": \(part), \(difference.words(theirs: "the site's"))", difference.tensor
        )
    }
}
