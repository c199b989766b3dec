"""Makes random models and adapters of every family, and compares logits of this program with PEFT's and llama.cpp's loading.

Usage: python check.py MEDROUNDS   (torch, transformers, peft; llama_cpp where it is there)
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          Qwen3Config, Qwen3ForCausalLM)

MEDROUNDS = sys.argv[1]
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SIZES = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             vocab_size=128, max_position_embeddings=256, attn_implementation="eager")
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64, "rope_theta": 500000.0}
LINEAR = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}

MODELS = {
    "llama": (LlamaForCausalLM, LlamaConfig(**SIZES, tie_word_embeddings=True)),
    "llama-untied-llama3": (LlamaForCausalLM, LlamaConfig(**SIZES, tie_word_embeddings=False, rope_parameters=LLAMA3)),
    "llama-linear-bias": (LlamaForCausalLM, LlamaConfig(**SIZES, attention_bias=True, rope_parameters=LINEAR)),
    "llama-head-dim": (LlamaForCausalLM, LlamaConfig(**SIZES, head_dim=24)),
    "mistral": (MistralForCausalLM, MistralConfig(**SIZES, sliding_window=64, head_dim=16)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**SIZES)),
    "qwen2-tied": (Qwen2ForCausalLM, Qwen2Config(**SIZES, tie_word_embeddings=True)),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**SIZES, head_dim=32)),
    "qwen3-bias": (Qwen3ForCausalLM, Qwen3Config(**SIZES, head_dim=16, attention_bias=True)),
}
ADAPTERS = {
    "plain": dict(r=8, lora_alpha=16),
    "rslora": dict(r=4, lora_alpha=6, use_rslora=True),
    "patterns": dict(r=4, lora_alpha=8, rank_pattern={"q_proj": 8, "layers.1.mlp.down_proj": 2}, alpha_pattern={"v_proj": 32}),
}


def run(*arguments):
    done = subprocess.run([MEDROUNDS, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))}\n{done.stderr}")
    return done.stdout


def ours(model, ids, adapter=None):
    extra = ["--adapter", adapter] if adapter else []
    out = json.loads(run("models", "probe", model, "--ids", ",".join(map(str, ids)), "--top", "128", *extra))
    logits = torch.empty(128)
    for row in out["top"]:
        logits[row["id"]] = row["logit"]
    return logits


def randomise(model, generator):
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim == 1 and "norm" in name:
                value.copy_(1 + 0.1 * torch.randn(value.shape, generator=generator))
            else:
                value.copy_(0.08 * torch.randn(value.shape, generator=generator))


def main():
    worst = 0.0
    torch.set_num_threads(1)
    for seed, (name, (kind, config)) in enumerate(MODELS.items()):
        generator = torch.Generator().manual_seed(seed)
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            model = kind(config).eval().float()
            randomise(model, generator)
            model.save_pretrained(folder / "base", max_shard_size="120KB" if seed % 2 else "5GB")
            ids = torch.randint(0, 128, (1, 40), generator=generator)

            def theirs(model):
                with torch.no_grad():
                    return model(ids).logits[0, -1]

            difference = (ours(folder / "base", ids[0].tolist()) - theirs(model)).abs().max().item()
            worst = max(worst, difference)
            print(f"{name:22} base              {difference:.1e}")
            for kind_name, settings in ADAPTERS.items():
                base = kind.from_pretrained(folder / "base", attn_implementation="eager").eval().float()
                adapted = get_peft_model(base, LoraConfig(target_modules=TARGETS, task_type="CAUSAL_LM", **settings)).eval()
                with torch.no_grad():
                    for key, value in adapted.named_parameters():
                        if "lora_" in key:
                            value.copy_(0.1 * torch.randn(value.shape, generator=generator))
                expected = theirs(adapted)
                made = folder / f"{kind_name}-peft"
                adapted.save_pretrained(made)
                read = (ours(folder / "base", ids[0].tolist(), made) - expected).abs().max().item()
                back = folder / f"{kind_name}-back"
                run("adapter", "import", made, "--model", folder / "base", "--to", back)
                again = PeftModel.from_pretrained(
                    kind.from_pretrained(folder / "base", attn_implementation="eager").eval().float(), back).eval()
                written = (theirs(again) - expected).abs().max().item()
                merged = folder / f"{kind_name}-merged"
                run("adapter", "merge", made, "--model", folder / "base", "--to", merged)
                whole = (theirs(kind.from_pretrained(merged, attn_implementation="eager").eval().float()) - expected).abs().max().item()
                worst = max(worst, read, written, whole)
                print(f"{name:22} {kind_name:8} read {read:.1e}  written {written:.1e}  merged {whole:.1e}")
    print(f"largest difference of a logit {worst:.1e}")
    if worst > 1e-4:
        raise SystemExit("beyond 1e-4")


main()
