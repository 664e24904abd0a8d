#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Copies the part of the full set of test vectors that the tests need into tests/vectors.

    tools/vectors/copy_vectors.py FULL_SET tests/vectors

Chat templates were written by others and stay out: `chat_template` is taken from tokenizer_config.json, and
`tokenizer.chat_template` from the metadata of GGUF files. Everything else is copied byte for byte.
"""
import json
import os
import shutil
import struct
import sys

MODELS = ["llama2", "llama3", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "qwen3_5",
          "gemma3_vl", "qwen2_5_vl", "qwen3_vl", "qwen2_audio", "qwen3_asr", "whisper",
          "minilm", "bge", "e5", "qwen3_embedding", "embeddinggemma"]
GGUF = ["gemma3", "llama2", "qwen2", "llama3_wide", "qwen3_wide"]
MLX = ["llama3_wide-4bit-g64", "qwen3_wide-4bit-g64", "qwen3_wide-8bit-g32", "qwen3_5-4bit-g64"]
# What no test reads: other forms of a tokenizer.
SKIP = {"tokenizer.model", "vocab.json", "merges.txt", "vocab.txt"}

SCALAR = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY, ALIGNMENT = 8, 9, 32


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, fmt):
        return struct.unpack("<" + fmt, self.take(struct.calcsize(fmt)))[0]

    def string(self):
        return self.take(self.number("Q"))

    def skip_value(self, kind):
        if kind == STRING:
            self.string()
        elif kind == ARRAY:
            elem, n = self.number("I"), self.number("Q")
            for _ in range(n):
                self.skip_value(elem)
        else:
            self.take(SCALAR[kind])


def gguf_without_template(data):
    """The same file without tokenizer.chat_template; tensor offsets count from the data section, so they stay."""
    r = Reader(data)
    head, n_tensor, n_kv = r.take(8), r.number("Q"), r.number("Q")
    kept, alignment = [], ALIGNMENT
    for _ in range(n_kv):
        start = r.at
        key = r.string()
        kind = r.number("I")
        value_at = r.at
        r.skip_value(kind)
        if key == b"general.alignment":
            alignment = struct.unpack_from("<I", data, value_at)[0]
        if key != b"tokenizer.chat_template":
            kept.append(data[start:r.at])
    tensors_at = r.at
    for _ in range(n_tensor):
        r.string()
        n_dims = r.number("I")
        r.take(8 * n_dims + 4 + 8)
    tensors = data[tensors_at:r.at]
    old_data = -(-r.at // alignment) * alignment
    out = head + struct.pack("<QQ", n_tensor, len(kept)) + b"".join(kept) + tensors
    return out + b"\0" * (-len(out) % alignment) + data[old_data:]


def copy_file(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    name = os.path.basename(source)
    if name == "tokenizer_config.json":
        with open(source, encoding="utf-8") as f:
            config = json.load(f)
        config.pop("chat_template", None)
        with open(target, "w", encoding="utf-8") as f:
            json.dump(config, f, ensure_ascii=False, indent=1)
            f.write("\n")
    elif name.endswith(".gguf"):
        with open(source, "rb") as f:
            data = gguf_without_template(f.read())
        with open(target, "wb") as f:
            f.write(data)
    else:
        shutil.copyfile(source, target)


def copy_tree(source, target):
    for folder, _, files in os.walk(source):
        for name in sorted(files):
            if name not in SKIP:
                path = os.path.join(folder, name)
                copy_file(path, os.path.join(target, os.path.relpath(path, source)))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    full, target = sys.argv[1:]
    parts = ["blocks", "media", "tokenizers"]
    parts += ["models/" + m for m in MODELS] + ["gguf/" + g for g in GGUF] + ["mlx/" + m for m in MLX]
    for part in parts:
        copy_tree(os.path.join(full, part), os.path.join(target, part))


if __name__ == "__main__":
    main()
