// Memory for tensors: allocated before the loops, 64-byte aligned, freed together.

/// Owns float32 buffers until it goes away itself; whoever holds a pointer from it also holds the arena.
package final class Arena {
    private var blocks: [UnsafeMutableRawPointer] = []
    private let counting: Bool
    /// The bytes asked for so far.
    private(set) var byteCount = 0

    package init() { counting = false }

    /// One that only counts what it is asked for: what it gives out must not be touched.
    init(counting: Bool) { self.counting = counting }

    /// A zeroed buffer of at least `count` floats, 64-byte aligned.
    package func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
        let raw = bytes(max(count, 16) * MemoryLayout<Float>.stride)
        if counting { return raw.bindMemory(to: Float.self, capacity: 16) }
        return raw.initializeMemory(as: Float.self, repeating: 0, count: max(count, 16))
    }

    /// A zeroed buffer of at least `count` bfloat16 numbers, 64-byte aligned.
    func halves(_ count: Int) -> UnsafeMutablePointer<UInt16> {
        let raw = bytes(max(count, 32) * MemoryLayout<UInt16>.stride)
        if counting { return raw.bindMemory(to: UInt16.self, capacity: 32) }
        return raw.initializeMemory(as: UInt16.self, repeating: 0, count: max(count, 32))
    }

    /// An uninitialised buffer, 64-byte aligned.
    func bytes(_ count: Int) -> UnsafeMutableRawPointer {
        byteCount += max(count, 64)
        if counting, let block = blocks.first { return block }
        let raw = UnsafeMutableRawPointer.allocate(byteCount: counting ? 64 : max(count, 64), alignment: 64)
        blocks.append(raw)
        return raw
    }

    deinit { for block in blocks { block.deallocate() } }
}
