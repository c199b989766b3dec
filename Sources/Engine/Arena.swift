// Memory for tensors: allocated before the loops, 64-byte aligned, freed together.

import Faults
import Glibc

/// Owns its buffers for as long as it exists; anyone who holds a pointer from it must also hold the arena.
///
/// Sizes are given as factors, since a model file may declare any size: their product is checked, and memory that cannot be had is the
/// fault engine.memory.
package final class Arena {
    /// A buffer of at least this many bytes comes from the operating system. Its pages are zeroed by the thread that first writes to them,
    /// not by the thread that asks for the buffer.
    private static let mapped = 1 << 20

    private var blocks: [UnsafeMutableRawPointer] = []
    private var mappings: [UnsafeMutableRawBufferPointer] = []
    private let counting: Bool
    /// The bytes asked for so far.
    package private(set) var byteCount = 0
    /// The part of these bytes that counts against the machine's memory.
    private var taken = 0

    package init() { counting = false }

    /// An arena that only counts the bytes it is asked for: nobody may touch the buffers that it returns.
    init(counting: Bool) { self.counting = counting }

    /// A zeroed buffer of at least as many floats as the product of the factors, 64-byte aligned.
    package func floats(_ factors: Int...) throws(Fault) -> UnsafeMutablePointer<Float> {
        try zeroed(factors, of: Float.self)
    }

    /// The same for bfloat16 numbers.
    package func halves(_ factors: Int...) throws(Fault) -> UnsafeMutablePointer<UInt16> {
        try zeroed(factors, of: UInt16.self)
    }

    /// The same for pairs of bfloat16 numbers.
    func pairs(_ factors: Int...) throws(Fault) -> UnsafeMutablePointer<UInt32> {
        try zeroed(factors, of: UInt32.self)
    }

    /// The same for elements of any trivial type that may be all zero bits.
    func zeroed<Element: BitwiseCopyable>(
        _ factors: [Int], of type: Element.Type
    ) throws(Fault) -> UnsafeMutablePointer<Element> {
        let bytes = try MachineMemory.product(factors + [MemoryLayout<Element>.stride])
        let raw = try allocate(bytes, reserving: false)
        if !counting, bytes < Self.mapped { raw.initializeMemory(as: UInt8.self, repeating: 0, count: max(bytes, 64)) }
        return raw.assumingMemoryBound(to: Element.self)
    }

    /// An uninitialised buffer, 64-byte aligned.
    func bytes(_ factors: Int...) throws(Fault) -> UnsafeMutableRawPointer {
        try allocate(MachineMemory.product(factors), reserving: false)
    }

    /// An uninitialised buffer of floats of which only a small part may be used. Pages that nobody touches cost nothing, so the buffer is
    /// not counted against the machine's memory; only the system itself may refuse it.
    package func reserve(_ factors: Int...) throws(Fault) -> UnsafeMutablePointer<Float> {
        try allocate(MachineMemory.product(factors + [MemoryLayout<Float>.stride]), reserving: true)
            .assumingMemoryBound(to: Float.self)
    }

    private func allocate(_ asked: Int, reserving: Bool) throws(Fault) -> UnsafeMutableRawPointer {
        let count = max(asked, 64)
        let (sum, overflow) = byteCount.addingReportingOverflow(count)
        guard !overflow else { throw .memory(nil, held: byteCount, limit: MachineMemory.limit) }
        if counting, let block = blocks.first {
            byteCount = sum
            return block
        }
        let size = counting ? 64 : count
        if !reserving { try MachineMemory.take(size) }
        guard let raw = size >= Self.mapped ? Self.map(size) : Glibc.aligned_alloc(64, (size + 63) / 64 * 64) else {
            if !reserving { MachineMemory.give(size) }
            throw .memory(size, held: byteCount, limit: MachineMemory.limit)
        }
        if !reserving { taken += size }
        byteCount = sum
        if size >= Self.mapped {
            mappings.append(UnsafeMutableRawBufferPointer(start: raw, count: size))
        } else {
            blocks.append(raw)
        }
        return raw
    }

    private static func map(_ count: Int) -> UnsafeMutableRawPointer? {
        let map = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        return map == MAP_FAILED ? nil : map
    }

    deinit {
        for block in blocks { free(block) }
        for map in mappings { munmap(map.baseAddress, map.count) }
        MachineMemory.give(taken)
    }
}
