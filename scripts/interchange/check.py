"""Makes random models and adapters of every family, and compares logits of this program with PEFT's and llama.cpp's loading.

Usage: python check.py MEDROUNDS [FIXTURES]   (torch, transformers, peft, gguf; llama_cpp if it is installed)

FIXTURES is a folder for what the tests read: each model with the logits of torch, and one adapter of each kind.
"""
import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
import gguf
import numpy
import peft
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          Qwen3Config, Qwen3ForCausalLM)

try:
    import llama_cpp
except ImportError:
    llama_cpp = None
transformers.utils.logging.disable_progress_bar()
logging.disable(logging.WARNING)

MEDROUNDS = sys.argv[1]
FIXTURES = Path(sys.argv[2]) if len(sys.argv) > 2 else None
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TOKENS = 128
SIZES = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             vocab_size=TOKENS, max_position_embeddings=256, attn_implementation="eager")
SMALL = dict(SIZES, hidden_size=32, intermediate_size=64)
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64, "rope_theta": 500000.0}
# The only such setting that a GGUF file can hold: its factors are compared with those of the released models.
RELEASED = dict(LLAMA3, original_max_position_embeddings=8192)
LINEAR = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}

MODELS = {
    "llama": (LlamaForCausalLM, LlamaConfig(**SMALL, tie_word_embeddings=True)),
    "llama-untied-llama3": (LlamaForCausalLM, LlamaConfig(**SMALL, tie_word_embeddings=False, rope_parameters=LLAMA3)),
    "llama-released": (LlamaForCausalLM, LlamaConfig(**SMALL, rope_parameters=RELEASED)),
    "llama-linear-bias": (LlamaForCausalLM, LlamaConfig(**SMALL, attention_bias=True, rope_parameters=LINEAR)),
    "llama-head-dim": (LlamaForCausalLM, LlamaConfig(**SMALL, head_dim=24)),
    "mistral": (MistralForCausalLM, MistralConfig(**SMALL, sliding_window=None, head_dim=16)),
    "mistral-window": (MistralForCausalLM, MistralConfig(**SMALL, sliding_window=11, head_dim=16)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**SMALL)),
    "qwen2-window": (Qwen2ForCausalLM, Qwen2Config(**SMALL, use_sliding_window=True, sliding_window=9, max_window_layers=1)),
    "qwen2-tied": (Qwen2ForCausalLM, Qwen2Config(**SMALL, tie_word_embeddings=True)),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**SMALL, head_dim=32)),
    "qwen3-bias": (Qwen3ForCausalLM, Qwen3Config(**SMALL, head_dim=16, attention_bias=True)),
}
# The models that llama.cpp can compute: no windows, no biases of o, llama3 factors only as a file holds them.
IN_GGUF = ["llama", "llama-released", "llama-head-dim", "mistral", "qwen2", "qwen2-tied", "qwen3"]
ADAPTERS = {
    "plain": dict(r=8, lora_alpha=16),
    "rslora": dict(r=4, lora_alpha=6, use_rslora=True),
    "patterns": dict(r=4, lora_alpha=8, rank_pattern={"q_proj": 8, "layers.1.mlp.down_proj": 2}, alpha_pattern={"v_proj": 32}),
}
KEPT = {"llama-untied-llama3", "llama-linear-bias", "llama-head-dim", "mistral-window", "qwen2-window", "qwen2-tied", "qwen3-bias"}


def run(*arguments):
    done = subprocess.run([MEDROUNDS, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))}\n{done.stderr}")
    return done.stdout


def ours(model, ids, adapter=None):
    extra = ["--adapter", adapter] if adapter else []
    out = json.loads(run("models", "probe", model, "--ids", ",".join(map(str, ids)), "--top", 260, *extra))
    logits = torch.empty(len(out["top"]))
    for row in out["top"]:
        logits[row["id"]] = row["logit"]
    return logits


def llama(model, ids, adapter=None):
    """The last logits of llama.cpp; its activations are float32, its cache float32 too where asked."""
    made = llama_cpp.Llama(str(model), lora_path=str(adapter) if adapter else None, n_ctx=256, logits_all=True, verbose=False,
                           n_threads=1, type_k=0, type_v=0)
    made.eval(ids)
    return torch.tensor(numpy.array(made.scores[len(ids) - 1]))


