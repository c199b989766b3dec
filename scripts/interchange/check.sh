#!/bin/bash
# Converts adapters in both directions: the logits in PEFT and llama.cpp must be the same as here. Needs a Python with torch, transformers,
# peft, gguf and llama-cpp-python, and the built program. Usage: PYTHON=venv/bin/python bash scripts/interchange/check.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
exec "${PYTHON:-python3}" scripts/interchange/check.py "${MEDROUNDS:-.build/release/medrounds}"
