// QR, Jacobi and the products made with them, against LAPACK and dense products.

import Federation
import Testing

@Suite struct FactorisationTests {
    /// Double sums of up to some hundred terms.
    private let tolerance = 1e-12

    private func random(_ rows: Int, _ columns: Int, _ numbers: inout Numbers) -> Dense {
        Dense(rows, columns, (0..<(rows * columns)).map { _ in numbers.one() })
    }
    private func matrix(_ x: Dense) -> RowMatrix { RowMatrix(rows: x.rows, columns: x.columns, x.values) }
    private func dense(_ x: RowMatrix) -> Dense { Dense(x.rows, x.columns, x.values) }

    private func samples() -> [(left: Dense, right: Dense, rank: Int)] {
        var numbers = Numbers(11)
        var found: [(Dense, Dense, Int)] = []
        for (out, inputs, rank) in [(8, 6, 3), (5, 9, 4), (3, 4, 7), (1, 1, 1), (300, 40, 16), (12, 12, 12)] {
            found.append((random(rank, out, &numbers), random(rank, inputs, &numbers), rank))
        }
        // Degenerate: a repeated row, a zero factor, tiny beside large.
        var repeated = random(4, 9, &numbers)
        for column in 0..<9 { repeated[3, column] = repeated[0, column] }
        found.append((random(4, 6, &numbers), repeated, 4))
        found.append((Dense(2, 5), random(2, 7, &numbers), 2))
        var graded = random(4, 8, &numbers)
        for row in 0..<4 { for column in 0..<8 { graded[row, column] *= [1, 1e-5, 1e-9, 1e-14][row] } }
        found.append((graded, random(4, 10, &numbers), 4))
        return found
    }

