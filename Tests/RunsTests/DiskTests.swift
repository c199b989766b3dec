// A disk that is really full, and one that is read-only: file systems of the test's own, mounted where nobody else sees them.

import Foundation
import Testing

/// File systems of a process's own.
private enum Mounting {
    /// How to begin a process that may mount; nil where nothing allows it.
    static let namespace: [String]? = [["unshare", "-m"], ["unshare", "-Urm"]].first { command in
        let tried = try? TinyFederation.run(
            "/usr/bin/env", command + ["sh", "-c", "mount -t tmpfs -o size=64k none /mnt"],
            in: NSTemporaryDirectory())
        return tried?.code == 0
    }
}

@Suite(
    .enabled(if: Mounting.namespace != nil, "needs root or user namespaces, to mount a small disk"))
struct DiskTests {
    /// Runs a shell script in which `$medrounds` is the program and `state RUN` prints a run's State-SHA256.
    private func shell(_ script: String, in federation: TinyFederation) throws -> Finished {
        let prelude = """
            set -u
            medrounds='\(TinyFederation.program)'
            state() { git --git-dir=rounds/ledger.git log -1 --format='%(trailers:key=State-SHA256,valueonly)' "runs/$1"; }
            go_on() {
                if git --git-dir=rounds/ledger.git rev-parse -q --verify "refs/heads/runs/$1.published" >/dev/null 2>&1; then
                    "$medrounds" run tiny.yaml --name "$1" --quiet --resume >/dev/null
                else
                    "$medrounds" run tiny.yaml --name "$1" --quiet >/dev/null
                fi
            }

            """
        return try TinyFederation.run(
            "/usr/bin/env", (Mounting.namespace ?? []) + ["bash", "-c", prelude + script], in: federation.folder)
    }

    @Test func aFullDiskLosesNothing() throws {
        let federation = try TinyFederation()
        let finished = try shell(
            """
            mkdir -p keep rounds
            mount -t tmpfs -o size=64m none keep
            cd keep && cp -r ../data ../template.yaml ../tiny.gguf ../tiny.yaml . && mkdir rounds
            go_on whole || exit 9
            mkdir -p ../keys && cp -a rounds/work/keys ../keys
            whole=$(state whole)
            for size in 32 64 128 192 256 320 384 448 512 640 768; do
                mount -t tmpfs -o size=${size}k none rounds
                mkdir -p rounds/work && cp -a ../keys/keys rounds/work
                if go_on full 2>errors; then echo "fits $size"; umount rounds; break; fi
                grep -q '\\[' errors || { echo "no fault at $size"; cat errors; }
                mount -o remount,size=64m rounds
                go_on full || echo "not mended at $size"
                [ "$(state full)" = "$whole" ] || echo "another state at $size"
                git --git-dir=rounds/ledger.git fsck --strict --no-dangling 2>&1 | grep -v '^notice: HEAD'
                echo "mended $size"
                umount rounds
            done
            """, in: federation)
        let lines = finished.out.split(separator: "\n").map(String.init)
        #expect(finished.code == 0, "\(finished.out)\(finished.err)")
        #expect(lines.allSatisfy { $0.hasPrefix("mended ") || $0.hasPrefix("fits ") }, "\(finished.out)\(finished.err)")
        #expect(lines.count { $0.hasPrefix("mended ") } >= 3, "\(finished.out)")
    }

    /// The disk of a site on another machine is full in the middle of a run, which goes on to the same adapter once there is room.
    @Test func aSitesFullDiskLosesNothing() throws {
        let machines = try Machines()
        let finished = try shell(
            """
            site() { (cd "$1" && "$medrounds" site run site.yaml --once --quiet) >once 2>&1; }
            adapter() { git --git-dir=rounds/ledger.git rev-parse "runs/$1:adapter.safetensors"; }
            federation() {
                "$medrounds" run tiny.yaml --name "$1" --quiet >run.log 2>&1 &
                coordinator=$!
                for turn in $(seq 60); do
                    kill -0 $coordinator 2>/dev/null || break
                    if ! site "$2" && grep -q 'not-writable' once; then
                        echo "full at $1"
                        mount -o remount,size=64m small
                    fi
                    site west
                done
                kill $coordinator 2>/dev/null && echo "$1 does not end"
                wait $coordinator || cat run.log
            }
            federation whole east
            whole=$(adapter whole)
            for size in 60 160 320; do
                mkdir -p small && mount -t tmpfs -o size=${size}k none small
                cp -r east/notes small && sed 's|model: |model: ../east/|' east/site.yaml >small/site.yaml || echo "no room at $size"
                federation run$size small
                [ "$(adapter run$size)" = "$whole" ] || echo "another adapter at $size"
                "$medrounds" verify run$size --ledger small/ledger.git >verified || cat verified
                umount small
            done
            """, in: machines.coordinator)
        let lines = finished.out.split(separator: "\n").map(String.init)
        #expect(finished.code == 0 && !lines.isEmpty, "\(finished.out)\(finished.err)")
        #expect(lines.allSatisfy { $0.hasPrefix("full at run") }, "\(finished.out)\(finished.err)")
    }

    @Test func aReadOnlyDiskLosesNothing() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--name", "whole").code == 0)
        #expect(try federation.runAndKill(afterCommits: 3, "--name", "stuck"))
        let finished = try shell(
            """
            mount --bind rounds rounds && mount -o remount,ro,bind rounds
            go_on stuck 2>errors && echo "went on"
            grep -q '\\[' errors || { echo "no fault"; cat errors; }
            mount -o remount,rw,bind rounds
            go_on stuck || echo "not mended"
            [ "$(state stuck)" = "$(state whole)" ] || echo "another state"
            git --git-dir=rounds/ledger.git fsck --strict --no-dangling 2>&1 | grep -v '^notice: HEAD'
            true
            """, in: federation)
        #expect(finished.code == 0 && finished.out.isEmpty, "\(finished.out)\(finished.err)")
    }
}
