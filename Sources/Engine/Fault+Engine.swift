// The wording of every fault that the engine throws: models, adapters, token sequences and numbers that it cannot work with.

import Faults

extension Fault {
    static func modelTensorMissing(_ name: String) -> Fault {
        Fault(
            .model, "engine.tensor-missing", "the model has no tensor \(name)", at: Place(tensor: name),
            mend: "Use a complete LLaMA-family model file.")
    }

    static func modelTensorShape(_ name: String, found: [Int], expected: [Int]) -> Fault {
        Fault(
            .model, "engine.tensor-shape", "shape \(found) where the model's settings require \(expected)",
            at: Place(tensor: name), mend: "Check that the weights and the configuration belong to the same model.")
    }

    static func modelTensorBytes(_ name: String, found: Int, expected: Int) -> Fault {
        Fault(
            .model, "engine.tensor-bytes", "\(found) bytes where the shape and type take \(expected)",
            at: Place(tensor: name), mend: "Fetch the model file again: it is damaged.")
    }

    static func modelSetting(_ name: String, _ value: String, expected: String) -> Fault {
        Fault(
            .model, "engine.model-setting", "\(name) is \(value), expected \(expected)",
            mend: "Use a LLaMA-family model with a supported shape.")
    }

    static func adapterTensorMissing(_ name: String) -> Fault {
        Fault(
            .data, "engine.adapter-tensor-missing", "the adapter has no tensor \(name)", at: Place(tensor: name),
            mend: "Use an adapter that was trained for this model with these targets.")
    }

    static func adapterTensorShape(_ name: String, found: [Int], expected: [Int]) -> Fault {
        Fault(
            .data, "engine.adapter-shape", "shape \(found) where model and rank require \(expected)",
            at: Place(tensor: name), mend: "Use an adapter of the same model and rank.")
    }

    static func adapterTensorCount(found: Int, expected: Int) -> Fault {
        Fault(
            .data, "engine.adapter-count", "the adapter has \(found) tensors, model and targets require \(expected)",
            mend: "Use an adapter of the same model with the same targets.")
    }

    static func adapterNotFinite(_ name: String) -> Fault {
        Fault(
            .data, "engine.adapter-not-finite", "the adapter holds NaN or infinity", at: Place(tensor: name),
            mend: "Leave this adapter out and train again with a smaller learning rate.")
    }

    static func adapterConfiguration(_ setting: String, found: String, expected: String) -> Fault {
        Fault(
            .data, "engine.adapter-configuration", "the adapter's \(setting) is \(found), the job's is \(expected)",
            mend: "Start from an adapter with the job's own settings.")
    }

    static func setting(_ name: String, _ value: String, range: String) -> Fault {
        Fault(
            .failed, "engine.setting", "\(name) is \(value), outside \(range)", mend: "Choose a value in that range.")
    }

    static func stateBeyond(_ done: Int, of steps: Int) -> Fault {
        Fault(
            .data, "engine.state", "the training state is after step \(done) of \(steps)",
            mend: "Use a state of this very training.")
    }

    /// `bytes` nil means a number that does not fit an Int.
    static func memory(_ bytes: Int?, held: Int, limit: Int) -> Fault {
        let asked = bytes.map { "\($0) bytes" } ?? "more than 2^63 bytes"
        return Fault(
            .failed, "engine.memory",
            "\(asked) of memory cannot be had: \(held) bytes are in use, this machine gives \(limit) in all",
            mend: "Lower batch_size or max_length, or take a smaller model or a larger machine.")
    }

    static func weightNotFinite(_ name: String) -> Fault {
        Fault(
            .model, "engine.weight-not-finite", "the weights hold NaN or infinity, which have no nf4 form",
            at: Place(tensor: name), mend: "Fetch the model file again: it is damaged.")
    }

    static func noSequences(_ work: String) -> Fault {
        Fault(.data, "engine.no-sequences", "there is nothing to \(work)", mend: "Give at least one record.")
    }

    static func tokenOutsideVocabulary(_ token: Int32, size: Int, sequence: Int, position: Int) -> Fault {
        Fault(
            .data, "engine.token-outside-vocabulary",
            "token id at position \(position) of sequence \(sequence) is outside 0..<\(size)",
            mend: "Tokenise with the tokenizer of this model.")
    }

    static func sequenceTooLong(_ count: Int, context: Int, sequence: Int) -> Fault {
        Fault(
            .data, "engine.sequence-too-long", "sequence \(sequence) has \(count) tokens, the context holds \(context)",
            mend: "Lower max_length or cut the record.")
    }

    static func sequenceTooShort(_ count: Int, minimum: Int, sequence: Int) -> Fault {
        Fault(
            .data, "engine.sequence-too-short",
            "sequence \(sequence) has \(count) tokens and needs at least \(minimum)",
            mend: "Leave empty records out.")
    }

    static func noLabels(sequence: Int, lossStart: Int, count: Int) -> Fault {
        Fault(
            .data, "engine.no-labels",
            "sequence \(sequence) has its first label at \(lossStart) and only \(count) tokens within max_length",
            mend: "Cut the input of the record, so that its completion stays, or raise max_length.")
    }

    static func lossNotFinite(_ loss: Double, step: Int) -> Fault {
        Fault(
            .failed, "engine.loss-not-finite", "the loss of step \(step) is \(loss)",
            mend: "Lower the learning rate or check the starting adapter.", cause: .notFinite)
    }

    static func scoreNotFinite(_ total: Double, adapted: Bool) -> Fault {
        Fault(
            .data, "engine.loss-not-finite", "the loss over the records is \(total)",
            mend: adapted ? "Leave this adapter out." : "Check the model file: its weights give no finite loss.",
            cause: .notFinite)
    }

    static var logitsNotFinite: Fault {
        Fault(
            .data, "engine.logits-not-finite", "the model's largest logit is NaN or infinite",
            mend: "Check the adapter, then the model file.", cause: .notFinite)
    }

    static func gradientNotFinite(step: Int) -> Fault {
        Fault(
            .failed, "engine.gradient-not-finite", "the gradient of step \(step) holds NaN or infinity",
            mend: "Lower the learning rate or check the starting adapter.", cause: .notFinite)
    }
}
