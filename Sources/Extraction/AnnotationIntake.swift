// AnnotationIntake: collects one document's annotations. Every form adds its mentions and relations here, so that the rules are the same
// for all.

import Faults
import Federation

/// Collects the annotations of one document and judges them once all are known.
///
/// Offsets decide. A surface is only a witness: where surfaces contradict the offsets, the document is refused, and the fault says which
/// other way of counting explains them. What the label map passes over is ignored, whatever is wrong with it.
struct AnnotationIntake {
    private struct Mention {
        var id: String
        var label: String
        var witness: OffsetCounting.Witness
        var hasSurface: Bool
        var place: Place
    }

    private struct Link {
        var label: String
        var head: String
        var modifier: String
        /// Whether the label's own guideline decides which end is the head and which the modifier; the two may then be exchanged.
        var mayTurn: Bool
        var place: Place
    }

    private(set) var document: Document
    private let labels: LabelMap
    /// Where the corpus's offsets are in the text; one segment over all of it, unless a form has several.
    var segments: [OffsetCounting.Segment] = []
    private var ids: Set<String> = []
    private var passedOver: Set<String> = []
    private var pending: [Mention] = []
    private var links: [Link] = []
    private var bonds: [(head: String, modifier: String, place: Place)] = []
    private var attributes: [(attribute: Attribute, place: Place)] = []
    /// The trigger of each event.
    private var triggers: [String: String] = [:]
    /// The index in `document.entities` of each accepted mention.
    private var taken: [String: Int] = [:]
    /// Mentions that were refused for a fault of their own: a relation to one of them is not a second fault.
    private var refused: Set<String> = []

    init(id: String, text: [Unicode.Scalar], labels: LabelMap) {
        document = Document(id: id, text: text)
        self.labels = labels
        segments = [OffsetCounting.Segment(stated: 0, range: 0..<text.count)]
    }

    // MARK: What forms add

    /// Whether the id is new in its document; otherwise a fault is added.
    mutating func claim(_ id: String, at place: Place, faults: inout FaultList) -> Bool {
        if ids.insert(id).inserted { return true }
        faults.add(.duplicateAnnotation(at: place))
        return false
    }

    /// Whether annotations of that label are passed over: then nothing else of them is checked.
    mutating func passesOver(_ label: String, id: String? = nil, tally: inout CorpusTally) -> Bool {
        guard labels.type(of: label) == nil else { return false }
        if let id {
            passedOver.insert(id)
            tally.count(label: label, isName: true)
        } else {
            tally.count(relation: label)
        }
        tally.mappedAway += 1
        return true
    }

    /// A mention whose id was claimed. `pairs` are start and end as stated; they count from the start of `segment`.
    mutating func add(
        mention id: String, label: String, pairs: [(Int, Int)], surface: [Unicode.Scalar]?, segment: Int = 0,
        at place: Place
    ) {
        let inked = surface.map { surface in surface.contains { !$0.isSpace } } ?? false
        pending.append(
            Mention(
                id: id, label: label,
                witness: .init(pairs: pairs.sorted { $0 < $1 }, segment: segment, surface: surface ?? []),
                hasSurface: inked, place: place))
    }

    /// A mention that its form could not read.
    mutating func refuse(mention id: String) { refused.insert(id) }

    /// A relation whose label is not passed over.
    mutating func add(relation label: String, head: String, modifier: String, mayTurn: Bool, at place: Place) {
        links.append(Link(label: label, head: head, modifier: modifier, mayTurn: mayTurn, place: place))
    }

    /// An event: its trigger is the head of the arguments that are modifiers.
    mutating func add(event id: String, trigger: String, arguments: [String], at place: Place) {
        triggers[id] = trigger
        bonds.append((trigger, trigger, place))
        for argument in arguments { bonds.append((trigger, argument, place)) }
    }

    mutating func add(attribute: Attribute, at place: Place) { attributes.append((attribute, place)) }

    // MARK: Judging

