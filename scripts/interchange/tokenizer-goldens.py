"""Goldens of tokenizer.json: small BPE models with the split patterns of GPT-2, Llama 3 and Qwen2, and one with byte fallback.

Usage: python tokenizer-goldens.py OUT.json   (needs the Python package tokenizers)
"""
import json
import random
import sys
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + REST
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + REST

bank = Path(__file__).parent.parent / "synthetic-notes" / "bank"
corpus = [path.read_text() for path in sorted(bank.glob("*.txt"))]


def split(pattern):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def texts():
    fixed = [
        "", " ", "  ", "\n", "\r\n", " \n \n  x", "a\n\n\nb", "Patient's BP 120/80mmHg; don't stop.  ", "I'LL we'Re IT'S 'T 'x",
        "'\u017f and \u017fo", "12345678 1 22 333 4444", "x\u0301 e\u0301 \u00e9 A\u030a", "\u1112\u1161\u11ab \ud55c", "\u2126 \u212b",
        "\u00a0\u00a0x", "\u3000\u4e2d\u6587 \u0663\u0664 \u2163 \u00bd", "\t\tTab\there", "...!!!\n\n??", " ?!\r\n", "\U0001f9ec\U0001f468\u200d\u2695\ufe0f",
        "<s>Hello<s> there</s>", "<s>", "end </s>", " <s> x", "Hb 9.1 g/dL \u2192 transfused 2 units", "na\u00efve\u2014yes\u2026", "\u0085x\u2028y",
        "a" * 70, " " * 60 + "x", "\u0915\u094d\u0937 \u0645\u0631\u064a\u0636", "\x00\x01\x7f", "he'd've", "\ufb05 \ufb01",
    ]
    rng = random.Random(7)
    alphabet = list(" \n\r\t'stLVEdabcXYZ019.,;:!?-_()/\u00e9\u00b5\u0301\u00a0\u2003\u4e2d\u06f5\u017f\u212a\U0001f600") + ["'s", "'LL", "  ", "\r\n"]
    fixed += ["".join(rng.choice(alphabet) for _ in range(rng.randint(1, 40))) for _ in range(60)]
    return fixed + corpus[0].split("\n")[:6]


def train(normalizer, pre_tokenizer, fallback=False, size=420):
    if fallback:
        tokenizer = Tokenizer(models.BPE(unk_token=None, byte_fallback=True, fuse_unk=False))
        specials = ["<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
        trainer = trainers.BpeTrainer(vocab_size=size + 256, special_tokens=specials, show_progress=False)
    else:
        tokenizer = Tokenizer(models.BPE())
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=["<s>", "</s>"], show_progress=False,
                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(corpus, trainer)
    value = json.loads(tokenizer.to_str())
    if fallback:  # byte tokens are ordinary tokens in the files of Llama 2 and Mistral
        value["added_tokens"] = value["added_tokens"][:2]
    return value


def main():
    plain = train(None, split(LLAMA3))
    spaced = train(normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]), None, True, 330)
    variants = []

    def add(name, base, normalizer, pre_tokenizer, ignore_merges=False):
        value = json.loads(json.dumps({"plain": plain, "spaced": spaced}[base]))
        value["normalizer"], value["pre_tokenizer"], value["post_processor"], value["decoder"] = normalizer, pre_tokenizer, None, None
        value["model"]["ignore_merges"] = ignore_merges
        tokenizer = Tokenizer.from_str(json.dumps(value))
        cases = [[text, tokenizer.encode(text, add_special_tokens=False).ids] for text in texts()]
        variants.append({"name": name, "base": base, "normalizer": normalizer, "pre_tokenizer": pre_tokenizer,
                         "ignore_merges": ignore_merges, "cases": cases})

    def state(part):
        return json.loads(part.__getstate__()) if hasattr(part, "__getstate__") else None

    nfc = {"type": "NFC"}
    add("gpt2", "plain", None, state(pre_tokenizers.ByteLevel(add_prefix_space=False)))
    add("llama3", "plain", None, state(split(LLAMA3)), True)
    add("qwen2", "plain", nfc, state(split(QWEN2)))
    add("smollm", "plain", None, state(pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])))
    add("llama2", "spaced", json.loads(json.dumps(spaced["normalizer"])), None)
    add("mistral", "spaced", None, {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False})
    out = {"made_by": f"scripts/interchange/tokenizer-goldens.py, tokenizers {tokenizers.__version__}",
           "plain": {"model": plain["model"], "added_tokens": plain["added_tokens"]},
           "spaced": {"model": spaced["model"], "added_tokens": spaced["added_tokens"]}, "variants": variants}
    Path(sys.argv[1]).write_text(json.dumps(out, ensure_ascii=True, separators=(",", ":")) + "\n")


main()
