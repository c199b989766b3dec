// Reader: one of the readers of files from strangers, in the form in which the fuzzer and the tests call it.

import Faults

/// A reader and the parts of its inputs.
public struct Reader: Sendable {
    /// The name on the command line of scripts/fuzz.sh and of the folder in Fuzzing/Corpus.
    public let name: String
    /// Words that mutations insert, and brackets that they nest.
    public let grammar: Grammar
    /// The possible beginnings of its faults' codes.
    public let codes: [String]
    /// Reads an input: a value or a Fault, nothing else.
    public let read: @Sendable ([UInt8]) throws -> Void

    /// Makes a reader.
    public init(
        _ name: String, _ grammar: Grammar, codes: [String], read: @escaping @Sendable ([UInt8]) throws -> Void
    ) {
        self.name = name
        self.grammar = grammar
        self.codes = codes
        self.read = read
    }

    /// Reads an input and returns whether it was accepted. An error that is not a Fault of this reader, or a Fault with control characters,
    /// is a failure.
    public func accepts(_ input: [UInt8]) throws(Failure) -> Bool {
        do {
            try read(input)
            return true
        } catch let fault as Fault {
            guard codes.contains(where: { fault.code.hasPrefix($0) }) else { throw Failure("unexpected \(fault.code)") }
            let text = fault.description
            let isPlain = text.unicodeScalars.allSatisfy { $0 == "\n" || $0.properties.generalCategory != .control }
            guard isPlain else { throw Failure("\(fault.code) shows a control character") }
            guard text.utf8.count < 4096 else { throw Failure("\(fault.code) has \(text.utf8.count) bytes") }
            return false
        } catch {
            throw Failure("no Fault but \(error)")
        }
    }

    /// Something that a reader must never do.
    public struct Failure: Error, CustomStringConvertible {
        /// What happened.
        public let description: String
        init(_ description: String) { self.description = description }
    }
}
