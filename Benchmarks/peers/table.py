"""The table of Benchmarks/peers/run.sh: medians over turns, and ours over the peer's."""
import datetime
import json
import pathlib
import platform
import statistics
import sys

folder = pathlib.Path(sys.argv[1])
found = {}
for file in folder.iterdir():
    turns = [json.loads(line) for line in file.read_text().splitlines() if line.startswith("{")]
    found[file.name] = {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
             platform.processor())
some = next(iter(found.values()))
print(f"{datetime.date.today()}, {model}, {some['threads']:.0f} threads; medians of turns taken one after the other\n")
print("| trainer | step | tokens/s | records/s | start to end of first step | peak memory |")
print("| --- | --- | --- | --- | --- | --- |")
for name in sorted(found):
    f = found[name]
    print(f"| {name} | {f['step_seconds']:.3f} s | {f['tokens_per_second']:.0f} | {f['records_per_second']:.2f} "
          f"| {f['first_step_seconds']:.2f} s | {f['peak_gigabytes']:.2f} GB |")
print()


def ratio(what, ours, peer, key):
    if ours in found and peer in found:
        print(f"{what}: {found[ours][key] / found[peer][key]:.2f}")


ratio("exact over PEFT float32, tokens/s", "ours-exact", "peft-f32", "tokens_per_second")
ratio("fast over PEFT autocast, tokens/s", "ours-fast", "peft-bf16", "tokens_per_second")
ratio("real records, fast over PEFT autocast, records/s", "ours-records", "peft-records", "records_per_second")
ratio("real records, PEFT's peak memory over ours", "peft-records", "ours-records", "peak_gigabytes")
ratio("exact, two threads over one", "ours-exact", "ours-one-thread", "tokens_per_second")
ratio("fast, two threads over one", "ours-fast", "ours-fast-one-thread", "tokens_per_second")
