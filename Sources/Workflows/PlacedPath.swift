// PlacedPath: a path that a workflow names, and the place where it is written, so that the fault of a missing file has this place.

/// A path of a workflow.
public struct PlacedPath: Sendable {
    /// What the path is for.
    public enum Role: Sendable, Hashable {
        /// Notes; relative to `data_root`.
        case notes
        /// `data_root`; relative to the workflow.
        case dataRoot
        /// The name of a built-in template or a file; relative to the workflow.
        case template
        /// The name of a catalogue's model, a file or a folder; relative to the workflow.
        case model
        /// The workflow that this one extends; relative to the workflow.
        case base
    }
    /// What the path is for.
    public var role: Role
    /// The dotted path of the key, such as `sites.general.train`.
    public var key: String
    /// The path as written.
    public var text: String
    /// Where it is written.
    public var mark: YAMLMark
}
