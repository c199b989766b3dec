"""What PEFT's settings compute, compared with what this program reads: adapters with every form of targets and of initialisation.

Usage: python settings.py MEDROUNDS   (torch, transformers, peft)

What is read must give PEFT's logits; settings that PEFT computes differently from plain LoRA must be refused by name.
"""
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
import peft
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

transformers.utils.logging.disable_progress_bar()
logging.disable(logging.WARNING)
warnings.simplefilter("ignore")

MEDROUNDS = sys.argv[1]
BOUND = 1e-4
MAPS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
BLOCKS = {name: "self_attn" if name[0] in "qkvo" else "mlp" for name in MAPS} | {"o_proj": "self_attn"}
CONFIG = LlamaConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                     vocab_size=128, max_position_embeddings=256, attn_implementation="eager", tie_word_embeddings=False)
FULL = [f"model.layers.{layer}.{BLOCKS[name]}.{name}" for layer in range(2) for name in MAPS]

# Settings of LoraConfig, and changes made in the file afterwards.
READ = {
    "a list of names": (dict(target_modules=MAPS), {}),
    "two maps": (dict(target_modules=["v_proj", "q_proj"]), {}),
    "ends of names": (dict(target_modules=[f"{BLOCKS[name]}.{name}" for name in MAPS]), {}),
    "full names": (dict(target_modules=FULL), {}),
    "full names of one layer": (dict(target_modules=FULL[7:]), {}),
    "other maps in two layers": (dict(target_modules=["0.self_attn.q_proj", "1.mlp.down_proj"]), {}),
    "an expression": (dict(target_modules=r"model\.layers\.\d+\.(self_attn|mlp)\.(q|k|v|o|gate|up|down)_proj"), {}),
    "an expression of one layer": (dict(target_modules=r".*\.1\..*_proj"), {}),
    "all-linear": (dict(target_modules="all-linear"), {"target_modules": "all-linear"}),
    "layers_to_transform": (dict(target_modules=MAPS, layers_to_transform=[1]), {}),
    "layers_to_transform, a number": (dict(target_modules=MAPS, layers_to_transform=0), {}),
    "layers_pattern": (dict(target_modules=MAPS, layers_to_transform=[0], layers_pattern="layers"), {}),
    "exclude_modules": (dict(target_modules=MAPS, exclude_modules=["down_proj", "layers.0.self_attn.k_proj"]), {}),
    "exclude_modules, an expression": (dict(target_modules=MAPS, exclude_modules=r".*\.0\.mlp.*"), {}),
    "empty lists": (dict(target_modules=MAPS), {"exclude_modules": [], "layers_to_transform": [], "modules_to_save": []}),
    "begins false": (dict(target_modules=MAPS, init_lora_weights=False), {}),
    "begins gaussian": (dict(target_modules=MAPS, init_lora_weights="gaussian"), {}),
    "begins orthogonal": (dict(target_modules=MAPS, init_lora_weights="orthogonal"), {}),
    "begins eva": (dict(target_modules=MAPS), {"init_lora_weights": "eva"}),
    "rank-stabilised": (dict(target_modules=MAPS, use_rslora=True), {}),
    "patterns": (dict(target_modules=MAPS, rank_pattern={"q_proj": 4}, alpha_pattern={"layers.1.mlp.down_proj": 3}), {}),
    "patterns in one layer": (dict(target_modules=FULL[:7], rank_pattern={"k_proj": 4}, use_rslora=True), {}),
}
REFUSED = {
    "DoRA": dict(use_dora=True), "a bias of B": dict(lora_bias=True), "biases": dict(bias="lora_only"),
    "a whole head": dict(modules_to_save=["lm_head"]), "rows of the embedding": dict(trainable_token_indices=[1, 2]),
    "layers twice": dict(layer_replication=[[0, 2], [1, 2]]), "aLoRA": dict(alora_invocation_tokens=[5, 6]),
    "pissa": dict(init_lora_weights="pissa"), "pissa by iterations": dict(init_lora_weights="pissa_niter_2"),
    "olora": dict(init_lora_weights="olora"),
}
# Settings that PEFT makes only with data or with quantised weights: only their names are written to the file.
NAMED = ["corda", "loftq", "lora_ga", "mica", "not-known-yet"]


def ours(model, ids, adapter):
    done = subprocess.run([MEDROUNDS, "models", "probe", model, "--ids", ",".join(map(str, ids)), "--top", "128", "--adapter", adapter],
                          capture_output=True, text=True)
    if done.returncode:
        return done.returncode, done.stderr
    logits = torch.empty(CONFIG.vocab_size)
    for row in json.loads(done.stdout)["top"]:
        logits[row["id"]] = row["logit"]
    return 0, logits


def make(base, folder, generator, settings, changes):
    """An adapter with random B as PEFT saves it."""
    adapted = get_peft_model(fresh(base), LoraConfig(**{"r": 8, "lora_alpha": 12, "task_type": "CAUSAL_LM", "target_modules": MAPS} | settings))
    with torch.no_grad():
        for name, value in adapted.named_parameters():
            if "lora_B" in name:
                value.copy_(0.1 * torch.randn(value.shape, generator=generator))
    adapted.save_pretrained(folder)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes, indent=1))


def fresh(base):
    return LlamaForCausalLM.from_pretrained(base, attn_implementation="eager").eval().float()


def main():
    torch.manual_seed(3)
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(7)
    failures = 0
    with tempfile.TemporaryDirectory() as root:
        root = Path(root)
        model = LlamaForCausalLM(CONFIG).eval().float()
        with torch.no_grad():
            for value in model.parameters():
                value.copy_(0.1 * torch.randn(value.shape, generator=generator) + (value.ndim == 1))
        base = root / "base"
        model.save_pretrained(base)
        ids = torch.randint(0, CONFIG.vocab_size, (1, 24), generator=generator)
        with torch.no_grad():
            plain = model(ids).logits[0, -1]
        for name, (settings, changes) in READ.items():
            folder = root / "adapter"
            shutil.rmtree(folder, ignore_errors=True)
            make(base, folder, generator, settings, changes)
            with torch.no_grad():
                theirs = PeftModel.from_pretrained(fresh(base), folder).eval()(ids).logits[0, -1]
            code, found = ours(base, ids[0].tolist(), folder)
            if code:
                failures += 1
                print(f"{name}: refused\n{found}")
                continue
            far, moved = (found - theirs).abs().max().item(), (theirs - plain).abs().max().item()
            failures += far > BOUND or moved < 0.01
            print(f"{name}: {far:.1e} from PEFT, which moves logits by {moved:.2f}")
        for name, settings in list(REFUSED.items()) + [(f"begins {name}", {}) for name in NAMED]:
            folder = root / "adapter"
            shutil.rmtree(folder, ignore_errors=True)
            try:
                make(base, folder, generator, settings, {} if settings else {"init_lora_weights": name.split()[1]})
            except Exception as error:  # PEFT's own checks refuse it: then only our tests cover the case.
                print(f"{name}: PEFT does not make it ({str(error)[:80]})")
                continue
            code, found = ours(base, ids[0].tolist(), folder)
            is_refused = code == 4 and "adapter.beyond-lora" in found
            failures += not is_refused
            print(f"{name}: {(found or '?').splitlines()[0].split(': ', 1)[-1][:150] if code else 'READ'}")
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}: {failures} failures")
    sys.exit(bool(failures))


main()
