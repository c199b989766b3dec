// The entry points that libFuzzer calls. MEDROUNDS_READER names the reader; scripts/fuzz.sh builds and starts this.

import FuzzReaders
import Glibc

private let reader: Reader = {
    let name = getenv("MEDROUNDS_READER").map { String(cString: $0) } ?? ""
    guard let reader = Reader.all.first(where: { $0.name == name }) else {
        say("MEDROUNDS_READER is none of \(Reader.all.map(\.name).joined(separator: " "))")
        exit(2)
    }
    return reader
}()

private func say(_ text: String) {
    let line = Array("\(text)\n".utf8)
    _ = write(2, line, line.count)
}

/// Lets the process take 512 MB more than it has now, so that a false count which is believed ends the process.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_ count: UnsafeMutableRawPointer?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    _ = reader
    var pages = 0
    if let file = fopen("/proc/self/statm", "r") {
        var line = [CChar](repeating: 0, count: 256)
        if fgets(&line, 256, file) != nil { pages = atol(line) }
        fclose(file)
    }
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    limit.rlim_cur = rlim_t(pages * Int(sysconf(Int32(_SC_PAGESIZE))) + 512 << 20)
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    return 0
}

/// Reads one input. A value or a Fault of the reader is correct; anything else ends the process, so that libFuzzer keeps the input.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    do {
        _ = try reader.accepts(input)
    } catch {
        say("\(reader.name): \(error)")
        abort()
    }
    return 0
}

@_silgen_name("LLVMFuzzerMutate")
private func mutateBytes(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ limit: Int) -> Int

/// A change of the input: libFuzzer's own, or one that knows the grammar.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutate(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ limit: Int, _ seed: UInt32) -> Int {
    guard seed % 2 == 0 else { return mutateBytes(bytes, count, limit) }
    var generator = SeededGenerator(state: UInt64(seed))
    var input = Array(UnsafeBufferPointer(start: bytes, count: count))
    for _ in 0...Int.random(in: 0..<3, using: &generator) {
        reader.grammar.mutate(&input, limit: limit, &generator)
    }
    input.withUnsafeBufferPointer { changed in
        if let start = changed.baseAddress { bytes.update(from: start, count: changed.count) }
    }
    return input.count
}
