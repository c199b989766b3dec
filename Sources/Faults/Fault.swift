// Fault: the only error type of MedRounds. It says what went wrong, where, and how to mend it; the command line prints it.

/// Something that a person, a file or a machine did, after which MedRounds cannot continue.
///
/// A fault never carries text of a clinical note: a document is named by its id and offsets.
public struct Fault: Error, Sendable, Equatable {
    /// The family of the fault; decides the exit code.
    public enum Kind: String, Sendable, CaseIterable {
        case failed, usage, workflow, data, model, ledger, mismatch, interrupted, bug
    }

    /// What a caller can act on, where a fault need not end the program: a code is for people and tools, and decides nothing.
    public enum Cause: Sendable, CaseIterable {
        /// The content was pruned from the ledger.
        case pruned
        /// A loss or a gradient is not finite.
        case notFinite
        /// A file cannot be written.
        case notWritable
        /// Another machine does not answer; it is tried again.
        case unreachable
        /// A site has not approved the plan.
        case notApproved
        /// An object of the ledger has more bytes than it may have.
        case tooLarge
        /// A run has called its sites and has no plan yet.
        case notPlanned
        /// A record is not as the step table requires.
        case badRecord
    }

    /// The family of the fault.
    public var kind: Kind
    /// A stable dotted name that tests and tools may rely on, such as `workflow.unknown-key`.
    public var code: String
    /// The fact, with both values: "rank 5000 exceeds 2048".
    public var what: String
    /// Where it was found, if that is known.
    public var place: Place?
    /// One imperative sentence that says what to do, or empty where nothing can be done.
    public var mend: String
    /// What a caller can act on; nil for most faults.
    public var cause: Cause?

    /// Makes a fault. Targets add static factories in an extension, so that the wording of a code is in one place.
    public init(
        _ kind: Kind, _ code: String, _ what: String, at place: Place? = nil, mend: String, cause: Cause? = nil
    ) {
        self.kind = kind
        self.code = code
        self.what = what
        self.place = place
        self.mend = mend
        self.cause = cause
    }

    /// The process exit code: 1 failed, 2 usage, 3 workflow, 4 data, model or ledger unreadable, 5 mismatch, 70 bug, 130 interrupted.
    public var exitCode: Int32 {
        switch kind {
        case .failed: 1
        case .usage: 2
        case .workflow: 3
        case .data, .model, .ledger: 4
        case .mismatch: 5
        case .bug: 70
        case .interrupted: 130
        }
    }
}

/// Several faults of one file, found together.
public struct FaultReport: Error, Sendable, Equatable {
    /// The faults, in the order of their places; never empty.
    public var faults: [Fault]
    /// How many documents of a corpus are refused for them; 0 where they are of no document.
    public var documents = 0

    /// Makes a report of at least one fault.
    public init(_ faults: [Fault]) {
        precondition(!faults.isEmpty, "a report holds at least one fault")
        self.faults = faults
    }
}
