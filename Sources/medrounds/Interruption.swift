// Interruption: Ctrl-C asks the run to stop after what it is doing; a second one ends the process at once.

import AuditCommands
import Foundation
import Synchronization

/// Set by the signal handler, read between training steps. An atomic: the handler may run on any thread at any time.
private let interrupted = Atomic<Int>(0)

enum Interruption {
    /// Takes over SIGINT, SIGTERM and SIGHUP, which a lost connection sends.
    static func watch() {
        signal(SIGINT, handleInterruption)
        signal(SIGTERM, handleInterruption)
        signal(SIGHUP, handleInterruption)
        // A parent may hand down a mask that blocks them, as threads of a dispatch pool do.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGHUP)
        pthread_sigmask(Int32(SIG_UNBLOCK), &signals, nil)
    }

    /// Whether the person asked to stop.
    static var requested: Bool { interrupted.load(ordering: .relaxed) > 0 }
}

/// A C callback has to be a top-level function: it may run on a thread that Swift knows nothing of.
private func handleInterruption(_ signal: Int32) {
    if interrupted.add(1, ordering: .relaxed).oldValue >= 1 { _exit(130) }
}
