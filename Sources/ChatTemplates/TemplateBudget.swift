// TemplateBudget: what a template may cost, counted from its first character to the last one that it writes, so that no template of a model
// file can hang, exhaust the stack or fill the memory.

import Faults

/// What the lexer, parser and rendering of one template have cost together, and how deep they are now.
///
/// A rendering starts with the cost of reading the template. Every loop over something that the template made pays before it runs, and
/// every text before it is made.
struct TemplateBudget: Sendable {
    /// How deep expressions, blocks and lists may be nested: far deeper than a person writes, far less than the stack holds.
    static let depthLimit = 64
    /// Tokens, nodes, steps of a rendering and elements of lists that are made or compared: a conversation of ten turns takes a few
    /// thousand.
    static let stepLimit = 200_000
    /// Bytes of text that are compared, searched, made or written.
    static let byteLimit = 1 << 24

    /// Where the template is from, for faults.
    let place: Place?
    private var depth = 0
    private var steps = 0
    private var bytes = 0

    init(place: Place?) { self.place = place }

    /// A fault of this template.
    func refused(_ what: String) -> Fault { .chatTemplate(what, place: place) }

    /// Goes one level deeper; the caller returns with `leave`. Throws `tokenizer.chat-template`.
    mutating func enter() throws(Fault) {
        depth += 1
        try check(depth: depth)
    }

    mutating func leave() { depth -= 1 }

    /// Throws `tokenizer.chat-template` where something is nested deeper than it may be.
    func check(depth: Int) throws(Fault) {
        guard depth <= Self.depthLimit else { throw refused("nests deeper than \(Self.depthLimit)") }
    }

    /// Pays for that many steps. Throws `tokenizer.chat-template`.
    mutating func step(_ count: Int = 1) throws(Fault) {
        guard count <= Self.stepLimit - steps else { throw refused("takes more than \(Self.stepLimit) steps") }
        steps += count
    }

    /// Pays for that many bytes of text. Throws `tokenizer.chat-template`.
    mutating func text(_ count: Int) throws(Fault) {
        guard count <= Self.byteLimit - bytes else {
            throw refused("makes or searches more than \(Self.byteLimit) bytes of text")
        }
        bytes += count
    }

    /// Pays for `count` texts of `each` bytes. Throws `tokenizer.chat-template`.
    mutating func text(_ count: Int, times each: Int) throws(Fault) {
        let (product, overflow) = count.multipliedReportingOverflow(by: each)
        try text(overflow ? .max : product)
    }
}
