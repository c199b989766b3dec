// YAMLReader: turns events into nodes. It refuses what could take too much memory or time: size, depth, expanded aliases, recursion.

import Faults

/// Reads one YAML document.
public enum YAMLReader {
    /// The most nodes a document may have with every alias written out.
    public static let maximumNodes = 100_000
    /// The deepest nesting.
    public static let maximumDepth = 64

    /// Reads the only document of a file. `file` is the name that faults show; lines and words of the file are shown only where its first
    /// keys are those of the form.
    ///
    /// Throws every fault found, in order: `workflow.too-large`, `not-utf8`, `syntax`, `tab`, `tag`, `too-deep`, `alias-expansion`,
    /// `alias-recursion`, `unknown-anchor`, each of which ends the reading; `duplicate-key`, `wrong-type` (a key that is not a scalar),
    /// `multiple-documents`, which do not; `empty`; and `other-file` where a mapping is not of the form.
    public static func read(
        bytes: [UInt8], file: String, form: DocumentForm = .template
    ) throws(FaultReport) -> YAMLNode {
        let faults = FaultCollector(files: [file])
        let root = compose(bytes: bytes, file: file, form: form, faults: faults)
        try faults.throwIfAny()
        guard let root else { throw FaultReport([.empty(at: Place(file: file))]) }
        return root
    }

    /// The root of the document; nil where there is none that is worth reading further, and then `faults` holds at least one fault.
    static func compose(bytes: [UInt8], file: String, form: DocumentForm, faults: FaultCollector) -> YAMLNode? {
        do {
            let hidden = try YAMLSource(bytes: bytes, file: file)
            let source = form.recognises(hidden.topKeys()) ? hidden.shown : hidden
            faults.know(source)
            do {
                guard let root = try compose(source, faults: faults), !root.isNull else {
                    faults.add(.empty(at: Place(file: file, line: 1, column: 1)))
                    return nil
                }
                if source.isShown || form == .unknown { return root }
                if root.pairs != nil {
                    faults.add(.otherForm(form, at: root.mark.place))
                } else {
                    faults.add(.otherKind(form, is: root.elements == nil ? "a text" : "a list", at: root.mark.place))
                }
                return nil
            } catch {
                var fault = error
                if !source.isShown { fault.mend = form.mend }
                faults.add(fault)
                return nil
            }
        } catch {
            faults.add(error)
            return nil
        }
    }

    /// The root of the document; nil where the text holds no document.
    static func compose(_ source: YAMLSource, faults: FaultCollector) throws(Fault) -> YAMLNode? {
        var composer = Composer(events: try YAMLEvents(source), faults: faults)
        return try composer.document()
    }
}

private struct Composer {
    let events: YAMLEvents
    let faults: FaultCollector
    var anchors: [String: YAMLNode] = [:]
    var openAnchors: Set<String> = []
    var nodes = 0

    init(events: YAMLEvents, faults: FaultCollector) {
        self.events = events
        self.faults = faults
    }

    /// A word of the text, where faults may show it.
    private func shown(_ word: String) -> String? { events.source.isShown ? word : nil }

    mutating func document() throws(Fault) -> YAMLNode? {
        var root: YAMLNode?
        while true {
            let event = try events.next()
            switch event.content {
            case .streamEnd: return root
            case .documentStart:
                guard root == nil else {
                    faults.add(.multipleDocuments(at: event.mark.place))
                    return root
                }
                let first = try events.next()
                root = try node(first, depth: 1)
            default: continue
            }
        }
    }

    private mutating func node(_ event: YAMLEvent, depth: Int) throws(Fault) -> YAMLNode {
        if let tag = event.tag { throw .tag(shown(tag), at: event.mark.place) }
        guard depth <= YAMLReader.maximumDepth else { throw .tooDeep(at: event.mark.place) }
        if case .alias(let name) = event.content { return try expand(name, at: event.mark, depth: depth) }
        try count(1, at: event.mark)
        if let anchor = event.anchor { openAnchors.insert(anchor) }
        var node: YAMLNode
        switch event.content {
        case .sequenceStart: node = try sequence(event.mark, depth: depth)
        case .mappingStart: node = try mapping(event.mark, depth: depth)
        case .scalar(let text, let plain): node = YAMLNode(.scalar(text, plain: plain), mark: event.mark)
        default: throw .syntax("a value is missing", at: event.mark.place)
        }
        if let anchor = event.anchor {
            openAnchors.remove(anchor)
            anchors[anchor] = node
        }
        return node
    }

    private mutating func expand(_ name: String, at mark: YAMLMark, depth: Int) throws(Fault) -> YAMLNode {
        if openAnchors.contains(name) { throw .aliasRecursion(shown(name), at: mark.place) }
        guard let target = anchors[name] else { throw .unknownAnchor(shown(name), at: mark.place) }
        try count(target.expandedNodes, at: mark)
        guard depth + target.height - 1 <= YAMLReader.maximumDepth else { throw .tooDeep(at: mark.place) }
        return target
    }

    private mutating func count(_ more: Int, at mark: YAMLMark) throws(Fault) {
        nodes += more
        guard nodes <= YAMLReader.maximumNodes else { throw .aliasExpansion(at: mark.place) }
    }

    private mutating func sequence(_ mark: YAMLMark, depth: Int) throws(Fault) -> YAMLNode {
        var elements: [YAMLNode] = []
        var size = 1
        var height = 0
        while true {
            let event = try events.next()
            if case .sequenceEnd = event.content { break }
            let element = try node(event, depth: depth + 1)
            size += element.expandedNodes
            height = max(height, element.height)
            elements.append(element)
        }
        var result = YAMLNode(.sequence(elements), mark: mark)
        result.expandedNodes = size
        result.height = height + 1
        return result
    }

    private mutating func mapping(_ mark: YAMLMark, depth: Int) throws(Fault) -> YAMLNode {
        var pairs: [YAMLPair] = []
        var seen: [String: YAMLMark] = [:]
        var size = 1
        var height = 0
        while true {
            let keyEvent = try events.next()
            if case .mappingEnd = keyEvent.content { break }
            let key = try node(keyEvent, depth: depth + 1)
            let valueEvent = try events.next()
            let value = try node(valueEvent, depth: depth + 1)
            size += key.expandedNodes + value.expandedNodes
            height = max(height, value.height)
            // An alias may be a key: the place is where it is written, not where its anchor is.
            guard case .scalar(let text, _) = key.content else {
                faults.add(.keyNotScalar(at: keyEvent.mark.place))
                continue
            }
            if let first = seen[text] {
                faults.add(.duplicateKey(shown(text), first: first.line, at: keyEvent.mark.place))
                continue
            }
            seen[text] = keyEvent.mark
            pairs.append(YAMLPair(key: text, keyMark: keyEvent.mark, value: value))
        }
        var result = YAMLNode(.mapping(pairs), mark: mark)
        result.expandedNodes = size
        result.height = height + 1
        return result
    }
}
