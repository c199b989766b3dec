#!/usr/bin/env bash
# Our training steps and PEFT's on the same machine in one sitting, taking turns; prints machine, threads, medians, ratios.
#
#   Benchmarks/peers/run.sh [--turns N] [--python PATH] [--sequences FILE]
#
# Without --python a virtual environment is made in Benchmarks/peers/venv, with torch, transformers, peft, gguf, accelerate.
# FILE holds real records as `medrounds bench sequences WORKFLOW --site S` prints them; without it that row is left out.
# The base model is MEDROUNDS_MODEL, or the one that `medrounds run` keeps in its cache.
set -euo pipefail
cd "$(dirname "$0")/../.."
turns=3 python="" sequences=""
while [ $# -gt 0 ]; do
    case "$1" in
        --turns) turns=$2; shift 2 ;;
        --python) python=$2; shift 2 ;;
        --sequences) sequences=$2; shift 2 ;;
        *) echo "unknown option $1" >&2; exit 2 ;;
    esac
done
if [ -z "$python" ]; then
    [ -x Benchmarks/peers/venv/bin/python ] || {
        python3 -m venv Benchmarks/peers/venv
        Benchmarks/peers/venv/bin/pip install --quiet torch transformers peft gguf accelerate
    }
    python=Benchmarks/peers/venv/bin/python
fi
swift build -c release --package-path Benchmarks --product step >&2
step=Benchmarks/.build/release/step
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# run NAME COMMAND...: a turn of one contestant; its last line is a JSON object.
run() {
    local name=$1
    shift
    "$@" 2>/dev/null | tail -n 1 >>"$out/$name"
    echo "$name: $(tail -n 1 "$out/$name")" >&2
}
for _ in $(seq "$turns"); do
    run ours-exact "$step" --steps 4
    run peft-f32 "$python" Benchmarks/peers/step.py f32 --steps 3
    run ours-fast "$step" --steps 6 --fast
    run peft-bf16 "$python" Benchmarks/peers/step.py bf16 --steps 3
    run ours-one-thread "$step" --steps 3 --threads 1
    run ours-fast-one-thread "$step" --steps 4 --threads 1 --fast
    if [ -n "$sequences" ]; then
        run ours-records "$step" --sequences "$sequences" --steps 12 --dropout 0.05 --fast
        run peft-records "$python" Benchmarks/peers/step.py bf16 --sequences "$sequences" --steps 5 --dropout 0.05
    fi
done
"$python" Benchmarks/peers/table.py "$out"
