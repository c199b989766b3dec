// EngineVersion: the version that decides the bits of a result; it stands in every plan.

/// The version of what computes.
public enum EngineVersion {
    /// Raised whenever a change may give other bits for the same plan: 0.2.0 quantises to NF4 with absmax quantised too.
    public static let text = "0.2.0"
}
