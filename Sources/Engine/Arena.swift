// Memory for tensors: allocated before the loops, 64-byte aligned, freed together.

/// Owns float32 buffers until it goes away itself; whoever holds a pointer from it also holds the arena.
package final class Arena {
    private var blocks: [UnsafeMutableRawPointer] = []

    package init() {}

    /// A zeroed buffer of at least `count` floats, 64-byte aligned.
    package func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
        let raw = bytes(max(count, 16) * MemoryLayout<Float>.stride)
        return raw.initializeMemory(as: Float.self, repeating: 0, count: max(count, 16))
    }

    /// A zeroed buffer of at least `count` bfloat16 numbers, 64-byte aligned.
    func halves(_ count: Int) -> UnsafeMutablePointer<UInt16> {
        let raw = bytes(max(count, 32) * MemoryLayout<UInt16>.stride)
        return raw.initializeMemory(as: UInt16.self, repeating: 0, count: max(count, 32))
    }

    /// An uninitialised buffer, 64-byte aligned.
    func bytes(_ count: Int) -> UnsafeMutableRawPointer {
        let raw = UnsafeMutableRawPointer.allocate(byteCount: max(count, 64), alignment: 64)
        blocks.append(raw)
        return raw
    }

    deinit { for block in blocks { block.deallocate() } }
}
