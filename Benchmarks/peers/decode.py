"""The same work as Benchmarks/Sources/decode, by llama.cpp and by torch, transformers and PEFT, on the same machine.

    peers/bin/pip install torch transformers peft gguf accelerate llama-cpp-python
    peers/bin/python Benchmarks/peers/decode.py llama [REPEATS]
        256 random prompt tokens and 64 new ones, batch 1, greedy, no adapter.
    peers/bin/python Benchmarks/peers/decode.py peft FILE ADAPTER_FOLDER [RECORDS] [BATCH] [NEW_TOKENS]
        The prompts that `decode --write FILE` wrote, batch after batch, longest first within what is read, autocast to bfloat16.

Prints wall-clock and processor seconds, and in the last line a JSON object.
"""
import json
import os
import statistics
import sys
import time

path = os.environ.get("MEDROUNDS_MODEL", os.path.expanduser("~/.cache/medrounds/SmolLM2-135M-Instruct.Q4_1.gguf"))
END = 2  # <|im_end|>


def llama(repeats):
    from llama_cpp import Llama

    model = Llama(path, n_ctx=512, n_threads=2, n_threads_batch=2, verbose=False, logits_all=False)
    state, prompt = 1, []
    for _ in range(256):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        prompt.append((state >> 33) % 49000)
    rates, prompts, processor = [], [], []
    for _ in range(repeats + 1):
        model.reset()
        start = time.perf_counter()
        model.eval(prompt)
        token = model.sample(temp=0.0)
        middle, used = time.perf_counter(), time.process_time()
        for _ in range(63):
            model.eval([token])
            token = model.sample(temp=0.0)
        rates.append(63 / (time.perf_counter() - middle))
        processor.append(63 / (time.process_time() - used))
        prompts.append(256 / (middle - start))
    print(f"llama.cpp: prompt {statistics.median(prompts[1:]):.1f} tokens/s, "
          f"decoding {statistics.median(rates[1:]):.1f} tokens/s, "
          f"{statistics.median(processor[1:]):.1f} tokens per processor second")
    print(json.dumps({"threads": 2, "tokens_per_second": statistics.median(rates[1:])}))


def peft(file, adapter, records, batch, new):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        os.path.dirname(path), gguf_file=os.path.basename(path), dtype=torch.float32)
    model = PeftModel.from_pretrained(model, adapter).eval()
    work = json.load(open(file))[:records]
    same = written = 0
    start, used = time.perf_counter(), time.process_time()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for first in range(0, len(work), batch):
            part = work[first:first + batch]
            width = max(len(row["prompt"]) for row in part)
            ids = torch.tensor([[END] * (width - len(row["prompt"])) + row["prompt"] for row in part])
            mask = torch.tensor([[0] * (width - len(row["prompt"])) + [1] * len(row["prompt"]) for row in part])
            out = model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=new, do_sample=False, eos_token_id=END,
                pad_token_id=END)[:, width:].tolist()
            for row, answer in zip(part, out):
                if END in answer:
                    answer = answer[:answer.index(END)]
                written += len(answer)
                same += answer[:len(row["answer"])] == row["answer"]
    seconds, used = time.perf_counter() - start, time.process_time() - used
    print(f"transformers + PEFT, autocast bfloat16, batch {batch}: {len(work)} records in {seconds:.1f} s, "
          f"{len(work) / seconds:.3f} records/s, {len(work) / used:.3f} records per processor second; "
          f"{written} tokens, {same} answers begin like ours")
    print(json.dumps({"threads": torch.get_num_threads(), "records_per_second": len(work) / seconds}))


if sys.argv[1] == "llama":
    llama(int(sys.argv[2]) if len(sys.argv) > 2 else 5)
else:
    numbers = [int(value) for value in sys.argv[4:]] + [48, 16, 192][len(sys.argv) - 4:]
    peft(sys.argv[2], sys.argv[3], *numbers)
