// MachineMemory: how much memory this machine gives a process, and how much of it the arenas hold. The system promises more memory than it
// has and ends a process that uses it, so each request is compared here with what the machine has.

import Faults
import Glibc
import Synchronization

enum MachineMemory {
    /// Bytes of memory and swap of this machine, or fewer where a control group sets a lower limit.
    static let limit: Int = min(installed, controlGroup)

    /// The bytes that all living arenas hold.
    private static let held = Atomic<Int>(0)

    /// Counts bytes that are about to be allocated. Faults: engine.memory.
    static func take(_ bytes: Int) throws(Fault) {
        let before = held.wrappingAdd(bytes, ordering: .relaxed).oldValue
        guard bytes <= limit - before else {
            give(bytes)
            throw .memory(bytes, held: before, limit: limit)
        }
    }

    /// Counts bytes that were freed.
    static func give(_ bytes: Int) { held.wrappingSubtract(bytes, ordering: .relaxed) }

    /// Refuses arrays that would not fit beside the arenas, before they are made. Faults: engine.memory.
    static func require(_ factors: Int...) throws(Fault) {
        let bytes = try product(factors)
        let before = held.load(ordering: .relaxed)
        guard bytes <= limit - before else { throw .memory(bytes, held: before, limit: limit) }
    }

    /// The product of sizes, each 0 or more. Faults: engine.memory where it does not fit an Int.
    static func product(_ factors: [Int]) throws(Fault) -> Int {
        if factors.contains(0) { return 0 }
        var product = 1
        for factor in factors {
            let (next, overflow) = product.multipliedReportingOverflow(by: factor)
            guard !overflow, factor >= 0 else { throw .memory(nil, held: held.load(ordering: .relaxed), limit: limit) }
            product = next
        }
        return product
    }

    private static var installed: Int {
        let (memory, overflow) = sysconf(Int32(_SC_PHYS_PAGES)).multipliedReportingOverflow(
            by: sysconf(Int32(_SC_PAGESIZE)))
        guard !overflow, memory > 0 else { return .max }
        let swap = head(of: "/proc/meminfo").split(separator: "\n").first { $0.hasPrefix("SwapTotal:") }
        let kilobytes = swap.flatMap { $0.split(separator: " ").dropFirst().first }.flatMap { Int($0) } ?? 0
        return memory + max(0, min(kilobytes, 1 << 40)) * 1024
    }

    /// The limit of the control group that a container runs in (version 2 or version 1). "max" means no limit.
    private static var controlGroup: Int {
        for path in ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"] {
            if let limit = head(of: path).split(separator: "\n").first.flatMap({ Int($0) }), limit > 0 { return limit }
        }
        return .max
    }

    /// The first 4 KiB of a file of the system; empty where there is none.
    private static func head(of path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
