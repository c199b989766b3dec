// An answer taken up again from where it was kept, in place of decoding it a second time.

extension Generation {
    /// An answer that was decoded before.
    package init(kept tokens: [Int32], ending: Ending) {
        self.init(tokens: tokens, ending: ending)
    }
}
