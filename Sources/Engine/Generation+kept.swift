// An answer that was kept earlier and is used again, so that it need not be decoded a second time.

extension Generation {
    /// An answer that was decoded before.
    package init(kept tokens: [Int32], ending: Ending) {
        self.init(tokens: tokens, ending: ending)
    }
}
