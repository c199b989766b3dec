// Shelf: a cache of what was read last, up to a number of bytes. A few bytes of a hostile repository can expand to very many.

/// A dictionary that forgets everything when its contents' sizes pass a limit.
struct Shelf<Key: Hashable, Value> {
    private var contents: [Key: Value] = [:]
    private var size = 0
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    subscript(key: Key) -> Value? { contents[key] }

    /// Keeps a value that takes about this many bytes.
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
