// What a site's records of one round say of its training and of its upload follows from the plan and from the bytes.

import Faults
import Federation
import ModelFiles
import RunRecords
import Workflows

extension RoundCheck {
    func uploads(_ tally: inout RoundTally) throws(Fault) {
        let (uploads, _, isPruned) = try sent.get()
        if isPruned { tally.pruned += 1 }
        for upload in uploads {
            let site = upload.standing.site
            let train = try record(.train, site)
            let sent = try record(.upload, site)
            tally.count += 1
            tally.bytes += upload.bytes
            if try sent.int("bytes") != upload.bytes {
                tally.faults.append(
                    broken(
                        "verify.upload", "the record of \(site) counts other bytes than the \(upload.bytes) uploaded"))
            }
            tally.faults += try checkSettings(train, of: site) + checkTraining(train, of: site)
            tally.faults += try checkExchange(sent, of: site)
            if try sent.object("input").digest("adapter_sha256") != train.object("output").digest("adapter_sha256") {
                tally.faults.append(
                    broken("verify.upload", "the upload of \(site) is not made from what the site trained"))
            }
            let sources = plan.inputs.datasets.filter { $0.role == .train && $0.owner == site.name }
            if try train.object("input").digest("dataset_commitment") != Commitment.joined(sources.map(\.commitment)) {
                tally.faults.append(
                    broken("verify.dataset", "\(site) trained on other records than the plan commits to"))
            }
        }
    }

    /// What a train record says of its settings and its size is what the plan says.
    private func checkSettings(_ train: RecordReader, of site: SiteID) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        let records = plan.inputs.datasets.filter { $0.role == .train && $0.owner == site.name }.reduce(0) {
            $0 + $1.records
        }
        if try train.int("records") != records {
            faults.append(
                broken(
                    "verify.plan", "\(site) records \(try train.int("records")) records, the plan \(records)",
                    train.path))
        }
        let declared = verifier.declared
        let settings = declared["steps"]?.elements?.compactMap { $0[StepKind.train.rawValue] }.first
        if train["settings"] != settings || train["adapter"] != declared["adapter"] {
            faults.append(
                broken("verify.plan", "\(site) trained with other settings than the plan's", train.path))
        }
        let rank = declaration.sites.first { $0.id == site }?.rank
        if train["rank"]?.int != rank || train["frozen"]?.text != declaration.frozen(in: round)?.rawValue {
            faults.append(
                broken("verify.plan", "\(site) trained another rank or other factors than the plan's", train.path))
        }
        let seed = try train.text("seed")
        let numerics = try train.text("numerics")
        if seed != String(declaration.seed) || numerics != declaration.model.numerics.rawValue {
            faults.append(
                broken(
                    "verify.plan", "\(site) trained with another seed or numerics than the plan's", train.path))
        }
        return faults
    }

    /// What a train record says of its own numbers follows from the others and from the plan.
    private func checkTraining(_ train: RecordReader, of site: SiteID) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        func require(_ holds: Bool, _ what: String) {
            if !holds { faults.append(broken("verify.training", "\(site): \(what)", train.path)) }
        }
        let sources = plan.inputs.datasets.filter { $0.role == .train && $0.owner == site.name }
        require(
            try train.int("truncated_records") == sources.reduce(0) { $0 + $1.truncated },
            "truncated_records is not the plan's count")
        let status = try train.text("status")
        require(status == "done", "its upload was used though its training did not end")
        guard status == "done", let training = declaration.training else { return faults }
        let losses = train["step_losses"]?.elements?.compactMap(\.double) ?? []
        let steps =
            training.epochs * ((sources.reduce(0) { $0 + $1.records } + training.batchSize - 1) / training.batchSize)
        require(
            Set([steps, try train.int("steps"), losses.count]).count == 1,
            "steps are not those that the records and the plan give")
        let loss = try train.object("loss")
        let ends = LossTenths.ends(of: losses)
        require(
            ends == (try loss.double("first_tenth"), try loss.double("last_tenth")),
            "the losses of the first and the last tenth do not follow from step_losses")
        let epochs = (first: try loss.double("first_epoch"), last: try loss.double("last_epoch"))
        require(training.epochs > 1 || epochs.first == epochs.last, "one epoch has two losses")
        require(
            try train.object("output").text("precision") == UploadPrecision.f32.rawValue, "the precision is not f32")
        require(try train.int("tokens") > 0, "no token was trained on")
        let due = training.checkpointEvery.map { Array(stride(from: $0, to: losses.count, by: $0)) } ?? []
        var kept: [Int] = []
        for row in train["checkpoints"] == nil ? [] : try train.list("checkpoints") { kept.append(try row.int("step")) }
        require(
            kept == due && (train["checkpoints"] != nil) == (training.checkpointEvery != nil),
            "the checkpoints are not those that the plan asks for")
        return faults
    }

    /// What an upload's record says of its size follows from the plan and the bytes.
    private func checkExchange(_ sent: RecordReader, of site: SiteID) throws(Fault) -> [Fault] {
        let precision = declaration.uploadPrecision
        let parameters = plan.uploadForm(of: site, in: round, whole: verifier.form).valueCount
        let whole = plan.inputs.model.parameters * precision.bytesPerNumber
        let share = 1 - Double(try sent.int("bytes")) / Double(whole)
        if try sent.text("precision") == precision.rawValue, try sent.int("parameters") == parameters,
            try sent.int("full_model_bytes") == whole, try sent.double("share_saved") == share
        {
            return []
        }
        return [
            broken("verify.upload", "the record of \(site) counts otherwise than the plan and its bytes", sent.path)
        ]
    }
}