def randomise(model, generator):
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim == 1 and "norm" in name:
                value.copy_(1 + 0.1 * torch.randn(value.shape, generator=generator))
            else:
                value.copy_(0.08 * torch.randn(value.shape, generator=generator))


# Models that are kept as GGUF files, as the gguf package writes them: one for each family.
KEPT_GGUF = {"llama-released", "llama-head-dim", "mistral", "qwen2-tied", "qwen3"}


def write_gguf(model, config, path, parts=1, matrices=numpy.float32):
    """A GGUF file as llama.cpp's converter writes it, vectors in float32; the tokenizer is a list of bytes."""
    kind = "llama" if config.model_type == "mistral" else config.model_type
    heads, pairs = config.num_attention_heads, config.num_key_value_heads
    dimension = getattr(config, "head_dim", None) or config.hidden_size // heads
    rope = config.rope_parameters
    writer = gguf.GGUFWriter(path, kind, split_max_tensors=(12 if parts > 1 else 0))
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(pairs)
    writer.add_key_length(dimension)
    writer.add_value_length(dimension)
    writer.add_rope_dimension_count(dimension)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    alphabet = [chr(x) for x in range(33, 33 + config.vocab_size - 2)]
    writer.add_token_list(["<s>", "</s>"] + alphabet)
    writer.add_token_types([3, 3] + [1] * len(alphabet))
    writer.add_token_merges(["! \""])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
             "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "input_layernorm": "attn_norm",
             "post_attention_layernorm": "ffn_norm"}
    if rope["rope_type"] == "llama3":
        base = rope["rope_theta"] ** (-torch.arange(0, dimension, 2).double() / dimension)
        waves = 2 * torch.pi / base
        smooth = ((rope["original_max_position_embeddings"] / waves - rope["low_freq_factor"])
                  / (rope["high_freq_factor"] - rope["low_freq_factor"])).clamp(0, 1)
        writer.add_tensor("rope_freqs.weight", (1 / ((1 - smooth) / rope["factor"] + smooth)).float().numpy())
    for name, value in model.state_dict().items():
        value = value.float()
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if name.startswith("model.layers."):
            _, _, layer, rest = name.split(".", 3)
            stem, ending = rest.rsplit(".", 1)
            count = {"self_attn.q_proj": heads, "self_attn.k_proj": pairs}.get(stem)
            if kind == "llama" and count:
                value = value.reshape(count, 2, dimension // 2, *value.shape[1:]).swapaxes(1, 2).reshape(value.shape)
            name = f"blk.{layer}.{names[stem]}.{ending}"
        else:
            name = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
                    "lm_head.weight": "output.weight"}[name]
        writer.add_tensor(name, value.contiguous().numpy().astype(matrices if value.ndim > 1 else numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Report:
    worst = {"torch": 0.0, "llama.cpp": 0.0}

    def far(self, peer, found, expected):
        difference = (found - expected).abs().max().item()
        self.worst[peer] = max(self.worst[peer], difference)
        return f"{difference:.1e}"


def check_gguf(report, name, kind, config, folder, model, ids, theirs):
    base = folder / "base.gguf"
    write_gguf(model, config, base)
    tokens = ids[0].tolist()
    line = f"{name:22} gguf     base {report.far('torch', ours(base, tokens), theirs(model))}"
    write_gguf(model, config, folder / "split.gguf", parts=3)
    first = next(folder.glob("split-00001-of-*.gguf"))
    line += f"  split {report.far('torch', ours(first, tokens), theirs(model))}"
    if llama_cpp:
        line += f"  llama.cpp {report.far('llama.cpp', llama(base, tokens), theirs(model))}"
    print(line)
    for adapter in ADAPTERS:
        expected = theirs(PeftModel.from_pretrained(
            kind.from_pretrained(folder / "base", attn_implementation="eager").eval().float(), folder / f"{adapter}-peft").eval())
        written, merged = folder / f"{adapter}.gguf", folder / f"{adapter}-merged.gguf"
        run("adapter", "import", folder / f"{adapter}-peft", "--model", base, "--to", written, "--format", "gguf")
        run("adapter", "merge", written, "--model", first, "--to", merged)
        line = f"{name:22} gguf     {adapter:8} read back {report.far('torch', ours(base, tokens, written), expected)}"
        line += f"  merged {report.far('torch', ours(merged, tokens), expected)}"
        if llama_cpp:
            line += f"  llama.cpp adapter {report.far('llama.cpp', llama(base, tokens, written), expected)}"
            line += f"  merged {report.far('llama.cpp', llama(merged, tokens), expected)}"
        print(line)


def keep(name, folder, ids, logits, adapted):
    """A fixture: the model in float16 (its logits are those of the rounded weights), the adapters, all logits of torch."""
    made = FIXTURES / name
    made.mkdir(parents=True, exist_ok=True)
    config = json.loads((folder / "base" / "config.json").read_text())
    (made / "config.json").write_text(json.dumps(config, sort_keys=True, indent=1) + "\n")
    tensors = {}
    for file in sorted((folder / "base").glob("*.safetensors")):
        tensors |= load_file(file)
    save_file({key: value.half() for key, value in tensors.items()}, made / "model.safetensors")
    golden = {"ids": ids[0].float(), "logits": logits}
    for adapter, values in adapted.items():
        golden[f"logits.{adapter}"] = values
        target = made / adapter
        target.mkdir(exist_ok=True)
        settings = json.loads((folder / f"{adapter}-peft" / "adapter_config.json").read_text())
        settings["base_model_name_or_path"] = name
        settings["target_modules"] = sorted(settings["target_modules"])
        (target / "adapter_config.json").write_text(json.dumps(settings, sort_keys=True, indent=1) + "\n")
        save_file(load_file(folder / f"{adapter}-peft" / "adapter_model.safetensors"), target / "adapter_model.safetensors")
    save_file(golden, made / "golden.safetensors")


def train(adapted, ids, generator):
    """A from a seeded normal distribution, B zero, ten AdamW steps on the ids."""
    for key, value in adapted.named_parameters():
        if "lora_A" in key:
            value.data.copy_(torch.randn(value.shape, generator=generator) / value.shape[1] ** 0.5)
    optimizer = torch.optim.AdamW([value for value in adapted.parameters() if value.requires_grad], lr=1e-2)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = adapted(ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


WORKFLOW = """
version: 1
name: trained-here
seed: 17
data_root: {data}
model: {{base: {model}}}
adapter: {{rank: 8, alpha: 16, dropout: 0.05}}
template: {template}
sites:
  harbour-ed: {{train: harbour-ed/train, tasks: {{ner: all}}, limit: 8}}
rounds: 1
steps:
  - train: {{epochs: 2, batch_size: 4, learning_rate: 5e-3, max_length: 800}}
  - upload: {{precision: f32}}
  - aggregate: {{rule: fed-medlora}}
"""


def tokenizer_of_bytes(folder):
    """Every byte a token, and the special token that ends a completion: 257 in all."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken("<|im_end|>", special=True)])
    made.save(str(folder / "tokenizer.json"))


def check_trained_here(report):
    """Adapters that this program trains, on a folder and on a GGUF file of it, in PEFT and in llama.cpp."""
    sizes = dict(SMALL, vocab_size=260, max_position_embeddings=2048)
    for name, kind, config in [("llama", LlamaForCausalLM, LlamaConfig(**sizes, rope_parameters=RELEASED)),
                               ("qwen2", Qwen2ForCausalLM, Qwen2Config(**sizes)),
                               ("qwen3", Qwen3ForCausalLM, Qwen3Config(**sizes, head_dim=32))]:
        generator = torch.Generator().manual_seed(5)
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            model = kind(config).eval().float()
            randomise(model, generator)
            model.save_pretrained(folder / "base")
            tokenizer_of_bytes(folder / "base")
            write_gguf(model, config, folder / "base.gguf")
            workflows = Path(__file__).resolve().parents[2] / "workflows"
            (folder / "flow.yaml").write_text(WORKFLOW.format(
                data=workflows / "data", model=folder / "base", template=workflows / "templates" / "clinical-brief.yaml"))
            place = ["--ledger", folder / "ledger.git", "--work", folder / "work"]
            run("run", folder / "flow.yaml", *place)
            peft_form, gguf_form = folder / "adapter", folder / "adapter.gguf"
            run("adapter", "export", "trained-here-1", "--to", peft_form, *place)
            run("adapter", "export", "trained-here-1", "--to", gguf_form, "--format", "gguf", "--model", folder / "base.gguf", *place)
            ids = torch.randint(0, 256, (1, 40), generator=generator)
            with torch.no_grad():
                base = model(ids).logits[0, -1]
                adapted = PeftModel.from_pretrained(
                    kind.from_pretrained(folder / "base", attn_implementation="eager").eval().float(), peft_form).eval()
                expected = adapted(ids).logits[0, -1]
            tokens = ids[0].tolist()
            line = f"{name:22} trained here: PEFT {report.far('torch', ours(folder / 'base', tokens, peft_form), expected)}"
            line += f"  as GGUF {report.far('torch', ours(folder / 'base.gguf', tokens, gguf_form), expected)}"
            if llama_cpp:
                line += f"  llama.cpp {report.far('llama.cpp', llama(folder / 'base.gguf', tokens, gguf_form), expected)}"
            print(f"{line}  (logits moved by {(expected - base).abs().max().item():.2f})")


def main():
    report = Report()
    check_trained_here(report)
    torch.set_num_threads(1)
    for seed, (name, (kind, config)) in enumerate(MODELS.items()):
        generator = torch.Generator().manual_seed(seed)
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            model = kind(config).eval().float()
            randomise(model, generator)
            if FIXTURES:
                with torch.no_grad():
                    for value in model.parameters():
                        value.copy_(value.half().float())
            model.save_pretrained(folder / "base", max_shard_size="40KB" if seed % 2 else "5GB")
            ids = torch.randint(0, TOKENS, (1, 40), generator=generator)

            def every(model):
                with torch.no_grad():
                    return model(ids).logits[0]

            def theirs(model):
                return every(model)[-1]

            def fresh():
                return kind.from_pretrained(folder / "base", attn_implementation="eager").eval().float()

            print(f"{name:22} base              {report.far('torch', ours(folder / 'base', ids[0].tolist()), theirs(model))}")
            adapted_logits = {}
            for adapter, settings in ADAPTERS.items():
                adapted = get_peft_model(fresh(), LoraConfig(target_modules=TARGETS, task_type="CAUSAL_LM", **settings))
                losses = train(adapted, ids, generator)
                expected = theirs(adapted.eval())
                moved = (expected - theirs(model)).abs().max().item()
                made, back, merged = (folder / f"{adapter}-{ending}" for ending in ("peft", "back", "merged"))
                adapted.save_pretrained(made)
                read = report.far("torch", ours(folder / "base", ids[0].tolist(), made), expected)
                run("adapter", "import", made, "--model", folder / "base", "--to", back)
                written = report.far("torch", theirs(PeftModel.from_pretrained(fresh(), back).eval()), expected)
                run("adapter", "merge", made, "--model", folder / "base", "--to", merged)
                whole = kind.from_pretrained(merged, attn_implementation="eager").eval().float()
                whole = report.far("torch", theirs(whole), expected)
                print(f"{name:22} {adapter:8} read {read}  written {written}  merged {whole}  "
                      f"(loss {losses[0]:.2f} -> {losses[-1]:.2f}, logits moved by {moved:.2f})")
                if name == "llama-head-dim" or adapter == "patterns" and name == "qwen3-bias":
                    adapted_logits[adapter] = every(adapted)
            if name in IN_GGUF:
                check_gguf(report, name, kind, config, folder, model, ids, theirs)
            if FIXTURES and name in KEPT:
                keep(name, folder, ids, every(model), adapted_logits)
            if FIXTURES and name in KEPT_GGUF:
                made = FIXTURES / "gguf" / name
                made.mkdir(parents=True, exist_ok=True)
                write_gguf(model, config, made / "model.gguf", matrices=numpy.float16)
                save_file({"ids": ids[0].float(), "logits": every(model)}, made / "golden.safetensors")
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}"
    if llama_cpp:
        versions += f", llama-cpp-python {llama_cpp.__version__}"
    print(f"largest difference of a logit: {report.worst}\n{versions}")
    if max(report.worst.values()) > 1e-4:
        raise SystemExit("beyond 1e-4")


main()
