// Where tests find the goldens.

import Foundation

enum Fixtures {
    /// The goldens of these tests.
    static let ownGoldens = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Goldens"
}
