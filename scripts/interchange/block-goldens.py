"""Goldens of the quantised block formats: random blocks and their values by the gguf package; NF4 from a shared golden.

Usage: python block-goldens.py OUT.safetensors NF4.safetensors   (needs numpy and gguf)
"""
import json
import struct
import sys

import gguf
import numpy as np
from gguf.quants import dequantize

rng = np.random.default_rng(11)
items = {}
for name, scales in [("Q4_0", [0]), ("Q4_1", [0, 2]), ("Q8_0", [0]), ("Q5_0", [0]), ("Q5_1", [0, 2]), ("Q4_K", [0, 2]),
                     ("Q5_K", [0, 2]), ("Q6_K", [208])]:
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = 512 // elements
    raw = rng.integers(0, 256, (2, blocks, size), dtype=np.uint8)
    for at in scales:
        half = rng.normal(0, 0.05, (2, blocks)).astype(np.float16)
        raw[:, :, at:at + 2] = half[..., None].view(np.uint8)
    raw = raw.reshape(2, -1)
    items[f"{name}.bytes"] = raw
    items[f"{name}.values"] = np.ascontiguousarray(dequantize(raw, kind), dtype=np.float32)


def read(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    types = {"F32": np.float32, "U8": np.uint8}
    return {k: np.frombuffer(data[8 + size + v["data_offsets"][0]:8 + size + v["data_offsets"][1]], types[v["dtype"]]).reshape(v["shape"])
            for k, v in json.loads(data[8:8 + size]).items() if k != "__metadata__"}


nf4 = read(sys.argv[2])
rows = 8  # the first rows of the golden: 8 x 576 weights, 72 blocks
count = rows * 576
items["nf4.weight"] = nf4["weight"].reshape(-1)[:count].reshape(rows, 576)
items["nf4.packed"] = nf4["packed"].reshape(-1)[:count // 2]
items["nf4.absmax"] = nf4["absmax"][:count // 64]
items["nf4.dequant"] = nf4["dequant"].reshape(-1)[:count].reshape(rows, 576)
items["nf4.second.absmax"] = nf4["absmax"]
items["nf4.second.codes"] = nf4["dq_absmax_u8"]
items["nf4.second.scales"] = nf4["dq_absmax2"]
items["nf4.second.offset"] = nf4["dq_offset"]
items["nf4.second.map"] = nf4["dq_code2"]
# Three rows where one group of 256 blocks ends and the next begins.
items["nf4.second.packed"] = nf4["packed"].reshape(-1)[27 * 9 * 32:30 * 9 * 32]
items["nf4.second.dequant"] = nf4["dequant_double"].reshape(576, 576)[27:30]

header, data = {}, b""
for name in sorted(items):
    value = np.ascontiguousarray(items[name])
    raw = value.tobytes()
    header[name] = {"dtype": {"float32": "F32", "uint8": "U8"}[str(value.dtype)], "shape": list(value.shape),
                    "data_offsets": [len(data), len(data) + len(raw)]}
    data += raw
text = json.dumps(header, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + data)
print("gguf", getattr(gguf, "__version__", "0.19"), "numpy", np.__version__)
