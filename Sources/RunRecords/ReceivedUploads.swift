// ReceivedUploads: the uploads of a round as the coordinator holds them, read from the ledger and checked. Each is read when it is asked
// for, and one at a time is held.

import Digests
import Faults
import Federation
import ModelFiles
import Workflows

/// One upload that can be used.
package struct ReceivedUpload: Sendable {
    package var standing: UploadStanding
    /// The digest of the uploaded bytes.
    package var digest: Digest
    /// How many bytes were uploaded.
    package var bytes: Int
}

/// A site whose upload cannot be used this round.
package struct LeftOut: Equatable, Sendable {
    package var site: SiteID
    /// The code of the fault that kept it out.
    package var reason: String
}

/// The uploads of one round.
package final class ReceivedUploads: UploadSource {
    /// Reads a path of a site's line, or of the merged tree; nil where there is no such file.
    package typealias Reader = (SiteID, String) throws(Fault) -> [UInt8]?

    /// The uploads that can be used, in site order.
    package private(set) var uploads: [ReceivedUpload] = []
    /// The others, in site order.
    package private(set) var leftOut: [LeftOut] = []
    private let round: Int
    private let plan: Plan
    private let form: AdapterForm
    private let file: Reader
    /// Adapters as they were read, while they are few; the last one in any case.
    private var opened: [SiteID: Adapter] = [:]
    /// How many numbers stay in memory: 64 MB of float32. Rounds of small adapters are read once, and memory does not grow with the sites.
    private static let mostHeld = 1 << 24

    package var configuration: LoRAConfiguration { form.configuration }
    package var tensors: [(name: String, shape: [Int])] { form.tensors }
    package var standings: [UploadStanding] { uploads.map(\.standing) }

    /// Reads what the sites sent in a round. An upload that cannot be used, because its bytes, its shapes or its own record are wrong, is left
    /// out with the fault's code and stops nobody else; a damaged ledger is thrown.
    ///
    /// Sizes come from the plan, never from a site's record. `scores` is the score step's record; nil where nothing was scored yet. `form` is
    /// the plan's, for who has made it already.
    package init(
        round: Int, sites: [SiteID], plan: Plan, form: AdapterForm? = nil, scores: [UInt8]?, file: @escaping Reader
    ) throws(Fault) {
        self.round = round
        self.plan = plan
        self.file = file
        self.form = form ?? plan.adapterForm
        let (losses, unscored) = try Self.scored(scores, round: round)
        for site in sites {
            do throws(Fault) {
                if let reason = try reasonNotSent(site) ?? unscored[site] {
                    leftOut.append(LeftOut(site: site, reason: reason))
                    continue
                }
                let path = RunPath.upload(round: round, site: site)
                guard let bytes = try file(site, path) else { throw .missingFile(path, nil) }
                let record = try record(.upload, of: site)
                let digest = Digest.sha256(bytes)
                guard digest == (try record.digest("adapter_sha256")) else {
                    leftOut.append(LeftOut(site: site, reason: "upload.digest"))
                    continue
                }
                hold(try adapter(bytes, path), of: site)
                var standing = UploadStanding(site: site, records: plan.size(of: site), loss: losses[site])
                standing.unit = plan.declaration.sizeUnit
                uploads.append(ReceivedUpload(standing: standing, digest: digest, bytes: bytes.count))
            } catch {
                // What a site wrote wrongly is the site's; what cannot be read at all is the ledger's.
                let reason: String
                switch error.cause {
                case .badRecord: reason = "upload.record"
                case .tooLarge: reason = "upload.too-large"
                default:
                    guard [.data, .model].contains(error.kind) else { throw error }
                    reason = error.code
                }
                leftOut.append(LeftOut(site: site, reason: reason))
            }
        }
    }

    /// The uploads but one, for what a round would have been without a site.
    package init(_ all: ReceivedUploads, without site: SiteID) {
        uploads = all.uploads.filter { $0.standing.site != site }
        leftOut = all.leftOut
        round = all.round
        plan = all.plan
        form = all.form
        file = all.file
    }

    /// The adapter of an upload, decoded.
    package func adapter(of upload: Int) throws(Fault) -> Adapter {
        let site = uploads[upload].standing.site
        if let adapter = opened[site] { return adapter }
        let path = RunPath.upload(round: round, site: site)
        guard let bytes = try file(site, path) else { throw .missingFile(path, nil) }
        let adapter = try adapter(bytes, path)
        hold(adapter, of: site)
        return adapter
    }

    private func hold(_ adapter: Adapter, of site: SiteID) {
        if (opened.count + 1) * form.valueCount > Self.mostHeld { opened = [:] }
        opened[site] = adapter
    }

    package func values(of tensor: Int, in upload: Int) throws(Fault) -> [Float] {
        try adapter(of: upload).tensors[tensor].values
    }

    /// An upload's adapter. Throws the faults of a bad file, and `adapter.not-canonical` for one that is written in another way than the
    /// program writes it: a header may hold more than names and shapes.
    private func adapter(_ bytes: [UInt8], _ path: String) throws(Fault) -> Adapter {
        if let adapter = try form.read(bytes, path: path) { return adapter }
        // A file of other tensors is refused for what it is.
        _ = try AdapterFile.read(
            bytes, sizes: plan.inputs.model.sizes, configuration: form.configuration, path: path)
        throw Fault(
            .data, "adapter.not-canonical",
            "the file is not byte for byte what its tensors give at \(form.precision.rawValue)",
            at: Place(file: path), mend: "Let medrounds write the upload: a run does it at the site.")
    }

    private func record(_ kind: StepKind, of site: SiteID) throws(Fault) -> RecordReader {
        let path = kind.record(round: round, owner: site.name)
        guard let bytes = try file(site, path) else { throw .missingFile(path, nil) }
        do throws(Fault) {
            return try RecordReader(parsing: bytes, path: path)
        } catch {
            throw Fault(
                .ledger, "ledger.bad-record", error.what, at: Place(file: path), mend: error.mend, cause: .badRecord)
        }
    }

    /// Why a site sent nothing; nil where it did.
    private func reasonNotSent(_ site: SiteID) throws(Fault) -> String? {
        let sent = try record(.upload, of: site)
        if try sent.text("status") == "sent" { return nil }
        let reason = try sent.object("reason").text("code")
        return FaultCode.isKnown(reason) ? reason : "upload.record"
    }

    private static func scored(
        _ bytes: [UInt8]?, round: Int
    ) throws(Fault) -> (losses: [SiteID: Double], unscored: [SiteID: String]) {
        var losses: [SiteID: Double] = [:]
        var unscored: [SiteID: String] = [:]
        guard let bytes else { return (losses, unscored) }
        for row in try RecordReader(parsing: bytes, path: StepKind.score.record(round: round)).list("scores") {
            let site = try row.site("site")
            if let reason = row["left_out"]?.text {
                unscored[site] = reason
            } else {
                losses[site] = try row.double("loss")
            }
        }
        return (losses, unscored)
    }
}

extension Plan {
    /// As many bytes as a file of the run may have at a path: a site's upload is not inflated beyond it, and its record neither.
    package func largest(at path: String, _ form: AdapterForm) -> Int {
        // A published adapter may be made of all uploads together.
        path.hasSuffix(".safetensors") ? form.byteCount * (declaration.sites.count + 1) + 1 << 20 : 64 << 20
    }

    /// The form of every upload.
    package var adapterForm: AdapterForm {
        AdapterForm(
            sizes: inputs.model.sizes, configuration: declaration.adapter, precision: declaration.uploadPrecision)
    }

    /// n_k: what a site trains on, in the unit in which the plan counts sizes.
    package func size(of site: SiteID) -> Int {
        let sources = inputs.datasets.filter { $0.role == .train && $0.owner == site.name }
        switch declaration.sizeUnit {
        case .records: return sources.reduce(0) { $0 + $1.records }
        case .labelTokens: return sources.reduce(0) { $0 + ($1.labelTokens ?? 0) }
        }
    }
}
