// EngineVersion: the version that decides the bits of a result; it stands in every plan.

/// The version of what computes.
public enum EngineVersion {
    /// Raised whenever a change may give other bits for the same plan.
    public static let text = "0.1.0"
}
