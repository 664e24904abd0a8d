#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes models/starter/starter.gguf: the trained weights as Q8_0 (norms F32), tokenizer and chat template in one file."""
import argparse
import json
import struct
from pathlib import Path

import numpy as np

import gguf

MODELS = Path(__file__).resolve().parents[2] / "models/starter"
NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name):
    """model.layers.3.mlp.up_proj.weight -> blk.3.ffn_up.weight"""
    parts = name.removesuffix(".weight")
    if parts.startswith("model.layers."):
        layer, rest = parts.removeprefix("model.layers.").split(".", 1)
        return f"blk.{layer}.{NAMES[rest]}.weight"
    return NAMES[parts] + ".weight"


def hf_name(name):
    """the way back"""
    back = {v: k for k, v in NAMES.items()}
    parts = name.removesuffix(".weight")
    if parts.startswith("blk."):
        _, layer, rest = parts.split(".", 2)
        return f"model.layers.{layer}.{back[rest]}.weight"
    return back[parts] + ".weight"


def read_safetensors(path):
    """bfloat16 and float32 tensors as float32 arrays"""
    raw = Path(path).read_bytes()
    n, = struct.unpack_from("<Q", raw)
    out = {}
    for name, t in json.loads(raw[8:8 + n]).items():
        if name == "__metadata__":
            continue
        data = raw[8 + n + t["data_offsets"][0]:8 + n + t["data_offsets"][1]]
        if t["dtype"] == "BF16":
            array = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            array = np.frombuffer(data, {"F32": "<f4"}[t["dtype"]])
        out[name] = array.reshape(t["shape"])
    return out


def tokenizer_metadata(tokenizer, template):
    model, added = tokenizer["model"], tokenizer["added_tokens"]
    tokens = sorted(model["vocab"], key=model["vocab"].get) + [t["content"] for t in added]
    kinds = [1] * len(model["vocab"]) + [3 if t["special"] else 4 for t in added]
    ids = {t["content"]: t["id"] for t in added}
    return [
        ("tokenizer.ggml.model", gguf.STRING, "gpt2"), ("tokenizer.ggml.pre", gguf.STRING, "qwen2"),
        ("tokenizer.ggml.tokens", gguf.ARRAY, (gguf.STRING, tokens)), ("tokenizer.ggml.token_type", gguf.ARRAY, (gguf.I32, kinds)),
        ("tokenizer.ggml.merges", gguf.ARRAY, (gguf.STRING, [" ".join(m) for m in model["merges"]])),
        ("tokenizer.ggml.eos_token_id", gguf.U32, ids["<|im_end|>"]), ("tokenizer.ggml.padding_token_id", gguf.U32, ids["<|endoftext|>"]),
        ("tokenizer.ggml.add_bos_token", gguf.BOOL, False), ("tokenizer.chat_template", gguf.STRING, template),
    ]


def metadata(c, tokenizer, template):
    s, u, f = gguf.STRING, gguf.U32, gguf.F32_VALUE
    return [
        ("general.architecture", s, "qwen3"), ("general.type", s, "model"), ("general.name", s, "Tenon starter"),
        ("general.description", s, "A small chat model, trained from scratch on generated conversations"), ("general.license", s, "apache-2.0"),
        ("general.size_label", s, "7M"), ("general.languages", gguf.ARRAY, (s, ["en"])),
        ("general.file_type", u, 7), ("general.quantization_version", u, 2),
        ("qwen3.context_length", u, c["max_position_embeddings"]), ("qwen3.embedding_length", u, c["hidden_size"]),
        ("qwen3.block_count", u, c["num_hidden_layers"]), ("qwen3.feed_forward_length", u, c["intermediate_size"]),
        ("qwen3.attention.head_count", u, c["num_attention_heads"]), ("qwen3.attention.head_count_kv", u, c["num_key_value_heads"]),
        ("qwen3.attention.layer_norm_rms_epsilon", f, c["rms_norm_eps"]), ("qwen3.attention.key_length", u, c["head_dim"]),
        ("qwen3.attention.value_length", u, c["head_dim"]), ("qwen3.vocab_size", u, c["vocab_size"]),
        ("qwen3.rope.dimension_count", u, c["head_dim"]), ("qwen3.rope.freq_base", f, c["rope_theta"]),
    ] + tokenizer_metadata(tokenizer, template)


def order(name):
    """embedding, final norm, then the layers as llama.cpp lists them"""
    if not name.startswith("blk."):
        return (-1, name != "token_embd.weight")
    _, layer, rest = name.split(".", 2)
    inside = "attn_norm attn_q attn_q_norm attn_k attn_k_norm attn_v attn_output ffn_gate ffn_up ffn_down ffn_norm".split()
    return (int(layer), inside.index(rest.removesuffix(".weight")))


def export(weights, config, out):
    tokenizer = json.loads((MODELS / "tokenizer.json").read_text())
    template = (MODELS / "chat_template.jinja").read_text()
    tensors = sorted(((gguf_name(k), v) for k, v in weights.items()), key=lambda t: order(t[0]))
    gguf.write(out, metadata(config, tokenizer, template), [(n, v, gguf.Q8_0 if v.ndim == 2 else gguf.F32) for n, v in tensors])


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("weights", type=Path, help="starter.safetensors")
    p.add_argument("config", type=Path, help="training.json, which holds the configuration")
    p.add_argument("--out", type=Path, default=MODELS / "starter.gguf")
    o = p.parse_args()
    export(read_safetensors(o.weights), json.loads(o.config.read_text())["config"], o.out)
    print(f"{o.out}: {o.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
