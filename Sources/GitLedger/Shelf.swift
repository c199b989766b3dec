// Shelf: what was read last, up to a number of bytes. A hostile repository holds few bytes that stand for many.

/// A dictionary that forgets everything when its contents' sizes pass a limit.
struct Shelf<Key: Hashable, Value> {
    private var contents: [Key: Value] = [:]
    private var size = 0
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    subscript(key: Key) -> Value? { contents[key] }

    /// Keeps a value that takes about so many bytes.
    mutating func keep(_ value: Value, as key: Key, size added: Int) {
        if size + added > limit { removeAll() }
        guard added <= limit else { return }
        contents[key] = value
        size += added
    }

    mutating func removeAll() {
        contents.removeAll(keepingCapacity: true)
        size = 0
    }
}
