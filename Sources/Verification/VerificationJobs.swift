// VerificationJobs: parts of a verification that do not wait for each other, made on all processors. Each worker reads through a
// ledger of its own; what was found is put together in the order in which the jobs were asked for, whoever made them.

import Dispatch
import Faults
import GitLedger
import RunRecords
import Synchronization

/// What a job finds, once the jobs have run.
final class JobResult<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, Fault>?>(nil)

    fileprivate func keep(_ found: Result<Value, Fault>) { result.withLock { $0 = found } }

    /// The value, or the fault that the job ended with.
    func value() throws(Fault) -> Value {
        guard let found = result.withLock({ $0 }) else { preconditionFailure("a job is asked before it has run") }
        return try found.get()
    }
}

/// Jobs to be made.
final class VerificationJobs: Sendable {
    private let jobs = Mutex<[@Sendable (Verifier) -> Void]>([])
    private let next = Atomic<Int>(0)

    /// Adds a job.
    package func add<Value: Sendable>(
        _ body: @escaping @Sendable (Verifier) throws(Fault) -> Value
    ) -> JobResult<Value> {
        let result = JobResult<Value>()
        jobs.withLock { jobs in
            jobs.append { verifier in
                do throws(Fault) {
                    result.keep(.success(try body(verifier)))
                } catch {
                    result.keep(.failure(error))
                }
            }
        }
        return result
    }

    /// Adds a job for each part of a list; the parts are as many as keep all processors busy to the end.
    package func add<Element: Sendable, Value: Sendable>(
        over list: [Element], _ body: @escaping @Sendable (Verifier, ArraySlice<Element>) throws(Fault) -> Value
    ) -> [JobResult<Value>] {
        let size = max(1, (list.count + 15) / 16)
        return stride(from: 0, to: list.count, by: size).map { start in
            let part = list[start..<min(list.count, start + size)]
            return add { (verifier) throws(Fault) in try body(verifier, part) }
        }
    }

    /// Makes all jobs, each once.
    func run(_ verifier: Verifier) {
        let jobs = jobs.withLock { $0 }
        DispatchQueue.concurrentPerform(iterations: max(1, min(Machine.processors, jobs.count))) { worker in
            // A ledger that does not open twice is read by one worker alone.
            guard let own = worker == 0 ? verifier : verifier.reopened() else { return }
            while true {
                let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                if index >= jobs.count { return }
                jobs[index](own)
            }
        }
    }
}

extension [JobResult<[Fault]>] {
    /// The faults of all parts in order, or the first fault that a part ended with.
    func joined() throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        for part in self { faults += try part.value() }
        return faults
    }
}
