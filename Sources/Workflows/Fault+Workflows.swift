// The faults of the YAML layer, the workflow reader, overrides and plans: one factory for each code, with all wording in one place.

import Faults

// The text itself.
extension Fault {
    static func tooLarge(bytes: Int, file: String) -> Fault {
        Fault(
            .workflow, "workflow.too-large", "the file has \(bytes) bytes; the most is \(YAMLSource.maximumBytes)",
            at: Place(file: file), mend: "Name a workflow or a template, not a data file.")
    }
    static func notUTF8(at place: Place) -> Fault {
        Fault(.workflow, "workflow.not-utf8", "the text is not UTF-8 here", at: place, mend: "Save the file as UTF-8.")
    }
    static func controlCharacter(_ scalar: Unicode.Scalar, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.syntax", "the character \(LookAlikes.code(scalar)) is not allowed here", at: place,
            mend: "Delete the character.")
    }
    /// A file that is something else. The fault shows none of its text: it may be a note.
    static func otherForm(_ form: DocumentForm, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.other-file", "the file is not a \(form.noun): it begins with other keys",
            at: place, mend: form.mend)
    }
    static func otherKind(_ form: DocumentForm, is found: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.wrong-type", "the file is \(found), not a mapping of keys: it is not a \(form.noun)",
            at: place, mend: form.mend)
    }
    static func syntax(_ what: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.syntax", what, at: place,
            mend: "Correct the YAML at this place; the line above may be the cause.")
    }
    static func tab(at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.tab", "there is a tab where YAML needs spaces", at: place,
            mend: "Indent with spaces.")
    }
    static func tag(_ tag: String?, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.tag", "the value has \(tag.map { "the tag \(Wording.shown($0))" } ?? "a tag")",
            at: place,
            mend: "Remove the tag; quote a value that must be text.")
    }
    static func tooDeep(at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.too-deep", "the nesting is deeper than \(YAMLReader.maximumDepth) levels", at: place,
            mend: "Flatten the file.")
    }
    static func empty(at place: Place) -> Fault {
        Fault(.workflow, "workflow.empty", "the file holds nothing", at: place, mend: "Fill the file, or name another.")
    }
    static func multipleDocuments(at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.multiple-documents", "a second YAML document begins here", at: place,
            mend: "Keep one document in a file.")
    }
    static func aliasExpansion(at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.alias-expansion",
            "the file grows past \(YAMLReader.maximumNodes) values once its aliases are written out", at: place,
            mend: "Use fewer aliases.")
    }
    static func aliasRecursion(_ name: String?, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.alias-recursion",
            "\(name.map { "the alias *\($0)" } ?? "an alias") is inside its own anchor", at: place,
            mend: "Write the value out instead.")
    }
    static func unknownAnchor(_ name: String?, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.unknown-anchor",
            "\(name.map { "the alias *\($0)" } ?? "an alias") has no anchor above it", at: place,
            mend: "Put \(name.map { "&\($0)" } ?? "an anchor") before the value that is meant.")
    }
    static func keyNotScalar(at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.wrong-type", "a key is a list or a mapping; keys are words", at: place,
            mend: "Write a word as key.")
    }
    static func duplicateKey(_ key: String?, first: Int, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.duplicate-key",
            "\(key.map { "the key \(Wording.shown($0))" } ?? "a key") occurs twice in one mapping, first on line \(first)",
            at: place,
            mend: "Remove one of the two.")
    }
    static func tooManyFaults(_ rest: Int, file: String?) -> Fault {
        Fault(
            .workflow, "workflow.too-many-faults", "\(rest) more faults are not shown",
            at: file.map { Place(file: $0) },
            mend: "Correct the faults above first.")
    }
}

