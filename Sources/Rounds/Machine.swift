// Machine: what timing.json says of the computer. Never part of a record, since another computer must reproduce it.

import CBuild
import Digests
import Federation
import Foundation

/// The computer a step ran on.
public enum Machine {
    /// The processor's model name as the system gives it, or `unknown`.
    public static let processor: String = {
        guard let text = Files.readIfPresent("/proc/cpuinfo").map({ String(decoding: $0, as: UTF8.self) }) else {
            return "unknown"
        }
        for line in text.split(separator: "\n") where line.hasPrefix("model name") {
            return line.split(separator: ":", maxSplits: 1).last?.trimmingCharacters(in: .whitespaces) ?? "unknown"
        }
        return "unknown"
    }()

    /// The largest resident set of this process so far, in bytes.
    public static var peakMemory: Int {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
        return Int(usage.ru_maxrss) * 1024
    }

    /// The SHA-256 of the running program's file, or `unknown`: what computed, beyond the version it calls itself.
    public static let program: String = {
        Files.readIfPresent("/proc/self/exe").map { Digest.sha256($0).hex } ?? "unknown"
    }()

    /// The git commit that the program was built from, with `+changes` where the checkout differed from it, or `unknown` where the build was
    /// not told.
    public static let source = String(cString: build_source())

    /// How many processors this process may use.
    public static var processors: Int { max(1, ProcessInfo.processInfo.activeProcessorCount) }
}

/// Measures one step for its timing.json.
struct StepClock {
    private let start = ContinuousClock.now
    private let started = Date()

    /// Seconds since the clock was made.
    var seconds: Double {
        let elapsed = ContinuousClock.now - start
        return Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    }

    /// The timing file: what is not deterministic, so neither replayed nor part of State-SHA256.
    func timing(threads: Int, rates: [String: Double] = [:]) -> JSONValue {
        let seconds = self.seconds
        var members: [String: JSONValue] = [
            "started": .string(Self.utc(started)), "seconds": .number((seconds * 1000).rounded() / 1000),
            "threads": .integer(Int64(threads)), "peak_memory_bytes": .integer(Int64(Machine.peakMemory)),
            "processor": .string(Machine.processor), "program_sha256": .string(Machine.program),
            "program_source": .string(Machine.source),
        ]
        for (name, count) in rates where seconds > 0 {
            members["\(name)_per_second"] = .number((count / seconds * 100).rounded() / 100)
        }
        return .object(members)
    }

    private static func utc(_ date: Date) -> String {
        let formatter = ISO8601DateFormatter()
        return formatter.string(from: date)
    }
}
