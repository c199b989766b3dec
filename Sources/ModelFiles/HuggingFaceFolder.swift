// HuggingFaceFolder: config.json, model.safetensors and tokenizer.json as a ModelFile.

import Faults
import Federation

/// Reads models in Hugging Face form.
enum HuggingFaceFolder {
    static func open(_ path: String) throws(Fault) -> ModelFile { throw Fault.modelUnknownFormat(path) }
}