// Keys and values.
extension Fault {
    static func unknownKey(_ key: String, in owner: String, known: [String], at place: Place) -> Fault {
        let hint = KeyHint(key, known: known)
        return Fault(
            .workflow, "workflow.unknown-key", "\(owner) has no key \(Wording.shown(key))\(hint.words)", at: place,
            mend: hint.mend ?? (known.isEmpty ? "Remove the key." : "Use one of: \(Wording.list(known)).")
        )
    }
    /// A text in place of a list; most often it is a list whose hyphens lack a space.
    static func notAList(_ path: String, _ node: YAMLNode, of things: String, known: [String]) -> Fault {
        var fault = wrongType(
            path, is: MappingReader.kind(of: node), expected: "a list of \(things)", at: node.mark.place)
        if case .scalar(let text, _) = node.content, text.hasPrefix("-"),
            known.contains(where: { text.contains("-\($0)") })
        {
            fault.mend = hyphenMend
        }
        return fault
    }
    /// What to do about `-score`.
    static let hyphenMend = "Write a space after each hyphen: \"- score\", not \"-score\"."
    static func missingKey(_ key: String, in owner: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.missing-key", "\(owner) lacks the key \(Wording.shown(key))", at: place,
            mend: "Add \(key).")
    }
    static func wrongType(_ path: String, is found: String, expected: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.wrong-type", "\(path) is \(found), not \(expected)", at: place,
            mend: "Write \(expected).")
    }
    static func outOfRange(_ path: String, is found: String, allowed: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.out-of-range", "\(path) is \(found); it must be \(allowed)", at: place,
            mend: "Write a value \(allowed).")
    }
    static func unknownValue(_ path: String, is found: String, known: [String], at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.unknown-value",
            "\(path) cannot be \(Wording.shown(found))\(Wording.hint(found, among: known))", at: place,
            mend: "Use one of: \(Wording.list(known)).")
    }
    static func badName(_ what: String, _ name: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.bad-name", "\(what) \(Wording.shown(name)) is not a kebab-case name", at: place,
            mend: "Use a-z and 0-9 in groups joined by single hyphens, at most 64 characters.")
    }
    static func badType(_ path: String, _ name: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.bad-name", "\(path) names \(Wording.shown(name)), which cannot be an annotation type",
            at: place, mend: "Use a name of the template: a-z, 0-9, hyphen and underscore, at most 64 characters.")
    }
    static func badText(_ path: String, _ problem: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.bad-text", "\(path) \(problem)", at: place,
            mend: "Write one line of text that is not empty.")
    }
    static func emptyList(_ path: String, of things: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.empty-list", "\(path) names no \(things)", at: place,
            mend: "Name at least one.")
    }
    static func duplicateName(_ path: String, _ name: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.duplicate-name", "\(path) names \(Wording.shown(name)) twice", at: place,
            mend: "Remove one of the two.")
    }
    static func unknownName(_ path: String, _ kind: String, _ name: String, known: [String], at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.unknown-name",
            "\(path) names the \(kind) \(Wording.shown(name)), which is not declared\(Wording.hint(name, among: known))",
            at: place,
            mend: known.isEmpty ? "Declare the \(kind)." : "Declare it or use one of: \(Wording.list(known)).")
    }
    static func misplacedKey(_ key: String, _ why: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.misplaced-key", "the key \(Wording.shown(key)) does not belong here: \(why)",
            at: place,
            mend: "Remove \(key).")
    }
    package static func predictedHeads(in cohort: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.predicted-heads", "\(cohort) takes heads from mentions that its tasks do not ask for",
            at: place, mend: "Add ner to the tasks of the cohort, or write heads: gold.")
    }
    static func missingPath(
        _ key: String, _ path: String, hint: String?, known: [String], at place: Place
    ) -> Fault {
        let mend = known.isEmpty ? "Correct the path." : "Write a path, or one of: \(Wording.list(known))."
        return Fault(
            .workflow, "workflow.missing-path",
            "\(key): there is nothing at \(Place.printable(path))"
                + (hint.map { "; did you mean \(Wording.shown($0))?" } ?? ""), at: place, mend: mend)
    }
    static func emptyFolder(_ key: String, _ path: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.empty-folder", "\(key): the folder \(Place.printable(path)) is empty", at: place,
            mend: "Name a folder with notes.")
    }
    static func unsupportedVersion(_ version: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.unsupported-version",
            "the workflow has version \(version); this program reads version 1", at: place,
            mend: "Write version: 1, or use the program that the file was written for.")
    }
}

// Conditions between the steps.
extension Fault {
    static func stepOrder(_ what: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.step-order", what, at: place,
            mend: "Order the steps: train, upload, score, aggregate, evaluate; only evaluate may occur more than once.")
    }
    static func stepWithoutRounds(_ step: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.step-without-rounds", "rounds is 0, so no round can run the step \(step)", at: place,
            mend: "Remove the step or raise rounds.")
    }
    static func missingStep(_ what: String, _ step: String, at place: Place) -> Fault {
        Fault(.workflow, "workflow.missing-step", what, at: place, mend: "Add the step \(step).")
    }
    static func needsScore(_ rule: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.needs-score",
            "the rule \(rule) weighs uploads by their scores, but no step scores them",
            at: place, mend: "Add the step score before aggregate, or use the rule fed-medlora.")
    }
    static func needsCoordinator(_ what: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.needs-coordinator",
            "\(what) needs the coordinator's validation records, but there is no coordinator", at: place,
            mend: "Add coordinator with validation: PATH.")
    }
    static func needsQuorum(at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.needs-quorum",
            "there is a deadline, but no quorum says with how many uploads a round may continue", at: place,
            mend: "Add quorum with the least number of uploads, or remove deadline.")
    }
    static func noSite(rounds: Int, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.no-site", "rounds is \(rounds), but no site takes part", at: place,
            mend: "Declare at least one site, or set rounds to 0.")
    }
}

