"""The five losses of the smollm2/lora golden and the one after them with every number in float64, the log-softmax included.

    python3 -m venv peers && peers/bin/pip install torch transformers peft gguf accelerate
    peers/bin/python scripts/goldens/losses_float64.py GOLDENS/smollm2/lora >Tests/EngineTests/Goldens/smollm2/losses_float64.json

Transformers takes its cross-entropy in float32 for a model of any precision; over 49,152 classes the error is 6e-6, more than float32
noise of the model itself. Here the logits go through a float64 log-softmax.
"""
import json
import os
import sys

import peft
import torch
import transformers
from peft import PeftModel

folder = sys.argv[1]
path = os.environ.get("MEDROUNDS_MODEL", os.path.expanduser("~/.cache/medrounds/SmolLM2-135M-Instruct.Q4_1.gguf"))
model = transformers.AutoModelForCausalLM.from_pretrained(
    os.path.dirname(path), gguf_file=os.path.basename(path), dtype=torch.float32, attn_implementation="eager")
model = PeftModel.from_pretrained(model, os.path.join(folder, "init"), is_trainable=True).double()
# Rotary frequencies are float32 by definition of the model; only what is computed from them here is in float64.
with open(os.path.join(folder, "batch.json")) as file:
    batch = json.load(file)
ids = torch.tensor(batch["input_ids"])
labels = torch.tensor(batch["labels"])
mask = torch.tensor(batch["attention_mask"]) if "attention_mask" in batch else torch.ones_like(ids)


def loss():
    logits = model(input_ids=ids, attention_mask=mask).logits
    assert logits.dtype == torch.float64
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].reshape(-1, logits.shape[-1]), labels[:, 1:].reshape(-1), ignore_index=-100)


optimizer = torch.optim.AdamW(
    [p for p in model.parameters() if p.requires_grad], lr=2e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
model.train()
for module in model.modules():
    if isinstance(module, torch.nn.Dropout):
        module.p = 0.0
losses = []
for _ in range(5):
    optimizer.zero_grad()
    value = loss()
    value.backward()
    optimizer.step()
    losses.append(value.item())
with torch.no_grad():
    after = loss().item()
json.dump({
    "loss_before_step": losses, "loss_after_5": after,
    "made_with": f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}, float64 throughout",
}, sys.stdout, indent=1, sort_keys=True)
print()
