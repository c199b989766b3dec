"""The adapters of the lora-tiny goldens after one and after five AdamW steps with every number in float64.

    python3 -m venv peers && peers/bin/pip install torch transformers peft safetensors
    peers/bin/python scripts/goldens/steps_float64.py GOLDENS OUT

GOLDENS holds tiny-FAMILY and lora-tiny-FAMILY; OUT gets FAMILY.safetensors with the values rounded to float32 once, at the end. Transformers
computes norms and the softmax of attention in float32 for a model of any precision; here they stay in float64. Rotary angles are float32 by
definition of the models.
"""
import json
import sys
from pathlib import Path

import peft
import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file, save_file

plain_softmax = torch.nn.functional.softmax
torch.nn.functional.softmax = lambda x, dim=None, dtype=None, **more: plain_softmax(x, dim=dim)


def norm(self, x):
    assert x.dtype == torch.float64
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon) * self.weight


goldens, out = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
for family in ["llama3", "qwen2", "qwen3"]:
    folder = goldens / f"lora-tiny-{family}"
    model = transformers.AutoModelForCausalLM.from_pretrained(
        goldens / f"tiny-{family}", dtype=torch.float32, attn_implementation="eager")
    model = PeftModel.from_pretrained(model, folder / "init", is_trainable=True).double().train()
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            type(module).forward = norm
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    batch = json.loads((folder / "batch.json").read_text())
    ids, labels, mask = (torch.tensor(batch[key]) for key in ["input_ids", "labels", "attention_mask"])
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=2e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    kept, losses = {}, []
    for step in range(1, 6):
        optimizer.zero_grad()
        logits = model(input_ids=ids, attention_mask=mask).logits
        assert logits.dtype == torch.float64
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].reshape(-1, logits.shape[-1]), labels[:, 1:].reshape(-1), ignore_index=-100)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step in (1, 5):
            for name, value in trained.items():
                kept[f"{step}/" + name.replace(".default", "")] = value.detach().float().clone()
    save_file(kept, out / f"{family}.safetensors")
    for step in (1, 5):
        golden = load_file(folder / f"adapter_after{step}.safetensors")
        far = max(
            ((kept[f"{step}/{name}"].double() - value.double()).norm() / value.double().norm()).item()
            for name, value in golden.items())
        print(f"{family} after {step}: torch's float32 is {far:.3g} away; loss {losses[0]:.15g}")
print(f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}")
