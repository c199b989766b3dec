// Models split over several GGUF files, such as NAME-00001-of-00003.gguf: joined and counted.

import Faults

extension GGUF {
    /// The settings that say over how many files a model is split.
    static let splitKeys = ["split.no", "split.count", "split.tensors.count"]

    /// A file with the tensors of all files of its model, and those files by name. The settings of the model are in the first file, which
    /// is the one to open; the others may hold only the settings of the split.
    ///
    /// Throws `model.split` where numbers, names or counts of tensors disagree, and the faults of broken files.
    static func whole(
        _ storage: Storage, path: String
    ) throws(Fault) -> (file: GGUF, parts: [(name: String, storage: Storage)]) {
        var file = try GGUF(storage, path: path)
        let name = String(path.split(separator: "/").last ?? "model.gguf")
        var parts = [(name: name, storage: storage)]
        let count = try file.integer("split.count") ?? 1
        guard count != 1 else { return (file, parts) }
        guard (2...99_999).contains(count) else {
            throw Fault.modelSettingRange(path, "split.count", "\(count)", "between 1 and 99999")
        }
        guard try file.integer("split.no") == 0, path.hasSuffix(ending(1, of: count)) else {
            throw Fault.modelSplit(
                path, "this is not the first of the \(count) files of a split model", ending(1, of: count))
        }
        let stem = path.dropLast(ending(1, of: count).count)
        for number in 2...count {
            let other = "\(stem)\(ending(number, of: count))"
            let storage = try Storage(mapping: other)
            let part = try GGUF(storage, path: other)
            let found = (try part.integer("split.no"), try part.integer("split.count"))
            guard found == (number - 1, count) else {
                throw Fault.modelSplit(
                    other, "the file does not say that it is number \(number) of \(count)", ending(number, of: count))
            }
            file.tensors += part.tensors
            parts.append((String(other.split(separator: "/").last ?? ""), storage))
        }
        if let total = try file.integer("split.tensors.count"), total != file.tensors.count {
            throw Fault.modelSplit(
                path, "the files hold \(file.tensors.count) tensors where the first one counts \(total)",
                ending(1, of: count))
        }
        return (file, parts)
    }

    /// How the name of a part ends, in llama.cpp's form.
    private static func ending(_ number: Int, of count: Int) -> String {
        func padded(_ value: Int) -> String { String(repeating: "0", count: 5 - "\(value)".count) + "\(value)" }
        return "-\(padded(number))-of-\(padded(count)).gguf"
    }
}
