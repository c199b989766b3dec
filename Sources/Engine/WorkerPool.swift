// WorkerPool: threads that wait for short pieces of parallel work. A layer has about thirty pieces, and some take less time than it takes
// to wake a thread, so a helper thread looks for the next piece for a moment before it sleeps.

import CKernels
import Dispatch
import Synchronization

/// Helper threads beside the calling thread. One job at a time, from one thread at a time.
///
/// Unchecked Sendable: the owner writes `job` only while the state says closed; helpers read it only after they entered an open job and
/// before they leave it; the owner returns when the job is closed and no helper is inside.
final class WorkerPool: @unchecked Sendable {
    /// What helpers run: a pointer to the owner's closure, and the number of tasks.
    private struct Job {
        var body: UnsafePointer<(Int, Int) -> Void>?
        var tasks = 0
    }

    /// Bit 0: open; bits 1 to 16: number of helpers inside; above: the job's number.
    private let state = Atomic<Int>(0)
    private let next = Atomic<Int>(0)
    private let stopped = Atomic<Bool>(false)
    private let sleeping: [Sleeper]
    private let ended = DispatchGroup()
    private var job = Job()
    private var number = 0

    /// Where one helper sleeps: the helper sets `isAsleep`, and the thread that wakes the helper clears it.
    private final class Sleeper: Sendable {
        let isAsleep = Atomic<Bool>(false)
        let wake = DispatchSemaphore(value: 0)
    }

    init(helpers: Int) {
        sleeping = (0..<helpers).map { _ in Sleeper() }
    }

    /// Starts the helpers; `stop` ends them. It is separate from `init`, because the helpers' closures hold the pool.
    func start() {
        for helper in sleeping.indices {
            DispatchQueue.global().async(group: ended) { self.help(helper) }
        }
    }

    /// Ends the helpers and waits for them.
    func stop() {
        stopped.store(true, ordering: .sequentiallyConsistent)
        for sleeper in sleeping { wake(sleeper) }
        ended.wait()
    }

    /// Calls body(task, worker) for every task; worker 0 is the calling thread. A helper that comes too late is not waited for.
    func run(_ tasks: Int, _ body: (Int, Int) -> Void) {
        withoutActuallyEscaping(body) { body in
            withUnsafePointer(to: body) { body in
                job = Job(body: body, tasks: tasks)
                next.store(0, ordering: .relaxed)
                number += 1
                state.store(number << 17 | 1, ordering: .sequentiallyConsistent)
                for sleeper in sleeping { wake(sleeper) }
                work(0)
                _ = state.bitwiseAnd(~1, ordering: .acquiringAndReleasing)
                var turn: Int32 = 0
                while state.load(ordering: .acquiring) & 0x1fffe != 0 {
                    kernel_wait(turn)
                    turn += 1
                }
            }
        }
    }

    private func wake(_ sleeper: Sleeper) {
        if sleeper.isAsleep.exchange(false, ordering: .sequentiallyConsistent) { sleeper.wake.signal() }
    }

    /// Takes tasks while there are any. Not inlined, so that no reference to the owner's closure outlives it.
    @inline(never)
    private func work(_ worker: Int) {
        guard let body = job.body else { return }
        let tasks = job.tasks
        while true {
            let task = next.wrappingAdd(1, ordering: .relaxed).oldValue
            if task >= tasks { return }
            body.pointee(task, worker)
        }
    }

    private func help(_ helper: Int) {
        let sleeper = sleeping[helper]
        let spins = kernel_wait_spins()
        var done = 0
        var turn: Int32 = 0
        while !stopped.load(ordering: .sequentiallyConsistent) {
            let seen = state.load(ordering: .acquiring)
            if seen & 1 == 1, seen >> 17 != done {
                let entry = state.compareExchange(expected: seen, desired: seen + 2, ordering: .acquiringAndReleasing)
                guard entry.exchanged else { continue }
                done = seen >> 17
                work(helper + 1)
                _ = state.wrappingSubtract(2, ordering: .acquiringAndReleasing)
                turn = 0
            } else if turn < spins {
                kernel_wait(turn)
                turn += 1
            } else {
                sleep(sleeper, done)
                turn = 0
            }
        }
    }

    /// Sleeps, unless a new job or the end has come in the meantime.
    private func sleep(_ sleeper: Sleeper, _ done: Int) {
        sleeper.isAsleep.store(true, ordering: .sequentiallyConsistent)
        let seen = state.load(ordering: .sequentiallyConsistent)
        let called = stopped.load(ordering: .sequentiallyConsistent) || (seen & 1 == 1 && seen >> 17 != done)
        if called, sleeper.isAsleep.exchange(false, ordering: .sequentiallyConsistent) { return }
        sleeper.wake.wait()
    }
}
