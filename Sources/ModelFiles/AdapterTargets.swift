// AdapterTargets: which maps adapter_config.json says are adapted, in every form that PEFT knows. The tensors of the file decide; these
// settings are only compared with them.

import Faults
import Federation

/// The meaning of `target_modules`, `exclude_modules`, `layers_to_transform` and `layers_pattern`.
struct AdapterTargets {
    /// What a list, a word or an expression says about a map.
    private enum Wish {
        /// `all-linear`.
        case everything
        /// Names of modules or their ends.
        case named(Set<String>)
        /// A regular expression, or nothing at all. Expressions from strangers are not run: some run for ever.
        case open
    }

    private let wish: Wish
    private let excluded: Wish
    /// The layers, if the file names some and numbers them as we do.
    private let layers: Set<Int>?
    private let isOpen: Bool

    /// Reads the four settings. Throws `adapter.configuration`.
    init(_ json: JSONValue, _ path: String) throws(Fault) {
        wish = try Self.wish(json["target_modules"], "target_modules", path)
        let excluded = try Self.wish(json["exclude_modules"], "exclude_modules", path)
        if case .named(let names) = excluded, names.isEmpty {
            self.excluded = .named([])
        } else if json["exclude_modules"] ?? .null == .null {
            self.excluded = .named([])
        } else {
            self.excluded = excluded
        }
        var layers: Set<Int>?
        switch json["layers_to_transform"] ?? .null {
        case .null, .array([]): break
        case .integer(let layer): layers = [Int(layer)]
        case .array(let elements):
            var found: Set<Int> = []
            for element in elements {
                guard let layer = element.int else {
                    throw Fault.adapterConfiguration(path, "layers_to_transform holds an entry that is not a number")
                }
                found.insert(layer)
            }
            layers = found
        default: throw Fault.adapterConfiguration(path, "layers_to_transform is neither a number nor a list")
        }
        self.layers = layers
        switch json["layers_pattern"] ?? .null {
        case .null, .array([]), "", "layers", ["layers"]: isOpen = false
        default: isOpen = true
        }
    }

    private static func wish(_ json: JSONValue?, _ key: String, _ path: String) throws(Fault) -> Wish {
        switch json ?? .null {
        case .null: return .open
        case "all-linear": return .everything
        case .string: return .open
        case .array(let elements):
            var names: Set<String> = []
            for element in elements {
                guard let name = element.text else {
                    throw Fault.adapterConfiguration(path, "\(key) holds an entry that is not text")
                }
                names.insert(name)
            }
            return .named(names)
        default: throw Fault.adapterConfiguration(path, "\(key) is neither a text nor a list")
        }
    }

    /// Whether the file says that the map is adapted; nil where that is not known.
    func wants(layer: Int, map: LinearMap) -> Bool? {
        if isOpen { return nil }
        if let layers, !layers.contains(layer) { return false }
        let module = Self.module(layer: layer, map: map)
        switch excluded {
        case .everything: return false
        case .named(let names): if Self.names(of: module).contains(where: names.contains) { return false }
        case .open: return nil
        }
        switch wish {
        case .everything: return true
        case .named(let names): return Self.names(of: module).contains(where: names.contains)
        case .open: return nil
        }
    }

    /// The module's name in a model of transformers.
    static func module(layer: Int, map: LinearMap) -> String {
        "model.layers.\(layer).\(map.block).\(map.rawValue)"
    }

    /// A module's name and the ends of it that begin after a dot: an entry may be any of these.
    private static func names(of module: String) -> [String] {
        let parts = module.split(separator: ".")
        return parts.indices.map { parts[$0...].joined(separator: ".") }
    }
}
