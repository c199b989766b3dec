// Hostile templates: each is rendered or refused, in little time, memory and stack. The thread of these tests has a normal stack, so that a
// recursion over a chain would end the process.

import ChatTemplates
import Faults
import Testing

@Suite struct HostileTemplateTests {
    /// What rendering gives, or the fault's text.
    private func outcome(_ source: String, _ content: String = "note") -> Result<String, Fault> {
        do throws(Fault) {
            let template = try ChatTemplate(source, beginning: nil, end: nil)
            return .success(
                try template.text(of: [.init(role: "user", content: content)], addsGenerationPrompt: true))
        } catch {
            return .failure(error)
        }
    }

    private func expectRefused(_ source: String, _ word: String, _ sourceLocation: SourceLocation = #_sourceLocation) {
        switch outcome(source) {
        case .success(let text):
            Issue.record("\(source.prefix(60)) gave \(text.prefix(60))", sourceLocation: sourceLocation)
        case .failure(let fault):
            #expect(fault.code == "tokenizer.chat-template", sourceLocation: sourceLocation)
            #expect(
                fault.what.contains(word), "\(source.prefix(60)): \(fault.what)", sourceLocation: sourceLocation)
        }
    }

    private static let operators = [
        "+1", "-1", "*1", "//1", "%1", "~1", " or 0", " and 1", "==1", "!=1", "<1", "<=1", ">1", ">=1", " in 1",
        " not in 1", ".a", "[0]", "[:1]", "()", ".f()", "|trim", "|default(1)", " is defined", " is not none",
        " if 1 else 1", ",1",
    ]

    /// As long as a template may be: longer than the steps that it may take.
    @Test(arguments: operators) func refusesAChainOfAnyOperator(link: String) {
        let chain = "{{ 1" + String(repeating: link, count: (1_000_000 / link.utf8.count) - 10) + " }}"
        switch outcome(chain) {
        case .success: Issue.record("it was rendered")
        case .failure(let fault): #expect(fault.code == "tokenizer.chat-template")
        }
        expectRefused("{{ 1" + String(repeating: link, count: 1_000_000) + " }}", "longer than")
    }

    /// A chain within the limits costs no stack: a thread's whole stack holds far fewer frames.
    @Test func computesAChainOfThirtyThousandOperands() throws {
        for (link, expected) in [
            ("+1", "30001"), ("-1", "-29999"), ("*1", "1"), ("//1", "1"), (" or 0", "1"), (" and 1", "1"),
            ("==1", "True"), ("<=1", "True"),
        ] {
            #expect(try outcome("{{ 1" + String(repeating: link, count: 30_000) + " }}").get() == expected, "\(link)")
        }
        let elif = "{% if 0 %}a" + String(repeating: "{% elif 0 %}b", count: 15_000) + "{% else %}c{% endif %}"
        #expect(try outcome(elif).get() == "c")
        let conditional = "{{ 1" + String(repeating: " if 0 else 1", count: 20_000) + " }}"
        #expect(try outcome(conditional).get() == "1")
    }

    @Test(arguments: [
        "(", "[", "f(", "a[", "not ", "-", "- ", "[[", "a.b(", "1 if (", "1 if 1 else (", "'a'|f(", "1 is f(", "{{",
        "{%if(", "{", "}", ")", "]",
    ])
    func refusesAnyBracketAMillionTimes(opening: String) {
        let count = 1_000_000 / opening.utf8.count
        switch outcome("{{ " + String(repeating: opening, count: count)) {
        case .success: Issue.record("it was rendered")
        case .failure(let fault): #expect(fault.code == "tokenizer.chat-template")
        }
    }

    @Test func refusesBlocksThatNestDeep() {
        for (block, word) in [
            ("{% if 1 %}", "deeper"), ("{% for a in [1] %}", "deeper"), ("{% generation %}", "deeper"),
            ("{% if 1 %}{% else %}", "deeper"), ("{% set a %}", "set"), ("{# {# ", "comment"),
            ("{%", "tag without"), ("{%-", "tag without"), ("{% endif %}", "no block"), ("{% else %}", "no block"),
        ] {
            expectRefused(String(repeating: block, count: 500), word)
            // As long as a template may be: either it has too many tokens, or an error that a short template has is also found here.
            let many = outcome(String(repeating: block, count: 1_000_000 / block.utf8.count))
            #expect(many.fault?.code == "tokenizer.chat-template", "\(block)")
        }
        for closing in ["{% endif %}", "{% endfor %}", "{% endgeneration %}"] {
            expectRefused("a" + closing, "where no block is open")
        }
    }

    @Test func refusesEveryResultBeyondSixtyFourBits() {
        let largest = "9223372036854775807"
        for sum in [
            "\(largest) + 1", "-\(largest) - 2", "\(largest) * 2", "4611686018427387904 * 2", "4294967296 * 4294967296",
            "-(-\(largest) - 1)", "- - (-\(largest) - 1)", "(-\(largest) - 1) * -1",
        ] { expectRefused("{{ \(sum) }}", "beyond 64 bits") }
        expectRefused("{{ (-\(largest) - 1) // -1 }}", "divides")
        expectRefused("{{ (-\(largest) - 1) % -1 }}", "divides")
        expectRefused("{{ 5 % 0 }}", "divides")
        expectRefused("{{ 9223372036854775808 }}", "beyond 64 bits")
        expectRefused("{{ " + String(repeating: "9", count: 1_000_000) + " }}", "beyond 64 bits")
    }

    @Test func refusesRangesAndSlicesOfAnySize() throws {
        for bounds in [
            "4611686018427387904", "2147483648", "-9223372036854775807, 9223372036854775807",
            "-4611686018427387904, 4611686018427387904", "1, 9223372036854775807",
        ] {
            expectRefused("{% for i in range(\(bounds)) %}{% endfor %}", "steps")
        }
        #expect(try outcome("{{ range(9223372036854775807, -9223372036854775807) | length }}").get() == "0")
        for bound in [
            "9223372036854775807", "-9223372036854775807", "(-9223372036854775807 - 1)", "4611686018427387904",
        ] {
            #expect(try outcome("{{ 'abc'[\(bound)] }}").get() == "")
            #expect(try outcome("{{ [1, 2][\(bound)] }}").get() == "")
            let (all, none) = bound.hasPrefix("-") || bound.hasPrefix("(") ? ("abc", "") : ("", "abc")
            #expect(try outcome("{{ 'abc'[\(bound):] }}").get() == all)
            #expect(try outcome("{{ 'abc'[:\(bound)] }}").get() == none)
            #expect(try outcome("{{ 'abc'[\(bound)::-1] }}").get() == String(none.reversed()))
            #expect(try outcome("{{ 'abc'[:\(bound):-1] }}").get() == String(all.reversed()))
            expectRefused("{{ 'abc'[::\(bound)] }}", "slices by steps")
        }
    }

    /// Lists that share their parts: few steps make them, but two to the power of sixty pairs would be compared.
    @Test func refusesAComparisonThatWouldNotEnd() throws {
        let doubled = """
            {% set n = namespace(a=[1], b=[1]) %}\
            {% for i in range(COUNT) %}{% set n.a = [n.a, n.a] %}{% set n.b = [n.b, n.b] %}{% endfor %}
            """
        for (comparison, result) in [
            ("n.a == n.b", "True"), ("n.a != n.b", "False"), ("n.a in [n.b]", "True"), ("n.a is eq(n.b)", "True"),
            ("[n] | selectattr('a', 'eq', n.b) | length", "1"),
        ] {
            expectRefused(doubled.replacing("COUNT", with: "60") + "{{ \(comparison) }}", "steps")
            #expect(try outcome(doubled.replacing("COUNT", with: "5") + "{{ \(comparison) }}").get() == result)
        }
        expectRefused(doubled.replacing("COUNT", with: "65"), "deeper")
    }

    @Test func keepsANamespaceThatHoldsItself() throws {
        let itself = "{% set n = namespace(x=1) %}{% set n.n = n %}{% set n.l = [n, [n]] %}"
        #expect(try outcome(itself + "{{ n.n.n.n.n.x }}{{ n.n == n }}{{ n.l == [n, [n]] }}").get() == "1TrueTrue")
        expectRefused(itself + "{{ n }}", "prints a list")
        expectRefused(itself + "{% for i in range(99) %}{% set n.l = [n.l] %}{% endfor %}", "deeper")
        expectRefused(itself + "{{ n" + String(repeating: ".n", count: 100) + " }}", "deeper")
    }

    /// Each of these takes few steps but would search or make very much text.
    @Test func refusesTextWithoutEnd() {
        let long = "{% set a = '" + String(repeating: "a", count: 500_000) + "' %}"
        for work in [
            "{{ a }}", "{{ a ~ a | length }}", "{{ (a + a) | length }}", "{{ a == a ~ '' }}", "{{ a < a ~ 'b' }}",
            "{{ a[1:] == 1 }}", "{{ a[7] }}", "{{ a | length }}", "{{ 'b' in a }}", "{{ a in 'b' }}",
            "{{ a.replace('ab', 'b') | length }}", "{{ a.split(a) | length }}", "{{ a.strip('b') | length }}",
            "{{ 'b'.strip(a) }}", "{{ a.startswith(a) }}", "{{ a.upper() | length }}", "{{ a | trim | length }}",
            "{{ [a, a] | join(a) | length }}", "{{ a[::-1] | length }}",
        ] {
            expectRefused(long + "{% for i in range(9999) %}" + work + "{% endfor %}", "bytes of text")
        }
        // The cost of a single step is paid before the step makes anything.
        expectRefused(long + "{{ a.replace('a', a) }}", "steps")
        expectRefused(long + "{{ a.replace('" + String(repeating: "a", count: 9) + "', a) }}", "bytes of text")
        expectRefused(long + "{{ range(9999) | join(a) }}", "bytes of text")
        expectRefused(
            "{% set n = namespace(t='aaaaaaaa') %}{% for i in range(99) %}{% set n.t = n.t + n.t %}{% endfor %}",
            "bytes of text")
        expectRefused(
            "{% set n = namespace(t=[1]) %}{% for i in range(99) %}{% set n.t = n.t + n.t %}{% endfor %}", "steps")
        expectRefused("{{ 'a' * 9223372036854775807 }}", "do not go together")
    }

    /// A search that compared every beginning at every place would take hours.
    @Test func searchesInLinearTime() throws {
        let half = String(repeating: "a", count: 300_000)
        #expect(try outcome("{{ '\(half)b' in '\(half)\(half)' }}").get() == "False")
        #expect(try outcome("{{ '\(half)\(half)'.split('\(half)') | length }}").get() == "3")
        #expect(try outcome("{{ '\(half)'.replace('ab', 'c') | length }}").get() == "300000")
        #expect(try outcome("{{ 'abcabababd'.split('abab') | join('|') }}").get() == "abc|abd")
        #expect(try outcome("{{ 'aaaa'.replace('aa', 'b') }}").get() == "bb")
    }

    @Test func readsTextAndNamesOfAnyLengthOrRefusesThem() throws {
        let long = String(repeating: "a", count: 1_000_000)
        #expect(try outcome(long).get() == long)
        #expect(try outcome("{{ '\(long)' }}").get() == long)
        #expect(try outcome("{# \(long) #}b").get() == "b")
        #expect(try outcome("{{ '" + String(repeating: "\\n", count: 500_000) + "' | length }}").get() == "500000")
        expectRefused("{{ \(long) }}", "a name of 1000000 characters")
        expectRefused("{{ a.\(long) }}", "a name of")
        expectRefused("{% \(long) %}", "a name of")
        expectRefused("{{ '\(long)'.x('\(long.prefix(10))') }}", "not supported")
        expectRefused(String(repeating: "a", count: 1 << 20) + "a", "longer than 1048576 bytes")
        expectRefused(String(repeating: "{{", count: 500_000), "steps")
        expectRefused(String(repeating: "{{''}}", count: 170_000), "steps")
    }

    /// What a template says is shown without characters that control a terminal, and text of the conversation is never shown.
    @Test func showsNeitherControlCharactersNorTextOfTheConversation() {
        for source in [
            "{{ raise_exception('a\u{1b}[2Jb') }}", "{{ a \u{1b} }}", "{{ '\\\u{1b}' }}", "{{ a \u{202e} }}",
            "{{ 'a' | \u{61}\u{301}\u{300} }}", "{{ '\\\u{9b}' }}",
        ] {
            guard case .failure(let fault) = outcome(source) else {
                Issue.record("\(source.debugDescription) was rendered")
                continue
            }
            #expect(
                fault.description.unicodeScalars.allSatisfy {
                    $0 == "\n" || ![.control, .format].contains($0.properties.generalCategory)
                })
        }
        for source in [
            "{{ raise_exception('no ' ~ messages[0].content) }}", "{{ raise_exception(messages[0].content) }}",
            "{{ messages[0].content // 1 }}", "{{ messages[0].content.f() }}",
            "{% for a in messages[0].content %}{% endfor %}", "{% set messages[0].content = 1 %}",
            "{{ [messages[0].content] }}", "{{ -messages[0].content }}",
            "{{ 'a'[messages[0].content:] }}", "{{ messages[0].content | f }}", "{{ messages[0].content is f }}",
        ] {
            guard case .failure(let fault) = outcome(source, "Jane Roe") else {
                Issue.record("\(source) was rendered")
                continue
            }
            #expect(!fault.description.contains("Jane"), "\(fault)")
        }
        #expect(outcome("{{ raise_exception('Only pairs.') }}").fault?.what.contains("Only pairs.") == true)
    }
}

extension Result where Failure == Fault {
    /// The fault, or nil.
    fileprivate var fault: Fault? { if case .failure(let fault) = self { fault } else { nil } }
}