    @Test func qrIsOrthonormalAndWhole() {
        for (left, _, _) in samples() {
            let qr = ThinQR(columns: matrix(left))
            let q = dense(qr.q)
            let k = min(left.rows, left.columns)
            var identity = Dense(k, k)
            for i in 0..<k { identity[i, i] = 1 }
            #expect((q * q.transposed - identity).norm < tolerance)
            #expect((q.transposed * dense(qr.r) - left.transposed).norm <= tolerance * max(1, left.norm))
            for i in 0..<k { for j in 0..<i { #expect(qr.r[i, j] == 0) } }
        }
    }

    @Test func productsKeepTheirValuesAndSingularValuesAreLAPACKs() throws {
        for (left, right, rank) in samples() {
            let product = left.transposed * right
            let svd = ProductSVD(left: matrix(left), right: matrix(right), rank: rank)
            let (a, b) = (dense(svd.a), dense(svd.b))
            #expect((b.transposed * a - product).norm <= 1e-12 * max(product.norm, 1e-300))
            #expect(svd.values == svd.values.sorted(by: >))
            let kept = min(rank, right.columns)
            for i in 0..<kept {
                for j in 0..<kept {
                    let inner = (0..<a.columns).reduce(0) { $0 + a[i, $1] * a[j, $1] }
                    #expect(abs(inner - (i == j ? 1 : 0)) < tolerance)
                }
                let row = (0..<a.columns).map { a[i, $0] }
                #expect((row.max { abs($0) < abs($1) } ?? 0) > 0)
            }
            guard let expected = product.lapackSingularValues else { continue }
            for (mine, theirs) in zip(svd.values, expected) {
                #expect(abs(mine - theirs) <= 1e-12 * max(expected[0], 1e-300), "\(svd.values) \(expected)")
            }
        }
    }

    /// Cut at a rank, the error is that of the cut singular values, and no other product of the rank that is tried is nearer.
    @Test func cutProductIsTheBestOfItsRank() throws {
        var numbers = Numbers(12)
        let adapters = (0..<3).map { _ in Sample.adapter(&numbers, rank: 2) }
        let sizes = [1, 2, 2]
        var aggregation = Aggregation(.fedMedLoRA)
        aggregation.product = .svd
        let (combined, evidence) = try aggregation.combine(
            Sample.uploads(adapters, sizes: sizes), isLast: false, precision: .f32)
        var (lost, ideal) = (0.0, 0.0)
        for place in Sample.shapes.indices {
            var sum = Dense(Sample.shapes[place].out, Sample.shapes[place].in)
            for (adapter, weight) in zip(adapters, Sample.weights(sizes)) {
                sum = sum + weight * Sample.product(adapter, place)
            }
            let error = (sum - Sample.product(combined, place)).norm
            lost += error * error
            ideal += sum.norm * sum.norm
            if let values = sum.lapackSingularValues {
                let cut = values.dropFirst(2).reduce(0) { $0 + $1 * $1 }.squareRoot()
                #expect(abs(error - cut) < 1e-6 * sum.norm)
            }
            // Other products of rank 2 near the best one.
            let (a, b) = Sample.factors(combined, place)
            for _ in 0..<50 {
                let other =
                    (b + 0.05 * random(b.rows, b.columns, &numbers)) * (a + 0.05 * random(a.rows, a.columns, &numbers))
                #expect((sum - combined.configuration.scale * other).norm >= error * (1 - 1e-6))
            }
        }
        #expect(abs(evidence.lost.all.lostShare - (lost / ideal).squareRoot()) < 1e-6)
    }

    @Test func oneSiteOrEqualAIsExact() throws {
        var numbers = Numbers(13)
        let one = Sample.adapter(&numbers, rank: 3)
        var aggregation = Aggregation(.fedMedLoRA)
        aggregation.product = .svd
        let alone = try aggregation.combine(Sample.uploads([one], sizes: [4]), isLast: false, precision: .f32)
        #expect(alone.evidence.lost.all.lostShare < 1e-12)
        for place in Sample.shapes.indices {
            let product = Sample.product(one, place)
            #expect((product - Sample.product(alone.adapter, place)).norm < 1e-6 * product.norm)
        }
        let others = (0..<2).map { _ in Sample.adapter(&numbers, rank: 3) }
        let shared = others.map { other in
            Adapter(
                configuration: other.configuration,
                tensors: other.tensors.map { tensor in
                    tensor.name.contains("lora_A") ? one.tensor(named: tensor.name) ?? tensor : tensor
                })
        }
        let equal = try aggregation.combine(
            Sample.uploads([one] + shared, sizes: [1, 1, 2]), isLast: false, precision: .f32)
        #expect(equal.evidence.lost.all.lostShare < 1e-12)
    }

    /// Uploads of ranks 1, 2 and 3 with one alpha have scales alpha / r_k, which the products carry.
    @Test func ranksOfSitesCarryTheirScales() throws {
        var numbers = Numbers(14)
        let start = Sample.adapter(&numbers, rank: 3)
        let adapters = [1, 2, 3].map { Sample.adapter(&numbers, rank: $0) }
        var aggregation = Aggregation(.fedMedLoRA)
        aggregation.product = .svd
        let (combined, evidence) = try aggregation.combine(
            Sample.uploads(adapters, sizes: [1, 1, 1], start: start), isLast: false, precision: .f32)
        #expect(combined.configuration == start.configuration)
        #expect(evidence.cosines == nil)
        for place in Sample.shapes.indices {
            var sum = Dense(Sample.shapes[place].out, Sample.shapes[place].in)
            for adapter in adapters { sum = sum + (1.0 / 3) * Sample.product(adapter, place) }
            guard let values = sum.lapackSingularValues else { continue }
            let cut = values.dropFirst(3).reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(abs((sum - Sample.product(combined, place)).norm - cut) < 1e-6 * sum.norm)
        }
        // A site that takes the first directions has the best product of its rank, at its own scale.
        let cut = combined.cut(to: Sample.configuration(rank: 1))
        for place in Sample.shapes.indices {
            let whole = Sample.product(combined, place)
            guard let values = whole.lapackSingularValues else { continue }
            let rest = values.dropFirst(1).reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(abs((whole - Sample.product(cut, place)).norm - rest) < 1e-6 * whole.norm)
        }
    }

    @Test func refactoredProductIsTheSameAndItsAIsOrthonormal() throws {
        var numbers = Numbers(15)
        let start = Sample.adapter(&numbers, rank: 3)
        let adapters = (0..<3).map { _ in Sample.adapter(&numbers, rank: 3) }
        let plain = Aggregation(.fedMedLoRA)
        var aggregation = plain
        aggregation.refactor = .svd
        let uploads = try Sample.uploads(adapters, sizes: [1, 2, 3], start: start, frozen: .a)
        let mean = try plain.combine(uploads, isLast: false, precision: .f32)
        let turned = try aggregation.combine(uploads, isLast: false, precision: .f32)
        #expect(turned.evidence.lost.all.lostShare == 0)
        for place in Sample.shapes.indices {
            let product = Sample.product(mean.adapter, place)
            #expect((product - Sample.product(turned.adapter, place)).norm < 1e-6 * product.norm)
            let a = Sample.factors(turned.adapter, place).a
            let gram = a * a.transposed
            for i in 0..<3 { for j in 0..<3 { #expect(abs(gram[i, j] - (i == j ? 1 : 0)) < 1e-6) } }
        }
    }

    @Test func stackedUploadsAreTheWholeSum() throws {
        var numbers = Numbers(16)
        let adapters = (0..<3).map { _ in Sample.adapter(&numbers, rank: 2) }
        let sizes = [1, 2, 5]
        var aggregation = Aggregation(.fedMedLoRA)
        aggregation.product = .stacked
        let (combined, evidence) = try aggregation.combine(
            Sample.uploads(adapters, sizes: sizes), isLast: true, precision: .f32)
        #expect(combined.configuration.rank == 6)
        #expect(combined.configuration.scale == adapters[0].configuration.scale)
        #expect(evidence.lost.all.lostShare == 0)
        for place in Sample.shapes.indices {
            var sum = Dense(Sample.shapes[place].out, Sample.shapes[place].in)
            for (adapter, weight) in zip(adapters, Sample.weights(sizes)) {
                sum = sum + weight * Sample.product(adapter, place)
            }
            #expect((sum - Sample.product(combined, place)).norm < 1e-6 * sum.norm)
        }
        // Before the last round it is the mean.
        let before = try aggregation.combine(Sample.uploads(adapters, sizes: sizes), isLast: false, precision: .f32)
        let mean = try Aggregation(.fedMedLoRA).combine(
            Sample.uploads(adapters, sizes: sizes), isLast: false, precision: .f32)
        #expect(before.adapter == mean.adapter)
    }
}
