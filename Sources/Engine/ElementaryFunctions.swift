// exp, log, sine and cosine of a Double by IEEE arithmetic alone, so that tables and schedules have the same bits everywhere. They serve
// set-up work; hot loops use the float32 functions of CKernels.

/// Elementary functions whose result does not depend on the system's mathematics library (error below 2e-16 relative
/// to 1 over the ranges the engine uses).
package enum Elementary {
    /// e^x for |x| < 700.
    package static func exp(_ x: Double) -> Double {
        let k = (x * 1.4426950408889634).rounded()
        let r = (x - k * 0.6931471803691238) - k * 1.9082149292705877e-10
        var sum = 1.0
        for n in stride(from: 18.0, through: 1.0, by: -1.0) { sum = 1 + sum * r / n }
        return Double(sign: .plus, exponent: Int(k), significand: sum)
    }

    /// The natural logarithm of a positive finite number, by 2 artanh((m - 1) / (m + 1)).
    package static func log(_ x: Double) -> Double {
        var m = x.significand
        var e = Double(x.exponent)
        if m > 1.4142135623730951 {
            m /= 2
            e += 1
        }
        let s = (m - 1) / (m + 1)
        var sum = 0.0
        for n in stride(from: 25.0, through: 1.0, by: -2.0) { sum = sum * s * s + 1 / n }
        return e * 0.6931471803691238 + (e * 1.9082149292705877e-10 + 2 * s * sum)
    }

    /// Sine and cosine for |x| < 10^6: reduction to [-pi/4, pi/4] by a three-part pi/2, then the Taylor series.
    package static func sineAndCosine(_ x: Double) -> (sine: Double, cosine: Double) {
        let k = (x * 0.6366197723675814).rounded()
        // The first two parts have 33 bits each, so that k times them is exact.
        let r = ((x - k * 1.5707963267341256) - k * 6.077100506303966e-11) - k * 2.0222662487959506e-21
        var sine = 1.0
        var cosine = 1.0
        for n in stride(from: 20.0, through: 2.0, by: -2.0) {
            sine = 1 - sine * r * r / (n * (n + 1))
            cosine = 1 - cosine * r * r / ((n - 1) * n)
        }
        sine *= r
        switch Int(k) & 3 {
        case 0: return (sine, cosine)
        case 1: return (cosine, -sine)
        case 2: return (-sine, -cosine)
        default: return (-cosine, sine)
        }
    }
}
