"""Real records through TRL's SFTTrainer, the published trainer, for a comparison on the same machine.

    python sft.py FILE [--steps N] [--dropout P]

The first 4 N records of FILE, batch 4, autocast to bfloat16, the loss on every token, at most 800 tokens in a record.
Prints one JSON object, as step.py does; data set and trainer are made before the first step's clock is read.
"""
import time

process_start = time.perf_counter()
import argparse
import json
import os
import resource
import statistics
import tempfile

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

parser = argparse.ArgumentParser()
parser.add_argument("file")
parser.add_argument("--steps", type=int, default=6)
parser.add_argument("--dropout", type=float, default=0.05)
options = parser.parse_args()
path = os.environ.get("MEDROUNDS_MODEL", os.path.expanduser("~/.cache/medrounds/SmolLM2-135M-Instruct.Q4_1.gguf"))
folder, name = os.path.dirname(path), os.path.basename(path)
records = [record["tokens"][:800] for record in json.load(open(options.file))][:4 * options.steps]


class Clock(TrainerCallback):
    def __init__(self):
        self.times, self.first = [], None

    def on_step_begin(self, *_, **__):
        self.start = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.times.append(time.perf_counter() - self.start)
        self.first = self.first or time.perf_counter() - process_start


model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
model.is_quantized = False  # its weights were unpacked to float32 while they were read
model.hf_quantizer = None
clock = Clock()
with tempfile.TemporaryDirectory() as output:
    SFTTrainer(
        model=model,
        processing_class=AutoTokenizer.from_pretrained(folder, gguf_file=name),
        train_dataset=Dataset.from_dict({"input_ids": records}),
        args=SFTConfig(
            output_dir=output, per_device_train_batch_size=4, max_steps=options.steps, max_length=800, bf16=True,
            use_cpu=True, gradient_checkpointing=False, learning_rate=2e-4, max_grad_norm=1.0, save_strategy="no",
            report_to=[], disable_tqdm=True, logging_strategy="no"),
        peft_config=LoraConfig(
            r=16, lora_alpha=64, lora_dropout=options.dropout, target_modules="all-linear", task_type="CAUSAL_LM"),
        callbacks=[clock]).train()
rest = clock.times[1:] or clock.times
mean = sum(map(len, records)) / len(records)
print(json.dumps({
    "threads": torch.get_num_threads(), "step_seconds": round(statistics.median(rest), 3),
    "tokens_per_second": round(4 * mean * len(rest) / sum(rest), 1),
    "records_per_second": round(4 * len(rest) / sum(rest), 3), "first_step_seconds": round(clock.first, 2),
    "peak_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3)}))