// Overrides and plans.
extension Fault {
    /// The argument is shown only where it is a few characters without blanks: a person may have given a note.
    static func overrideForm(_ text: String) -> Fault {
        let isShort = text.utf8.count <= 40 && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
        let given = isShort ? Wording.shown(text) : "with a text of \(text.unicodeScalars.count) characters"
        return Fault(
            .usage, "usage.set", "--set \(given) is not of the form path=value",
            mend: "Write a path of keys joined by points, an equals sign and a value, such as adapter.rank=8.")
    }
    static func overridePath(_ what: String, at place: Place, mend: String) -> Fault {
        Fault(.workflow, "workflow.override-path", what, at: place, mend: mend)
    }
    static func planUnreadable(_ what: String, at place: Place? = nil) -> Fault {
        Fault(
            .ledger, "plan.unreadable", what, at: place,
            mend: "Use the program that wrote the plan, or start a new run.")
    }
}

// Composition.
extension Fault {
    static func needsComposition(_ key: String, at place: Place) -> Fault {
        let what =
            key == "extends" ? "the file extends another" : "the key \(key) makes the file a study of several runs"
        return Fault(
            .workflow, "workflow.needs-composition", "\(what), and here one whole workflow is read", at: place,
            mend: "Name a workflow that is one file, without extends, matrix, repeat and compare.")
    }
    static func extendsCycle(_ path: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.extends-cycle", "extends leads back to \(Wording.shown(path)), which was read already",
            at: place, mend: "Let the files extend each other in one direction.")
    }
    static func extendsTooFar(at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.extends-too-far", "more than \(Composition.maximumFiles) files extend each other",
            at: place, mend: "Merge some of the files.")
    }
    static func otherFiles(_ count: Int, at place: Place?) -> Fault {
        Fault(
            .workflow, "workflow.other-files", "the workflow was composed from files other than these \(count)",
            at: place, mend: "Give every file that the workflow extends, in the order of reading.")
    }
    static func conflictingAxes(
        _ axis: String, _ key: String, _ other: String, _ same: String, at place: Place
    ) -> Fault {
        Fault(
            .workflow, "workflow.conflicting-axes",
            axis == other
                ? "\(axis) sets both \(Wording.shown(same)) and \(Wording.shown(key)), one of which contains the other"
                : "the axes \(Wording.shown(other)) and \(Wording.shown(axis)) both set \(Wording.shown(key))",
            at: place,
            mend: "Let one axis set it, with named points where values move together.")
    }
    static func conflictingOverride(_ given: String, _ axis: String, _ key: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.conflicting-axes",
            "--set \(given) and the axis \(Wording.shown(axis)) both set \(Wording.shown(key))", at: place,
            mend: "Leave out the --set, or the axis.")
    }
    static func tooManyCells(_ count: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.too-many-cells",
            "the axes span \(count) cells; the most is \(Composition.maximumCells)",
            at: place, mend: "Leave out axes or values, or pair axes whose values move together.")
    }
    static func noCells(at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.no-cells", "every cell of the matrix is excluded", at: place,
            mend: "Exclude fewer cells.")
    }
    static func noSuchCell(_ path: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.no-such-cell", "\(path) fits no cell of the matrix", at: place,
            mend: "Name values that the axes have.")
    }
    static func sameCell(_ name: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.same-cell", "two cells have the name \(Wording.shown(name))", at: place,
            mend: "Remove one of the two, or name the points of the axis: {first: {KEY: VALUE}, ...}.")
    }
    static func cellName(_ name: String, at place: Place) -> Fault {
        Fault(
            .workflow, "workflow.cell-name", "the cell's name \(Wording.shown(name)) has more than 64 characters",
            at: place,
            mend: "Shorten the study's name, or name the points of the axes: {short: {KEY: VALUE}, ...}.")
    }
}
