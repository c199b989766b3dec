#!/usr/bin/env bash
# Runs our training steps and decoding and those of the peers on the same machine in one session, in turns; prints machine, threads, medians
# and ratios.
#
#   Benchmarks/peers/run.sh [--turns N] [--python PATH] [--sequences FILE] [--notes FOLDER --adapter FOLDER]
#
# Without --python a virtual environment is made in Benchmarks/peers/venv, with torch, transformers, peft, trl and llama.cpp.
# FILE holds real records as `medrounds bench sequences WORKFLOW --site S` prints them; without it those rows are left out. With annotated
# notes and a PEFT adapter that was trained on similar notes (`medrounds adapter export`), their NER records are decoded too.
# The base model is MEDROUNDS_MODEL, or the one that `medrounds run` keeps in its cache.
set -euo pipefail
cd "$(dirname "$0")/../.."
turns=3 python="" sequences="" notes="" adapter=""
while [ $# -gt 0 ]; do
    case "$1" in
        --turns) turns=$2; shift 2 ;;
        --python) python=$2; shift 2 ;;
        --sequences) sequences=$2; shift 2 ;;
        --notes) notes=$2; shift 2 ;;
        --adapter) adapter=$2; shift 2 ;;
        *) echo "unknown option $1" >&2; exit 2 ;;
    esac
done
if [ -z "$python" ]; then
    [ -x Benchmarks/peers/venv/bin/python ] || {
        python3 -m venv Benchmarks/peers/venv
        Benchmarks/peers/venv/bin/pip install --quiet \
            torch transformers peft trl gguf accelerate datasets llama-cpp-python
    }
    python=Benchmarks/peers/venv/bin/python
fi
swift build -c release --package-path Benchmarks >&2
programs=Benchmarks/.build/release
step=$programs/step decode=$programs/decode
out=$(mktemp -d)
answers=$(mktemp)
trap 'rm -rf "$out" "$answers"' EXIT

# run NAME COMMAND...: one turn of one program; its last line is a JSON object.
run() {
    local name=$1
    shift
    "$@" 2>/dev/null | tail -n 1 >>"$out/$name"
    echo "$name: $(tail -n 1 "$out/$name")" >&2
}
for turn in $(seq "$turns"); do
    run ours-exact "$step" --steps 4
    run peft-f32 "$python" Benchmarks/peers/step.py f32 --steps 3
    run ours-fast "$step" --steps 6 --fast
    run peft-bf16 "$python" Benchmarks/peers/step.py bf16 --steps 3
    run ours-one-thread "$step" --steps 3 --threads 1
    run ours-fast-one-thread "$step" --steps 4 --threads 1 --fast
    if [ -n "$sequences" ]; then
        # The same records for all programs, so that peaks of memory are comparable: they grow with the longest batch.
        run ours-records "$step" --sequences "$sequences" --steps 12 --dropout 0.05 --fast
        run peft-records "$python" Benchmarks/peers/step.py bf16 --sequences "$sequences" --steps 12 --dropout 0.05
        if [ "$turn" = 1 ]; then
            run trl-records "$python" Benchmarks/peers/sft.py "$sequences" --steps 12 --dropout 0.05
        fi
    fi
    run decode-ours "$decode" --repeats 3
    run decode-llama "$python" Benchmarks/peers/decode.py llama 3
    if [ -n "$notes" ] && [ -n "$adapter" ]; then
        run decode-ours-copied "$decode" --notes "$notes" --adapter "$adapter" --records 48 --batch 1 --tokens 160 \
            --repeats 1
        if [ "$turn" = 1 ]; then
            run decode-ours-records "$decode" --notes "$notes" --adapter "$adapter" --records 256 --batch 32 \
                --repeats 1 --write "$answers"
            run decode-peft "$python" Benchmarks/peers/decode.py peft "$answers" "$adapter" 256 32
        fi
    fi
done
"$programs/gemm" exact >&2
"$programs/gemm" fast >&2
"$python" Benchmarks/peers/table.py "$out"
