// The real base model against what was recorded of it with other software.

import Faults
import ModelFiles
import Testing

@Suite struct SmolLM2Tests {
    @Test(.enabled(if: Fixtures.baseModel != nil, "the base model is not in the cache: set MEDROUNDS_MODEL"))
    func opensQuickly() throws {
        let path = try #require(Fixtures.baseModel)
        let clock = ContinuousClock()
        let time = try clock.measure { _ = try ModelFile.open(path: path) }
        print("open: \(time)")
        let file = try ModelFile.open(path: path)
        print(file.shape, file.tensorNames.count, file.vocabulary?.tokens.count as Any)
    }
}
