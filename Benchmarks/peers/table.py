"""The table of Benchmarks/peers/run.sh: medians over turns, and our figures divided by the peer's."""
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
columns = {
    "step": ("step_seconds", "{:.3f} s"), "tokens/s": ("tokens_per_second", "{:.0f}"),
    "records/s": ("records_per_second", "{:.2f}"), "start to end of first step": ("first_step_seconds", "{:.2f} s"),
    "peak memory": ("peak_gigabytes", "{:.2f} GB")}
print("| contestant | " + " | ".join(columns) + " |")
print("| --- |" + " --- |" * len(columns))
for name in sorted(found):
    cells = [form.format(found[name][key]) if key in found[name] else "" for key, form in columns.values()]
    print(f"| {name} | " + " | ".join(cells) + " |")
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
ratio("decoding, batch 1, over llama.cpp, tokens/s", "decode-ours", "decode-llama", "tokens_per_second")
ratio("the same with copied guesses on NER answers", "decode-ours-copied", "decode-llama", "tokens_per_second")
ratio("decoding 256 NER records over transformers, records/s", "decode-ours-records", "decode-peft", "records_per_second")