    /// Judges everything that was added. The document is accepted if no fault was added.
    mutating func finish(faults: inout FaultList, tally: inout CorpusTally) {
        judgeMentions(faults: &faults, tally: &tally)
        resolveLinks(faults: &faults, tally: &tally)
        resolveBonds(faults: &faults)
        resolveAttributes(faults: &faults)
    }

    private mutating func judgeMentions(faults: inout FaultList, tally: inout CorpusTally) {
        var judged: [(spans: [Range<Int>], fault: Fault?)] = []
        var verdicts: [SurfaceWitness.Verdict] = []
        for mention in pending {
            let (spans, fault) = spans(of: mention)
            judged.append((spans, fault))
            let verdict =
                !mention.hasSurface
                ? .same
                : fault != nil
                    ? .unlike : SurfaceWitness.verdict(mention.witness.surface, at: spans, of: document.text)
            verdicts.append(verdict)
        }
        let isExplained = explain(judged.map(\.fault), verdicts, faults: &faults)
        for (index, mention) in pending.enumerated() {
            let (spans, fault) = judged[index]
            let isKnown = AnnotationType.all.contains(labels.type(of: mention.label) ?? "")
            if let fault {
                refused.insert(mention.id)
                if isKnown { tally.count(label: mention.label, isName: true) }
                if !isExplained || !mention.hasSurface { faults.add(fault) }
                continue
            }
            switch verdicts[index] {
            case .same: break
            case .differing: tally.differingSurfaces += 1
            case .elsewhere, .unlike:
                refused.insert(mention.id)
                if isKnown { tally.count(label: mention.label, isName: true) }
                if !isExplained { faults.add(.surface(verdicts[index], at: mention.place)) }
                continue
            }
            take(mention, spans, isKnown: isKnown, faults: &faults, tally: &tally)
        }
    }

    private mutating func take(
        _ mention: Mention, _ spans: [Range<Int>], isKnown: Bool, faults: inout FaultList, tally: inout CorpusTally
    ) {
        let whole = spans.compactMap { trimmed($0) }
        guard !whole.isEmpty else {
            refused.insert(mention.id)
            faults.add(.blankSpan(spans[0].lowerBound, spans[spans.count - 1].upperBound, at: mention.place))
            return
        }
        if whole != spans { tally.trimmed += 1 }
        // A label that equals its mention's text may be a piece of the note in the wrong column, so it is not shown.
        let isName = isKnown || !SurfaceWitness.reads(Array(mention.label.unicodeScalars), at: whole, of: document.text)
        tally.count(label: mention.label, isName: isName)
        guard isKnown, let type = labels.type(of: mention.label) else {
            refused.insert(mention.id)
            faults.add(unknownLabel: mention.label, isName: isName, at: mention.place)
            return
        }
        taken[mention.id] = document.entities.count
        document.entities.append(Entity(id: mention.id, type: type, spans: whole))
    }

    /// The fragments in the order of the text, or what is wrong with them.
    private func spans(of mention: Mention) -> ([Range<Int>], Fault?) {
        let segment = segments[mention.witness.segment]
        let (shift, isFar) = segment.range.lowerBound.subtractingReportingOverflow(segment.stated)
        var spans: [Range<Int>] = []
        for (start, end) in mention.witness.pairs {
            let (first, last) = (start.addingReportingOverflow(shift), end.addingReportingOverflow(shift))
            guard !isFar, !first.overflow, !last.overflow, first.partialValue >= 0,
                first.partialValue < last.partialValue, last.partialValue <= document.text.count
            else {
                return ([], .offset(start, end, length: document.text.count, at: mention.place))
            }
            if let before = spans.last, first.partialValue < before.upperBound {
                return ([], .fragments(at: mention.place))
            }
            spans.append(first.partialValue..<last.partialValue)
        }
        return (spans, nil)
    }

