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
    /// The form of whole adapters.
    private let form: AdapterForm
    /// The form of each site's upload, the bytes as they came, and where the tensors of a whole adapter are in them.
    private var held: [SiteID: (form: AdapterForm, bytes: [UInt8], places: [Int?])] = [:]
    private let file: Reader
    private let startAdapter: () throws(Fault) -> Adapter
    private var openedStart: Adapter?

    package var configuration: LoRAConfiguration { form.configuration }
    package var tensors: [(name: String, shape: [Int])] { form.tensors }
    package var standings: [UploadStanding] { uploads.map(\.standing) }
    package var frozen: Adapter.Matrix? { plan.declaration.frozen(in: round) }
    package func rank(of upload: Int) -> Int {
        plan.declaration.adapter(of: uploads[upload].standing.site).rank
    }

    /// Reads what the sites sent in a round. An upload that cannot be used, because its bytes, its shapes or its own record are wrong, is left
    /// out with the fault's code and stops nobody else; a damaged ledger is thrown.
    ///
    /// Sizes come from the plan, never from a site's record. `scores` is the score step's record; nil where nothing was scored yet. `form` is
    /// the plan's, for who has made it already; `start` gives the adapter that the round began with.
    package init(
        round: Int, sites: [SiteID], plan: Plan, form: AdapterForm? = nil, scores: [UInt8]?,
        start: @escaping () throws(Fault) -> Adapter, file: @escaping Reader
    ) throws(Fault) {
        self.round = round
        self.plan = plan
        self.file = file
        self.form = form ?? plan.adapterForm
        startAdapter = start
        let scores = try RoundScores(scores, round: round)
        for site in sites {
            do throws(Fault) {
                if let reason = try reasonNotSent(site) ?? scores.unscored[site] {
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
                try hold(bytes, path, of: site)
                let standing = scores.standing(of: site, plan)
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
        held = all.held
        file = all.file
        startAdapter = all.startAdapter
        openedStart = all.openedStart
    }

    /// The adapter of an upload, decoded: a whole one, with the frozen factor of the round's start.
    package func adapter(of upload: Int) throws(Fault) -> Adapter {
        let site = uploads[upload].standing.site
        let configuration = plan.declaration.adapter(of: site)
        var whole: [NamedTensor] = []
        for (index, tensor) in tensors.enumerated() {
            var shape = tensor.shape
            let values = try self.values(of: index, in: upload)
            // The rank is the first of A's numbers and the last of B's.
            shape[tensor.name.hasSuffix(".\(Adapter.Matrix.a.rawValue).weight") ? 0 : 1] = configuration.rank
            whole.append(NamedTensor(name: tensor.name, shape: shape, values: values))
        }
        return Adapter(configuration: configuration, tensors: whole)
    }

    package func values(of tensor: Int, in upload: Int) throws(Fault) -> [Float] {
        guard let (form, bytes, places) = held[uploads[upload].standing.site] else {
            throw .missingFile(RunPath.upload(round: round, site: uploads[upload].standing.site), nil)
        }
        guard let place = places[tensor] else { return try start().tensors[tensor].values }
        return form.values(of: place, in: bytes)
    }

    package func start(of tensor: Int) throws(Fault) -> [Float]? { try start().tensors[tensor].values }

    /// The adapter that the round began with.
    package func start() throws(Fault) -> Adapter {
        if let openedStart { return openedStart }
        let adapter = try startAdapter()
        openedStart = adapter
        return adapter
    }

    /// Keeps an upload's bytes, two for each number in bfloat16. Throws the faults of a bad file, and `adapter.not-canonical` for one that is
    /// written in another way than the program writes it: a header may hold more than names and shapes.
    private func hold(_ bytes: [UInt8], _ path: String, of site: SiteID) throws(Fault) {
        let own = plan.uploadForm(of: site, in: round, whole: form)
        guard try own.read(bytes, path: path) != nil else {
            // A file of other tensors is refused for what it is.
            _ = try AdapterFile.read(
                bytes, sizes: plan.inputs.model.sizes, configuration: own.configuration, without: own.frozen,
                path: path)
            throw Fault(
                .data, "adapter.not-canonical",
                "the file is not byte for byte what its tensors give at \(own.precision.rawValue)",
                at: Place(file: path), mend: "Let medrounds write the upload: a run does it at the site.")
        }
        let found = Dictionary(own.tensors.enumerated().map { ($1.name, $0) }) { first, _ in first }
        held[site] = (own, bytes, form.tensors.map { found[$0.name] })
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
}

/// What the score step's record says of each upload.
package struct RoundScores {
    var losses: [SiteID: Double] = [:]
    var byRecord: [SiteID: RecordLosses] = [:]
    var values: [SiteID: Double] = [:]
    /// The sites whose loss is not finite, with the code.
    package var unscored: [SiteID: String] = [:]

    /// The largest loss of one record, in nats: more tokens than a context holds, each at the loss of the smallest float32.
    private static let largest = 1e9

    /// Takes the bytes of the record; nil where no step scored. Throws `ledger.bad-record`.
    package init(_ bytes: [UInt8]?, round: Int) throws(Fault) {
        guard let bytes else { return }
        let record = try RecordReader(parsing: bytes, path: StepKind.score.record(round: round))
        let labels = Self.labels(of: record)
        for row in try record.list("scores") {
            let site = try row.site("site")
            if let reason = row["left_out"]?.text {
                unscored[site] = reason
                continue
            }
            losses[site] = try row.double("loss")
            values[site] = row["shapley"]?.double
            let sums = row["losses"]?.elements?.compactMap(\.double) ?? []
            // Numbers from a stranger's record are added and squared: larger ones would not stay finite.
            let numbers = sums + [losses[site], values[site]].compactMap { $0 }
            if let number = numbers.first(where: { !(abs($0) <= Self.largest) }) {
                throw Fault(
                    .ledger, "ledger.bad-record", "a loss of \(number) is larger than the loss of any model",
                    at: Place(file: StepKind.score.record(round: round)),
                    mend: "Compare with another copy of the ledger; this record was not made by a score step.",
                    cause: .badRecord)
            }
            if !sums.isEmpty, sums.count == labels.count {
                byRecord[site] = RecordLosses(labels: labels, sums: sums)
            }
        }
    }

    /// The labels of each validation record, as a score's record counts them; none where one is beyond what a record can have, so that sums
    /// of them stay whole numbers.
    package static func labels(of score: RecordReader) -> [Int] {
        let counts = score["labels"]?.elements?.map { $0.int ?? -1 } ?? []
        return counts.allSatisfy { 0...(1 << 31) ~= $0 } ? counts : []
    }

    /// What is known of a site's upload.
    package func standing(of site: SiteID, _ plan: Plan) -> UploadStanding {
        var standing = UploadStanding(site: site, records: plan.size(of: site), loss: losses[site])
        standing.unit = plan.declaration.sizeUnit
        standing.losses = byRecord[site]
        standing.value = values[site]
        return standing
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

    /// The form of a site's upload in a round.
    package func uploadForm(of site: SiteID, in round: Int, whole: AdapterForm) -> AdapterForm {
        let configuration = declaration.adapter(of: site)
        let frozen = declaration.frozen(in: round)
        if frozen == nil, configuration == whole.configuration { return whole }
        return AdapterForm(
            sizes: inputs.model.sizes, configuration: configuration, without: frozen,
            precision: declaration.uploadPrecision)
    }

    /// The adapter that round 1 begins with.
    package var initialAdapter: Adapter {
        Adapter.initial(
            sizes: inputs.model.sizes, configuration: declaration.adapter, seed: declaration.seed,
            precision: declaration.startPrecision)
    }

    /// The configuration of a published adapter: the plan's, but for the rank of stacked uploads, which the file itself has.
    package func publishedConfiguration(_ bytes: [UInt8], path: String) -> LoRAConfiguration {
        var configuration = declaration.adapter
        guard declaration.aggregation?.product == .stacked, let rank = AdapterFile.rank(of: bytes, path: path),
            rank != configuration.rank,
            rank <= declaration.sites.reduce(0, { $0 + declaration.adapter(of: $1.id).rank })
        else { return configuration }
        configuration.alpha = configuration.scale * Double(rank)
        configuration.rank = rank
        return configuration
    }

    /// A published adapter. Throws the faults of a file that is none of the plan's.
    package func publishedAdapter(_ bytes: [UInt8], path: String) throws(Fault) -> Adapter {
        try AdapterFile.read(
            bytes, sizes: inputs.model.sizes, configuration: publishedConfiguration(bytes, path: path), path: path)
    }

    /// The digest of what a site's training starts from: the published bytes, or, at a rank of its own, the cut adapter in float32.
    package func startDigest(of site: SiteID, published: Digest, _ adapter: () throws(Fault) -> Adapter) throws(Fault)
        -> Digest
    {
        let configuration = declaration.adapter(of: site)
        if configuration == declaration.adapter { return published }
        return Digest.sha256(AdapterFile.bytes(of: try adapter().cut(to: configuration), precision: .f32))
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
