// Machine: what timing.json says of the computer. Never part of a record, since another computer must reproduce it.

import CBuild
import Digests
import Federation
import Foundation
import LocalFiles

/// The computer a step ran on.
public enum Machine {
    /// The processor by the numbers that it gives of itself: its model name is free text, which no file of a run holds.
    package static let processor: JSONValue = {
        var numbers: [String: Int64] = [:]
        var vendor = "unknown"
        let text = LocalFile.readIfPresent("/proc/cpuinfo").map { String(decoding: $0, as: UTF8.self) } ?? ""
        // The first processor's paragraph: all are alike.
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).prefix(while: { !$0.isEmpty }) {
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "vendor_id": if RecordShape.vendors.contains(parts[1]) { vendor = parts[1] }
            case "cpu family": numbers["family"] = Int64(parts[1])
            case "model": numbers["model"] = Int64(parts[1])
            case "stepping": numbers["stepping"] = Int64(parts[1])
            default: continue
            }
        }
        return [
            "vendor": .string(vendor), "family": .integer(numbers["family"] ?? 0),
            "model": .integer(numbers["model"] ?? 0), "stepping": .integer(numbers["stepping"] ?? 0),
        ]
    }()

    /// The processor's model name as the system gives it, or `unknown`; for a screen of this machine, never for a file of a run.
    public static let processorName: String = {
        let text = LocalFile.readIfPresent("/proc/cpuinfo").map { String(decoding: $0, as: UTF8.self) } ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":", maxSplits: 1).last?.trimmingCharacters(in: .whitespaces) ?? "unknown"
    }()

    /// The largest resident set of this process so far, in bytes.
    public static var peakMemory: Int {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
        return Int(usage.ru_maxrss) * 1024
    }

    /// The SHA-256 of the running program's file, or `unknown`: what computed, beyond the version it calls itself.
    public static let program: String = {
        LocalFile.readIfPresent("/proc/self/exe").map { Digest.sha256($0).hex } ?? "unknown"
    }()

    /// The git commit that the program was built from, with `+changes` where the checkout differed from it, or `unknown` where the build was
    /// not told.
    public static let source = String(cString: build_source())

    /// How many processors this process may use.
    public static var processors: Int { max(1, ProcessInfo.processInfo.activeProcessorCount) }
}

/// Measures one step for its timing.json.
package struct StepClock {
    private let start = ContinuousClock.now
    private let started = Date()

    package init() {}

    /// Seconds since the clock was made.
    var seconds: Double {
        let elapsed = ContinuousClock.now - start
        return Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    }

    /// The timing file: what is not deterministic, so neither replayed nor part of State-SHA256.
    package func timing(threads: Int, rates: [String: Double] = [:]) -> JSONValue {
        let seconds = self.seconds
        var members: [String: JSONValue] = [
            "started": .string(Self.utc(started)), "seconds": .number((seconds * 1000).rounded() / 1000),
            "threads": .integer(Int64(threads)), "peak_memory_bytes": .integer(Int64(Machine.peakMemory)),
            "processor": Machine.processor, "program_sha256": .string(Machine.program),
            "program_source": .string(Machine.source),
        ]
        for (name, count) in rates where seconds > 0 {
            members["\(name)_per_second"] = .number((count / seconds * 100).rounded() / 100)
        }
        return .object(members)
    }

    /// `2026-11-28T08:30:00Z`, the form of times in timing.json.
    package static func utc(_ date: Date) -> String {
        let formatter = ISO8601DateFormatter()
        return formatter.string(from: date)
    }
}