    /// Tries other ways of counting where surfaces contradict the offsets; if one way explains them, one fault replaces all of theirs.
    private func explain(
        _ problems: [Fault?], _ verdicts: [SurfaceWitness.Verdict], faults: inout FaultList
    ) -> Bool {
        var wrong: [Int] = []
        var shifts: [Int] = []
        for index in pending.indices where pending[index].hasSurface {
            switch verdicts[index] {
            case .elsewhere(let shift):
                wrong.append(index)
                shifts.append(shift)
            case .unlike: wrong.append(index)
            case .same, .differing: break
            }
        }
        guard let first = wrong.first else { return false }
        let witnesses = pending.filter(\.hasSurface).map(\.witness)
        guard
            let (counting, explained) = OffsetCounting.explaining(
                witnesses, wrong: wrong.count, shifts: shifts, text: document.text, segments: segments)
        else { return false }
        faults.add(
            .counting(
                counting, wrong: wrong.count, explained: explained, of: witnesses.count,
                mixedLineEnds: CorpusReader.hasMixedLineEnds(document.text), at: pending[first].place))
        return true
    }

    /// A fragment without white space at its ends; nil where it is only white space.
    private func trimmed(_ span: Range<Int>) -> Range<Int>? {
        var (start, end) = (span.lowerBound, span.upperBound)
        while start < end && document.text[start].isSpace { start += 1 }
        while end > start && document.text[end - 1].isSpace { end -= 1 }
        return start < end ? start..<end : nil
    }

    // MARK: Relations, events, attributes

    private mutating func resolveLinks(faults: inout FaultList, tally: inout CorpusTally) {
        for link in links {
            guard let type = labels.type(of: link.label) else { continue }
            tally.count(relation: link.label)
            guard type == Relation.hasAttr else {
                faults.add(unknownRelation: link.label, at: link.place)
                continue
            }
            let head = triggers[link.head] ?? link.head
            let modifier = triggers[link.modifier] ?? link.modifier
            guard knows(head, at: link.place, faults: &faults), knows(modifier, at: link.place, faults: &faults) else {
                continue
            }
            let relation = Relation(head: head, modifier: modifier)
            if let relation = link.mayTurn ? turned(relation) : relation { document.relations.append(relation) }
        }
    }

    private mutating func resolveBonds(faults: inout FaultList) {
        var known = Set(document.relations)
        for (trigger, argument, place) in bonds {
            let target = triggers[argument] ?? argument
            guard knows(target, at: place, faults: &faults), target != trigger, let head = taken[trigger],
                let modifier = taken[target]
            else { continue }
            let relation = Relation(head: trigger, modifier: target)
            if AnnotationType.entities.contains(document.entities[head].type),
                AnnotationType.modifiers.contains(document.entities[modifier].type), known.insert(relation).inserted
            {
                document.relations.append(relation)
            }
        }
    }

    private mutating func resolveAttributes(faults: inout FaultList) {
        for (attribute, place) in attributes {
            guard ids.contains(attribute.target) else {
                faults.add(.relationEnd(attribute.target, at: place))
                continue
            }
            let target = triggers[attribute.target] ?? attribute.target
            if taken[target] != nil {
                document.attributes.append(Attribute(name: attribute.name, target: target, value: attribute.value))
            }
        }
    }

    /// A relation of another guideline in the direction of ours, from an entity to its modifier; nil where its ends are not an entity and a
    /// modifier.
    private func turned(_ relation: Relation) -> Relation? {
        func type(_ id: String) -> String { taken[id].map { document.entities[$0].type } ?? "" }
        func binds(_ head: String, _ modifier: String) -> Bool {
            AnnotationType.entities.contains(type(head)) && AnnotationType.modifiers.contains(type(modifier))
        }
        if binds(relation.head, relation.modifier) { return relation }
        return binds(relation.modifier, relation.head)
            ? Relation(head: relation.modifier, modifier: relation.head) : nil
    }

    private func knows(_ id: String, at place: Place, faults: inout FaultList) -> Bool {
        if taken[id] != nil { return true }
        if !refused.contains(id) && !passedOver.contains(id) { faults.add(.relationEnd(id, at: place)) }
        return false
    }
}
