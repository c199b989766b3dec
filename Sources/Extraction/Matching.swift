// Matching: the largest one-to-one matching of a bipartite graph, by augmenting paths.

/// Matches left with right vertices one to one.
package enum Matching {
    /// The size of the largest matching between `left` and `right` vertices that `edge` connects.
    ///
    /// Kuhn's algorithm, O(vertices * edges), without recursion, so that a long answer cannot exhaust the stack.
    package static func largest(_ left: Int, _ right: Int, edge: (_ left: Int, _ right: Int) -> Bool) -> Int {
        let neighbours = (0..<left).map { l in (0..<right).filter { edge(l, $0) } }
        var partner = [Int](repeating: -1, count: right)
        var size = 0
        for root in 0..<left {
            var seen = [Bool](repeating: false, count: right)
            // The path: left vertices, the next neighbour that each tries, and the right vertex that each was reached through.
            var path = [root]
            var tried = [0]
            var through: [Int] = []
            while let vertex = path.last, let next = tried.last {
                guard next < neighbours[vertex].count else {
                    path.removeLast()
                    tried.removeLast()
                    if !through.isEmpty { through.removeLast() }
                    continue
                }
                tried[tried.count - 1] += 1
                let candidate = neighbours[vertex][next]
                guard !seen[candidate] else { continue }
                seen[candidate] = true
                through.append(candidate)
                guard partner[candidate] >= 0 else {
                    for (left, right) in zip(path, through) { partner[right] = left }
                    size += 1
                    break
                }
                path.append(partner[candidate])
                tried.append(0)
            }
        }
        return size
    }
}
