// The faults of model and adapter files: the wording of every code is here and nowhere else.

import Faults

extension Fault {
    /// `model.not-found`: no such file or folder.
    static func modelNotFound(_ path: String) -> Fault {
        Fault(
            .model, "model.not-found", "no such file or folder", at: Place(file: path),
            mend: "Give the path of a .gguf file or of a Hugging Face folder with config.json and model.safetensors.")
    }

    /// `model.no-permission`: the file exists but may not be read.
    static func modelNotPermitted(_ path: String) -> Fault {
        Fault(
            .model, "model.no-permission", "permission to read is denied", at: Place(file: path),
            mend: "Let the account that runs MedRounds read the file.")
    }

    /// `model.not-a-file`: there is a folder or device where a file is expected.
    static func modelNotAFile(_ path: String, isFolder: Bool = false) -> Fault {
        Fault(
            .model, "model.not-a-file",
            isFolder ? "this is a folder where a file belongs" : "this is a device or similar, not a regular file",
            at: Place(file: path), mend: "Give the path of the file itself.")
    }

    /// `model.git-lfs-pointer`: git has fetched only the name of a large file, not the file itself.
    static func modelPointer(_ path: String) -> Fault {
        Fault(
            .model, "model.git-lfs-pointer", "this is a git-lfs pointer, a short text in place of the file itself",
            at: Place(file: path),
            mend: "Run git lfs pull in the repository that the file is from, or download the file itself.")
    }

    /// `model.elsewhere`: something else that is known is where a model should be.
    static func modelElsewhere(_ path: String, _ what: String, _ mend: String) -> Fault {
        Fault(.model, "model.elsewhere", what, at: Place(file: path), mend: mend)
    }

    /// `model.io`: the operating system failed, with its number.
    static func modelInputOutput(_ path: String, _ call: String, _ number: Int32) -> Fault {
        Fault(
            .model, "model.io", "\(call) failed with errno \(number)", at: Place(file: path),
            mend: "Check the disk and the path, then try again.")
    }

    /// `model.empty`: a file without any byte.
    static func modelEmpty(_ path: String) -> Fault {
        Fault(
            .model, "model.empty", "the file is empty", at: Place(file: path),
            mend: "Fetch the file again: an interrupted download may have left it empty.")
    }

    /// `model.unknown-format`: the first bytes are not those of a format that is read here.
    static func modelUnknownFormat(_ path: String, _ bytes: UnsafeRawBufferPointer) -> Fault {
        let known = KnownFile.name(of: bytes)
        return Fault(
            .model, "model.unknown-format",
            known?.what ?? "the file does not start with the four bytes GGUF", at: Place(file: path),
            mend: known?.mend ?? "Give a GGUF file, or a Hugging Face folder with config.json and model.safetensors.")
    }

    /// `model.truncated`: something reaches beyond the end of the file.
    static func modelTruncated(_ path: String, _ what: String, needs end: UInt64, has count: Int, tensor: String? = nil)
        -> Fault
    {
        Fault(
            .model, "model.truncated", "\(what) reaches byte \(end) of a file of \(count) bytes",
            at: Place(file: path, tensor: tensor.map(shown)),
            mend: "Fetch the file again and compare its size and digest with the publisher's.")
    }

    /// `model.malformed`: the file breaks the rules of its format.
    static func modelMalformed(_ path: String, _ what: String, tensor: String? = nil) -> Fault {
        Fault(
            .model, "model.malformed", what, at: Place(file: path, tensor: tensor.map(shown)),
            mend: "Fetch the file again or convert the model again.")
    }

    /// `model.split`: the files of a split model do not belong together.
    static func modelSplit(_ path: String, _ what: String, _ ending: String) -> Fault {
        Fault(
            .model, "model.split", what, at: Place(file: path),
            mend:
                "Put all files of the model into one folder, keep their names (one ends in \(ending)), and name the one with -00001-of-."
        )
    }

    /// `model.unsupported-version`: a version of GGUF that is not read.
    static func modelUnsupportedVersion(_ path: String, _ version: UInt32) -> Fault {
        let isBigEndian = (1...3).contains(version.byteSwapped)
        return Fault(
            .model, "model.unsupported-version",
            isBigEndian
                ? "this is a big-endian GGUF file; little-endian ones are read"
                : "GGUF version \(version) is not supported; 2 and 3 are", at: Place(file: path),
            mend: isBigEndian
                ? "Fetch the little-endian file, or convert this one with gguf-py's gguf-convert-endian."
                : "Convert the model with a current converter.")
    }

    /// `model.unsupported-architecture`: a model of a family that is not supported.
    static func modelUnsupportedArchitecture(_ path: String, _ architecture: String) -> Fault {
        Fault(
            .model, "model.unsupported-architecture",
            "architecture \(shown(architecture)) is not supported; llama, mistral, qwen2 and qwen3 are",
            at: Place(file: path),
            mend: "Choose a model of one of these families, such as SmolLM2, Llama 3 or Qwen3.")
    }

    /// `model.unsupported-feature`: a model with a part that the engine does not compute.
    static func modelUnsupportedFeature(_ path: String, _ what: String) -> Fault {
        Fault(
            .model, "model.unsupported-feature", what, at: Place(file: path),
            mend: "Choose a model without it.")
    }

    /// `model.unsupported-type`: a tensor in a number format that is not read.
    static func modelUnsupportedType(_ path: String, _ type: String, tensor: String) -> Fault {
        Fault(
            .model, "model.unsupported-type",
            "type \(shown(type)) is not supported; F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K are",
            at: Place(file: path, tensor: shown(tensor)),
            mend: "Convert the model to one of the supported types.")
    }

