// The rotary embedding's cosine and sine tables, with the scalings of Hugging Face's configuration.

import Faults
import ModelFiles

/// Cosine and sine of position * frequency, [positions, D/2] each, float32, owned.
final class RotaryTable {
    let cosine: UnsafeMutablePointer<Float>
    let sine: UnsafeMutablePointer<Float>
    private let arena = Arena()

    /// Tables for positions 0 ..< count. Frequencies and angles are rounded to float32 as Hugging Face does, so that far positions rotate
    /// by exactly the angle that the model was trained with.
    ///
    /// Faults: engine.model-setting where theta or the scaling give frequencies beyond 64, engine.memory.
    init(shape: ModelShape, count: Int) throws(Fault) {
        let frequencies = Self.frequencies(shape)
        // There are at most 2^24 positions, so angles stay below 2^30, where sine and cosine are defined.
        for frequency in frequencies where !(abs(frequency) <= 64) {
            throw .modelSetting(
                "ropeScaling", "\(shape.ropeScaling) with ropeTheta \(shape.ropeTheta)",
                expected: "frequencies of at most 64")
        }
        let half = frequencies.count
        cosine = try arena.floats(count, half)
        sine = try arena.floats(count, half)
        for position in 0..<count {
            for i in 0..<half {
                let angle = Elementary.sineAndCosine(Double(Float(position) * frequencies[i]))
                cosine[position * half + i] = Float(angle.cosine)
                sine[position * half + i] = Float(angle.sine)
            }
        }
    }

    /// theta^(-2i/D), scaled.
    private static func frequencies(_ shape: ModelShape) -> [Float] {
        let logTheta = Elementary.log(shape.ropeTheta)
        return (0..<shape.headDimension / 2).map { i in
            let power = Elementary.exp(logTheta * Double(2 * i) / Double(shape.headDimension))
            let plain = Double(1 / Float(power))
            switch shape.ropeScaling {
            case .none: return Float(plain)
            case .linear(let factor): return Float(plain / Double(factor))
            case .llama3(let factor, let low, let high, let original):
                // Long waves are stretched by the factor, short waves stay as they are, and those between are blended.
                let turns = Double(original) * plain / (2 * Double.pi)
                if turns < Double(low) { return Float(plain / Double(factor)) }
                if turns > Double(high) { return Float(plain) }
                let smooth = (turns - Double(low)) / (Double(high) - Double(low))
                return Float((1 - smooth) * plain / Double(factor) + smooth * plain)
            }
        }
    }
}
