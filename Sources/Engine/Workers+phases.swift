// Phases: many short pieces of parallel work one after the other, as in a pass of few rows, in one parallel section.

import CKernels
import Synchronization

extension Workers {
    /// Calls body(phase, task, worker) for every task of every phase; a task begins when all earlier phases have ended.
    ///
    /// Tasks of all phases have consecutive numbers and are taken in that order. A task waits until the number of ended tasks equals the
    /// number of tasks before its phase. These are then exactly the tasks of earlier phases, since no task of a later phase can have ended.
    /// A thread waits only for tasks that other threads already work on. So nothing depends on the number of threads, and where threads are
    /// few or start late, the others do all the work.
    package func phases(_ tasks: [Int], _ body: (_ phase: Int, _ task: Int, _ worker: Int) -> Void) {
        var starts = [0]
        starts.reserveCapacity(tasks.count + 1)
        for count in tasks { starts.append(starts[starts.count - 1] + count) }
        let all = starts[tasks.count]
        if count == 1 {
            for phase in tasks.indices { for task in 0..<tasks[phase] { body(phase, task, 0) } }
            return
        }
        let next = Atomic<Int>(0)
        let ended = Atomic<Int>(0)
        let bounds = starts
        run(min(count, all)) { _, worker in
            var phase = 0
            while true {
                let ticket = next.wrappingAdd(1, ordering: .relaxed).oldValue
                if ticket >= all { return }
                while ticket >= bounds[phase + 1] { phase += 1 }
                var turn: Int32 = 0
                while ended.load(ordering: .acquiring) < bounds[phase] {
                    kernel_wait(turn)
                    turn += 1
                }
                body(phase, ticket - bounds[phase], worker)
                _ = ended.wrappingAdd(1, ordering: .acquiringAndReleasing)
            }
        }
    }

    /// Ranges of 0 ..< width, about `parts` of them; each but the last is a multiple of `unit`.
    static func ranges(_ width: Int, parts: Int, unit: Int) -> [Range<Int>] {
        let step = max(1, (width + parts * unit - 1) / (parts * unit)) * unit
        return stride(from: 0, to: width, by: step).map { $0..<min(width, $0 + step) }
    }
}
