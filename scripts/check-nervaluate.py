#!/usr/bin/env python3
"""Compares `medrounds data score` with nervaluate (PyPI) on random spans, where both are defined.

    python3 scripts/check-nervaluate.py [path of medrounds]

strict, exact, type (our lenient) and the hits of partial (our overlap) must agree, over all types and, where types count, for each type. Spans of one
side do not overlap each other and no span touches two of the other side: beyond that nervaluate pairs greedily, and we by a maximum matching.
"""
import json
import random
import subprocess
import sys
import tempfile

from nervaluate import Evaluator

TYPES = ["problem", "treatment", "test", "drug"]
program = sys.argv[1] if len(sys.argv) > 1 else ".build/release/medrounds"


def document(rng, width=400):
    """Gold and predicted spans in slots of 20 code points with a gap between them."""
    gold, made = [], []
    for start in range(0, width, 20):
        kind = rng.random()
        first, last = start + rng.randrange(0, 8), start + rng.randrange(11, 17)
        if kind < 0.75:
            gold.append((rng.choice(TYPES), first, last))
        if kind > 0.25:
            if kind < 0.5:
                made.append((gold[-1][0] if rng.random() < 0.7 else rng.choice(TYPES), first, last))
            elif kind < 0.75:
                a, b = max(start, first + rng.randrange(-3, 3)), last + rng.randrange(-1, 2)
                made.append((rng.choice(TYPES[:2]), a, b))
            else:
                made.append((rng.choice(TYPES), first, last))
    return gold, made


def check(seed):
    rng = random.Random(seed)
    pairs = [document(rng) for _ in range(20)]
    with tempfile.TemporaryDirectory() as folder:
        for name, side in [("gold", 0), ("made", 1)]:
            with open(f"{folder}/{name}.jsonl", "w") as out:
                for index, pair in enumerate(pairs):
                    entities = [
                        {"id": f"T{i + 1}", "type": t, "start": a, "end": b} for i, (t, a, b) in enumerate(pair[side])
                    ]
                    out.write(json.dumps({"id": f"d{index}", "text": "x" * 420, "entities": entities}) + "\n")
        command = [program, "data", "score", f"{folder}/gold.jsonl", f"{folder}/made.jsonl"]
        ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    # nervaluate's ends are inclusive.
    sides = [[[{"label": t, "start": a, "end": b - 1} for t, a, b in pair[side]] for pair in pairs] for side in (0, 1)]
    theirs = Evaluator(sides[0], sides[1], tags=TYPES, loader="dict").evaluate()
    compared = 0

    def same(name, counts, result, hits):
        nonlocal compared
        made = counts["true_positives"] + counts["false_positives"]
        wanted = counts["true_positives"] + counts["false_negatives"]
        expected = (hits, result.actual, result.possible)
        if (counts["true_positives"], made, wanted) != expected:
            sys.exit(f"seed {seed}: {name}: ours {(counts['true_positives'], made, wanted)}, nervaluate {expected}")
        compared += 1

    overall = theirs["overall"]
    same("strict", ours["micro"]["strict"], overall["strict"], overall["strict"].correct)
    same("exact", ours["micro"]["exact"], overall["exact"], overall["exact"].correct)
    same("type", ours["micro"]["lenient"], overall["ent_type"], overall["ent_type"].correct)
    partial = overall["partial"]
    same("partial", ours["micro"]["overlap"], partial, partial.correct + partial.partial)
    for measure in ("strict", "exact", "ent_type"):
        name = {"strict": "strict", "exact": "exact", "ent_type": "lenient"}[measure]
        if abs(ours["micro"][name]["f1"] - overall[measure].f1) > 1e-9:
            sys.exit(f"seed {seed}: F1 of {measure} differs")
    return compared


if __name__ == "__main__":
    total = sum(check(seed) for seed in range(50))
    print(f"{total} counts of 50 random corpora agree with nervaluate")
