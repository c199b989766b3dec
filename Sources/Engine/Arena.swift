// Memory for tensors: allocated before the loops, 64-byte aligned, freed together.

import Glibc

/// Owns float32 buffers until it goes away itself; whoever holds a pointer from it also holds the arena.
package final class Arena {
    /// A buffer of so many bytes comes from the kernel, zeroed where it is first touched: by the threads that work on it, not by
    /// the one that asks.
    private static let mapped = 1 << 20

    private var blocks: [UnsafeMutableRawPointer] = []
    private var mappings: [UnsafeMutableRawBufferPointer] = []
    private let counting: Bool
    /// The bytes asked for so far.
    private(set) var byteCount = 0

    package init() { counting = false }

    /// One that only counts what it is asked for: what it gives out must not be touched.
    init(counting: Bool) { self.counting = counting }

    /// A zeroed buffer of at least `count` floats, 64-byte aligned.
    package func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
        zeroed(max(count, 16) * MemoryLayout<Float>.stride).assumingMemoryBound(to: Float.self)
    }

    /// A zeroed buffer of at least `count` bfloat16 numbers, 64-byte aligned.
    package func halves(_ count: Int) -> UnsafeMutablePointer<UInt16> {
        zeroed(max(count, 32) * MemoryLayout<UInt16>.stride).assumingMemoryBound(to: UInt16.self)
    }

    /// A zeroed buffer of at least `count` pairs of bfloat16 numbers, 64-byte aligned.
    func pairs(_ count: Int) -> UnsafeMutablePointer<UInt32> {
        zeroed(max(count, 16) * MemoryLayout<UInt32>.stride).assumingMemoryBound(to: UInt32.self)
    }

    /// An uninitialised buffer, 64-byte aligned.
    func bytes(_ count: Int) -> UnsafeMutableRawPointer {
        byteCount += max(count, 64)
        if counting, let block = blocks.first { return block }
        if !counting, count >= Self.mapped {
            let map = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            guard let map, map != MAP_FAILED else { fatalError("no memory for \(count) bytes") }
            mappings.append(UnsafeMutableRawBufferPointer(start: map, count: count))
            return map
        }
        let raw = UnsafeMutableRawPointer.allocate(byteCount: counting ? 64 : max(count, 64), alignment: 64)
        blocks.append(raw)
        return raw
    }

    private func zeroed(_ count: Int) -> UnsafeMutableRawPointer {
        let raw = bytes(count)
        if !counting, count < Self.mapped { raw.initializeMemory(as: UInt8.self, repeating: 0, count: count) }
        return raw
    }

    deinit {
        for block in blocks { block.deallocate() }
        for map in mappings { munmap(map.baseAddress, map.count) }
    }
}
