// Receipts: only the sender of an upload can read its weight, and a receipt fits no other upload, round, site, plan or weight.

import Digests
import Federation
import RunRecords
import Testing

@Suite struct ReceiptTests {
    private let plan = Digest.sha256("plan")
    private let upload = Digest.sha256("upload")

    @Test(arguments: [0.0, 1.0, 0.6176, 1e-300, -0.0])
    func theSenderReadsItsWeight(weight: Double) throws {
        let site = try #require(SiteID("east"))
        let receipt = UploadReceipt(upload: upload, plan: plan, round: 2, site: site, weight: weight)
        #expect(receipt.sealed.count == 16)
        func read(
            upload: Digest? = nil, plan: Digest? = nil, round: Int = 2, site name: String = "east",
            sealed: String? = nil
        ) throws -> Double? {
            UploadReceipt.weight(
                sealed: sealed ?? receipt.sealed, digest: receipt.digest, upload: upload ?? self.upload,
                plan: plan ?? self.plan, round: round, site: try #require(SiteID(name)))
        }
        #expect(try read()?.bitPattern == weight.bitPattern)
        #expect(try read(upload: Digest.sha256("another")) == nil)
        #expect(try read(plan: Digest.sha256("another")) == nil)
        #expect(try read(round: 3) == nil)
        #expect(try read(site: "west") == nil)
        let digits = Array(receipt.sealed)
        let changed = String(digits[0] == "0" ? "1" : "0") + String(digits.dropFirst())
        #expect(try read(sealed: changed) == nil)
        // Nobody else sees the weight's own bits.
        #expect(receipt.sealed != UploadReceipt(upload: plan, plan: plan, round: 2, site: site, weight: weight).sealed)
    }
}
