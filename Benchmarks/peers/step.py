"""The same steps as Benchmarks/Sources/step, by torch, transformers and PEFT, for a comparison on the same machine.

    python step.py f32|bf16 [--steps N] [--dropout P] [--sequences FILE]

f32 computes in float32; bf16 under torch.autocast, PEFT's fastest mode on a CPU. Without FILE a batch is 4 x 256 random
tokens; with it, four of its records in turn, padded to the longest, the loss on every token that is not padding.
Prints one JSON object.
"""
import time

process_start = time.perf_counter()
import argparse
import json
import os
import resource
import statistics

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

parser = argparse.ArgumentParser()
parser.add_argument("mode", choices=["f32", "bf16"])
parser.add_argument("--steps", type=int, default=6)
parser.add_argument("--dropout", type=float, default=0.0)
parser.add_argument("--sequences")
options = parser.parse_args()
path = os.environ.get("MEDROUNDS_MODEL", os.path.expanduser("~/.cache/medrounds/SmolLM2-135M-Instruct.Q4_1.gguf"))
torch.manual_seed(0)
model = AutoModelForCausalLM.from_pretrained(
    os.path.dirname(path), gguf_file=os.path.basename(path), dtype=torch.float32)
model = get_peft_model(model, LoraConfig(
    r=16, lora_alpha=64, lora_dropout=options.dropout, target_modules="all-linear", task_type="CAUSAL_LM"))
model.train()
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-4)


def batches():
    if not options.sequences:
        ids = torch.randint(5, 49000, (4, 256))
        for _ in range(options.steps):
            yield ids, ids, torch.ones_like(ids)
        return
    records = [record["tokens"][:800] for record in json.load(open(options.sequences))]
    for step in range(options.steps):
        batch = [records[(4 * step + i) % len(records)] for i in range(4)]
        width = max(map(len, batch))
        ids = torch.tensor([r + [0] * (width - len(r)) for r in batch])
        mask = torch.tensor([[1] * len(r) + [0] * (width - len(r)) for r in batch])
        yield ids, ids.masked_fill(mask == 0, -100), mask


times, tokens = [], []
for ids, labels, mask in batches():
    start = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.mode == "bf16"):
        loss = model(input_ids=ids, labels=labels, attention_mask=mask).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
    optimizer.step()
    optimizer.zero_grad()
    times.append(time.perf_counter() - start)
    tokens.append(int(mask.sum()))
    if len(times) == 1:
        first = time.perf_counter() - process_start
median = statistics.median(times[1:] or times)
# Random batches all have the same size, so the median step represents them; real records differ, so all steps count.
whole = sum(times[1:] or times) if options.sequences else median * len(times[1:] or times)
rate = sum(tokens[1:] or tokens) / whole
print(json.dumps({
    "threads": torch.get_num_threads(), "step_seconds": round(median, 3), "tokens_per_second": round(rate, 1),
    "records_per_second": round(4 * len(times[1:] or times) / whole, 3),
    "first_step_seconds": round(first, 2),
    "peak_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3)}))