    /// `model.missing-setting`: a setting without which the shape of the model is unknown.
    static func modelMissingSetting(_ path: String, _ key: String) -> Fault {
        Fault(
            .model, "model.missing-setting", "\(key) is missing or is of the wrong type", at: Place(file: path),
            mend: "Convert the model again or fetch it again.")
    }

    /// `model.setting-range`: a setting with a value that no model can have.
    static func modelSettingRange(_ path: String, _ key: String, _ value: String, _ range: String) -> Fault {
        Fault(
            .model, "model.setting-range", "\(key) is \(shown(value)); it must be \(range)", at: Place(file: path),
            mend: "Convert the model again or fetch it again.")
    }

    /// `model.missing-tensor`: the model lacks a tensor that its settings require.
    static func modelMissingTensor(_ path: String, _ name: String) -> Fault {
        Fault(
            .model, "model.missing-tensor", "the tensor is missing", at: Place(file: path, tensor: name),
            mend: "Fetch the model again; check that its settings belong to its weights.")
    }

    /// `model.unknown-tensor`: a tensor that the engine would silently leave out.
    static func modelUnknownTensor(_ path: String, _ name: String) -> Fault {
        Fault(
            .model, "model.unknown-tensor", "a model of these settings has no such tensor",
            at: Place(file: path, tensor: shown(name)),
            mend: "Choose a model without it, or one whose settings name it.")
    }

    /// `model.tensor-shape`: a tensor whose shape contradicts the settings.
    static func modelTensorShape(_ path: String, _ name: String, _ found: [Int], _ expected: [Int]) -> Fault {
        Fault(
            .model, "model.tensor-shape", "shape \(found) where the settings require \(expected)",
            at: Place(file: path, tensor: name),
            mend: "Fetch the model again; check that its settings belong to its weights.")
    }

    /// `adapter.unknown-tensor`: a tensor that an adapter of this model and configuration does not have.
    static func adapterUnknownTensor(_ path: String, _ name: String) -> Fault {
        Fault(
            .model, "adapter.unknown-tensor", "an adapter of this model and configuration has no such tensor",
            at: Place(file: path, tensor: shown(name)), mend: "Give an adapter that was trained for this model.")
    }

    /// `adapter.missing-tensor`: a tensor that an adapter of this model and configuration must have.
    static func adapterMissingTensor(_ path: String, _ name: String) -> Fault {
        Fault(
            .model, "adapter.missing-tensor", "the tensor is missing", at: Place(file: path, tensor: name),
            mend: "Give an adapter that was trained for this model with these targets.")
    }

    /// `adapter.shape`: an adapter of another model or rank.
    static func adapterShape(_ path: String, _ name: String, found: [Int], expected: [Int]) -> Fault {
        Fault(
            .model, "adapter.shape", "shape \(found) where this model and rank require \(expected)",
            at: Place(file: path, tensor: name), mend: "Give an adapter that was trained for this model with this rank."
        )
    }

    /// `adapter.not-finite`: a NaN or an infinity among the values.
    static func adapterNotFinite(_ path: String, _ name: String, index: Int, value: Float) -> Fault {
        Fault(
            .model, "adapter.not-finite", "element \(index) is \(value.isNaN ? "NaN" : "\(value)")",
            at: Place(file: path, tensor: name),
            mend: "Leave this adapter out and train it again with a lower learning rate.")
    }

    /// `adapter.configuration`: the settings of an adapter are broken, or contradict its tensors.
    static func adapterConfiguration(_ path: String, _ what: String) -> Fault {
        Fault(
            .model, "adapter.configuration", what, at: Place(file: path),
            mend: "Give a plain LoRA adapter as PEFT saves it.")
    }

    /// `adapter.beyond-lora`: settings under which the tensors compute something other than plain LoRA.
    static func adapterBeyondLoRA(_ path: String, _ what: String) -> Fault {
        Fault(
            .model, "adapter.beyond-lora", "this is not a plain LoRA adapter: \(what)", at: Place(file: path),
            mend:
                "Train it as plain LoRA, or let PEFT convert it: save_pretrained with path_initial_model_for_weight_conversion where it offers that, else merge_and_unload and use the merged model as the base."
        )
    }

    /// `adapter.not-found`: no adapter at the path.
    static func adapterNotFound(_ path: String, _ what: String) -> Fault {
        Fault(
            .model, "adapter.not-found", what, at: Place(file: path),
            mend:
                "Give a folder with adapter_config.json and adapter_model.safetensors, or a GGUF adapter whose name ends in .gguf."
        )
    }

    /// `adapter.elsewhere`: something else that is known is where an adapter should be.
    static func adapterElsewhere(_ path: String, _ what: String, _ mend: String) -> Fault {
        Fault(.model, "adapter.elsewhere", what, at: Place(file: path), mend: mend)
    }

    /// `file.write`: a file could not be written.
    static func fileWrite(_ path: String, _ call: String, _ number: Int32) -> Fault {
        Fault(
            .failed, "file.write", "\(call) failed with errno \(number)", at: Place(file: path),
            mend: "Check that the folder exists, may be written to and has room.", cause: .notWritable)
    }

    /// Untrusted text in a form for a message: at most 80 scalars, none of which can control a terminal.
    static func shown(_ text: String) -> String {
        var out = String.UnicodeScalarView()
        for (index, scalar) in text.unicodeScalars.enumerated() {
            if index == 80 {
                out.append("…")
                break
            }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: out.append("?")
            default: out.append(scalar)
            }
        }
        return String(out)
    }
}
