"""The step of Benchmarks/Sources/step with torch, transformers and PEFT, for a comparison on the same machine.

    python3 -m venv peers && peers/bin/pip install torch transformers peft gguf accelerate
    peers/bin/python Benchmarks/peers/step.py f32|bf16 [STEPS]

f32 computes in float32; bf16 under torch.autocast, PEFT's fastest mode on a CPU.
"""
import os
import resource
import statistics
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

mode = sys.argv[1] if len(sys.argv) > 1 else "f32"
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 6
path = os.environ.get("MEDROUNDS_MODEL", os.path.expanduser("~/.cache/medrounds/SmolLM2-135M-Instruct.Q4_1.gguf"))
torch.manual_seed(0)
model = AutoModelForCausalLM.from_pretrained(
    os.path.dirname(path), gguf_file=os.path.basename(path), dtype=torch.float32)
model = get_peft_model(model, LoraConfig(
    r=16, lora_alpha=64, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"))
model.train()
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-4)
ids = torch.randint(5, 49000, (4, 256))
times = []
for _ in range(steps):
    start = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode == "bf16"):
        loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    times.append(time.perf_counter() - start)
median = statistics.median(times[1:])
print(f"{mode}: threads {torch.get_num_threads()}, median step {median:.3f} s, {ids.numel() / median:.1f} tokens/s, "
      f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
