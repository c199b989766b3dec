// Conditions between the parts of a workflow. A check adds nothing where a part that it needs is already wrong.

import Faults
import Federation

extension WorkflowReader {
    /// Adds a fault for each condition between sections that does not hold; `rounds` is nil where it is missing or wrong.
    static func check(
        _ declaration: FederationDeclaration, rounds: Int?, steps: [PlacedStep], top: MappingReader
    ) {
        checkOrder(steps, faults: top.faults)
        checkNeeds(steps, top: top)
        checkCohorts(steps, top: top)
        checkAggregation(declaration, steps, top: top)
        if declaration.deadline != nil, let node = top.node("deadline"), top.pair("quorum") == nil {
            top.faults.add(.needsQuorum(at: node.mark.place))
        }
        guard let rounds else { return }
        checkPlaces(declaration, rounds: rounds, top: top)
        checkPresence(steps, rounds: rounds, top: top)
        let places = top.node("sites")?.mark ?? top.mark
        let declared = top.node("sites")?.pairs?.count ?? (top.pair("sites") == nil ? 0 : 1)
        if rounds > 0 && declared == 0 { top.faults.add(.noSite(rounds: rounds, at: places.place)) }
    }

    private static func checkOrder(_ steps: [PlacedStep], faults: FaultCollector) {
        let order = StepName.allCases
        var seen: [StepName] = []
        for step in steps {
            guard let name = step.name, let position = order.firstIndex(of: name) else { continue }
            if name != .evaluate && seen.contains(name) {
                faults.add(.stepOrder("the step \(name.rawValue) occurs twice", at: step.mark.place))
            } else if let later = seen.first(where: { (order.firstIndex(of: $0) ?? 0) > position }) {
                faults.add(
                    .stepOrder("the step \(name.rawValue) comes after \(later.rawValue)", at: step.mark.place))
            }
            seen.append(name)
        }
    }

    private static func checkPresence(_ steps: [PlacedStep], rounds: Int, top: MappingReader) {
        guard let node = top.node("steps"), node.elements != nil else { return }
        if rounds == 0 {
            for step in steps {
                guard let name = step.name, name != .evaluate else { continue }
                top.faults.add(.stepWithoutRounds(name.rawValue, at: step.mark.place))
            }
        }
        // A step that cannot be read may be the one that seems to be missing.
        guard steps.allSatisfy({ $0.name != nil }) else { return }
        if rounds == 0 {
            if steps.isEmpty {
                top.faults.add(
                    .missingStep("rounds is 0 and no step evaluates the base model", "evaluate", at: node.mark.place))
            }
            return
        }
        for name in [StepName.train, .upload, .aggregate] where !steps.contains(where: { $0.name == name }) {
            top.faults.add(
                .missingStep(
                    "rounds is \(rounds), but the steps lack \(name.rawValue)", name.rawValue, at: node.mark.place))
        }
    }

    private static func checkNeeds(_ steps: [PlacedStep], top: MappingReader) {
        let hasCoordinator = top.pair("coordinator") != nil
        let score = steps.first { $0.name == .score }
        if let score, !hasCoordinator {
            top.faults.add(.needsCoordinator("the step score", at: score.mark.place))
        }
        for step in steps {
            guard case .aggregate(let aggregation) = step.step, aggregation.rule.needsScores else { continue }
            let rule = aggregation.rule
            let place = (step.ruleMark ?? step.mark).place
            if score == nil && steps.allSatisfy({ $0.name != nil }) {
                top.faults.add(.needsScore(rule.name, at: place))
            }
            if score == nil && !hasCoordinator {
                top.faults.add(.needsCoordinator("the rule \(rule.name)", at: place))
            }
        }
    }

