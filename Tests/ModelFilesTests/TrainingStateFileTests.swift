// Training states as files: the same bytes for the same state, read back whole, refused when damaged.

import Faults
import Federation
import ModelFiles
import Testing

@Suite struct TrainingStateFileTests {
    private static let sizes = BackboneSizes(layers: 1, hidden: 4, queries: 6, keyValues: 2, feedForward: 5)
    private static let configuration = LoRAConfiguration(rank: 2, alpha: 4, dropout: 0, targets: [.q, .down])

    private static func adapter(_ offset: Float) -> Adapter {
        let tensors = AdapterFile.expected(sizes: sizes, configuration: configuration).enumerated().map { place, like in
            NamedTensor(
                name: like.name, shape: like.shape,
                values: (0..<like.shape.reduce(1, *)).map { offset + Float(place) - Float($0) / 8 })
        }
        return Adapter(configuration: configuration, tensors: tensors)
    }

    private static let state = TrainingState(
        adapter: adapter(1), firstMoment: adapter(-3), secondMoment: adapter(0.5), losses: [2.5, 0.1, 1.0 / 3])

    private func read(_ bytes: [UInt8]) throws(Fault) -> TrainingState {
        try TrainingStateFile.read(bytes, sizes: Self.sizes, configuration: Self.configuration, path: "state")
    }

    @Test func comesBackAsItWas() throws {
        let bytes = TrainingStateFile.bytes(of: Self.state)
        #expect(try read(bytes) == Self.state)
        #expect(TrainingStateFile.bytes(of: try read(bytes)) == bytes)
        // An odd number of float32 values before the losses: the float64 losses then do not begin at a multiple of 8 bytes.
        let narrow = LoRAConfiguration(rank: 1, alpha: 4, dropout: 0, targets: [.down])
        #expect(throws: Fault.self) {
            try TrainingStateFile.read(bytes, sizes: Self.sizes, configuration: narrow, path: "state")
        }
    }

    @Test func refusesWhatIsNoState() throws {
        let bytes = TrainingStateFile.bytes(of: Self.state)
        for count in [0, 7, 100, bytes.count / 2, bytes.count - 1] {
            #expect(throws: Fault.self) { try read(Array(bytes.prefix(count))) }
        }
        #expect(throws: Fault.self) { try read(AdapterFile.bytes(of: Self.adapter(1), precision: .f32)) }
        var spoiled = Self.state
        spoiled.secondMoment = Self.adapter(.infinity)
        #expect(throws: Fault.self) { try read(TrainingStateFile.bytes(of: spoiled)) }
    }
}
