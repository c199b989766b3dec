// Commitment: what stands for the records of an owner with several sources.

import Digests
import Federation

package enum Commitment {
    /// The commitment of all sources of an owner: that of the only one, else the SHA-256 of their hexadecimal forms a line each,
    /// so that it follows from the plan without the key.
    package static func joined(_ commitments: [Digest]) -> Digest {
        if commitments.count == 1 { return commitments[0] }
        return Digest.sha256(commitments.map { "\($0.hex)\n" }.joined())
    }
}