    /// What the way of aggregating asks of sites, training and scores.
    private static func checkAggregation(
        _ declaration: FederationDeclaration, _ steps: [PlacedStep], top: MappingReader
    ) {
        guard let step = steps.first(where: { $0.name == .aggregate }), case .aggregate(let aggregation) = step.step
        else { return }
        let place = (step.ruleMark ?? step.mark).place
        func refuse(_ key: String, _ why: String) { top.faults.add(.misplacedKey(key, why, at: place)) }
        let ranks = declaration.sites.map { declaration.adapter(of: $0.id).rank }
        for site in declaration.sites {
            guard let rank = site.rank else { continue }
            let path = "sites.\(site.id).rank"
            if aggregation.product != .svd { refuse(path, "ranks of sites need product: svd in aggregate") }
            if rank > declaration.adapter.rank {
                refuse(path, "\(rank) is above adapter.rank \(declaration.adapter.rank)")
            }
            if declaration.training?.matrices ?? .both != .both {
                refuse(path, "a frozen factor has the rank of the adapter; it needs matrices: both")
            }
        }
        if aggregation.robust != .none, (1..<3).contains(declaration.sites.count) {
            refuse(
                "robust", "\(declaration.sites.count) sites take part where \(aggregation.robust.rawValue) needs three")
        }
        if aggregation.rotates, declaration.training?.matrices ?? .both != .both {
            refuse("rotate", "a frozen factor is alike at all sites; it needs matrices: both")
        }
        if aggregation.product == .stacked, case let sum = ranks.reduce(0, +), sum > 2048 {
            refuse("product", "the stacked rank would be \(sum), and 2048 is the largest")
        }
        let scored = declaration.scoring?.measure
        if aggregation.rule == .shapley, let scored, scored != .shapley {
            refuse(
                "measure", "the rule \(aggregation.rule.name) cannot use the measure \(scored.rawValue)")
        }
        if scored == .shapley, declaration.sites.count > CoalitionValues.mostUploads {
            refuse(
                "measure",
                "\(declaration.sites.count) sites have too many subsets; at most \(CoalitionValues.mostUploads) can be scored"
            )
        }
        if scored == .shapley, declaration.sites.contains(where: { $0.rank != nil }) {
            refuse("measure", "uploads of other ranks cannot be merged as the measure shapley does")
        }
        if aggregation.needsRecordLosses, let records = declaration.coordinator?.records, records < 2 {
            refuse("shrink", "the error of a loss needs coordinator.records of two or more")
        }
    }

    /// A cohort at a site: the site takes part, and whoever knows the notes says where they are.
    private static func checkPlaces(_ declaration: FederationDeclaration, rounds: Int, top: MappingReader) {
        let declared = top.node("sites")?.pairs?.map(\.key) ?? []
        for cohort in declaration.cohorts {
            let path = "cohorts.\(cohort.id)"
            guard let name = cohort.site, let node = top.node("cohorts")?[cohort.id.name], let pairs = node.pairs else {
                continue
            }
            func place(_ key: String) -> Place { (pairs.first { $0.key == key }?.keyMark ?? node.mark).place }
            guard declared.contains(name.name) else {
                top.faults.add(.unknownName("\(path).site", "site", name.name, known: declared, at: place("site")))
                continue
            }
            if rounds == 0 {
                top.faults.add(
                    .misplacedKey("site", "rounds is 0, so no site is asked for anything", at: place("site")))
            } else if let site = declaration.sites.first(where: { $0.id == name }) {
                if site.isRemote && !cohort.isRemote {
                    top.faults.add(
                        .misplacedKey(
                            "data", "\(path) is at \(name), on another machine, which alone knows its notes",
                            at: place("data")))
                } else if !site.isRemote && cohort.isRemote {
                    top.faults.add(.missingKey("data", in: path, at: node.mark.place))
                }
            } else if top.pair("participants") != nil {
                top.faults.add(.misplacedKey("site", "\(name) is not among the participants", at: place("site")))
            }
        }
    }

    private static func checkCohorts(_ steps: [PlacedStep], top: MappingReader) {
        if let node = top.node("cohorts"), node.pairs == nil { return }
        let declared = top.node("cohorts")?.pairs?.map(\.key) ?? []
        for step in steps {
            for cohort in step.cohorts where !declared.contains(cohort.name) {
                top.faults.add(
                    .unknownName(
                        "\(step.path).cohorts", "cohort", cohort.name, known: declared, at: cohort.mark.place))
            }
        }
    }
}
