// The tree of a template: nodes, expressions and what follows a value. Chains of operators are lists, not nested pairs, so that the tree is
// only as deep as brackets and blocks are nested.

/// A piece of a template.
indirect enum TemplateNode: Sendable {
    case text(String)
    case output(TemplateExpression)
    /// Assigns to a name, or to a member of a namespace.
    case set(name: String, member: String?, TemplateExpression)
    case condition([(test: TemplateExpression, body: [TemplateNode])], otherwise: [TemplateNode])
    case loop(
        names: [String], over: TemplateExpression, where: TemplateExpression?, body: [TemplateNode],
        otherwise: [TemplateNode])
    /// The nodes between `generation` and `endgeneration`: names that are set there end there.
    case scope([TemplateNode])
}

/// An expression of a template.
indirect enum TemplateExpression: Sendable {
    case literal(TemplateValue)
    case name(String)
    case list([TemplateExpression])
    /// A value and what follows it: parts, calls, filters and tests, from left to right.
    case linked(TemplateExpression, [TemplateLink])
    /// The truth of a value, negated where `isNegated`.
    case truth(TemplateExpression, isNegated: Bool)
    /// A number with that many minus signs before it.
    case negative(TemplateExpression, count: Int)
    /// Operands that `and` joins: the first that is false, otherwise the last.
    case all([TemplateExpression])
    /// Operands that `or` joins: the first that is true, otherwise the last.
    case any([TemplateExpression])
    /// Comparisons that must all hold, each of two neighbours, as in Python.
    case comparison(TemplateExpression, [(sign: String, operand: TemplateExpression)])
    /// `+` and `-`, or `*`, `//` and `%`, from left to right.
    case arithmetic(TemplateExpression, [(sign: String, operand: TemplateExpression)])
    /// Texts that `~` joins.
    case joined([TemplateExpression])
    /// `then if test else ...`, from left to right; `otherwise` is nil where there is no final `else`.
    case conditional([(test: TemplateExpression, then: TemplateExpression)], otherwise: TemplateExpression?)
}

/// What follows a value.
enum TemplateLink: Sendable {
    case item(TemplateExpression)
    case slice(from: TemplateExpression?, to: TemplateExpression?, by: TemplateExpression?)
    case method(String, TemplateArguments)
    case call(TemplateArguments)
    case filter(String, TemplateArguments)
    case test(String, TemplateArguments, isNegated: Bool)
}

/// What is in the parentheses of a call.
struct TemplateArguments: Sendable {
    var plain: [TemplateExpression] = []
    var named: [(key: String, value: TemplateExpression)] = []
}
