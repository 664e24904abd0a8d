#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a Qwen3-VL checkpoint of a real shape with random weights: speed means something, answers do not.

make_vl.py FOLDER [2b|tiny]"""
import json
import os
import struct
import sys

SHAPES = {
    # text: layers, width, heads, kv heads, head_dim, mlp, vocabulary; tower: depth, width, heads, mlp, merged into width
    "2b": dict(n_layer=28, n=2048, h=16, hk=8, e=128, f=6144, vocab=151936, depth=24, d=1024, th=16, tf=4096, deep=[5, 11, 17]),
    "tiny": dict(n_layer=2, n=256, h=4, hk=2, e=64, f=512, vocab=4096, depth=2, d=128, th=4, tf=256, deep=[0]),
}


def tensors(s):
    n, e, d = s["n"], s["e"], s["d"]
    yield "model.language_model.embed_tokens.weight", (s["vocab"], n)
    yield "model.language_model.norm.weight", (n,)
    for i in range(s["n_layer"]):
        p = f"model.language_model.layers.{i}."
        yield p + "input_layernorm.weight", (n,)
        yield p + "post_attention_layernorm.weight", (n,)
        yield p + "self_attn.q_proj.weight", (s["h"] * e, n)
        yield p + "self_attn.k_proj.weight", (s["hk"] * e, n)
        yield p + "self_attn.v_proj.weight", (s["hk"] * e, n)
        yield p + "self_attn.o_proj.weight", (n, s["h"] * e)
        yield p + "self_attn.q_norm.weight", (e,)
        yield p + "self_attn.k_norm.weight", (e,)
        yield p + "mlp.gate_proj.weight", (s["f"], n)
        yield p + "mlp.up_proj.weight", (s["f"], n)
        yield p + "mlp.down_proj.weight", (n, s["f"])
    v = "model.visual."
    yield v + "patch_embed.proj.weight", (d, 3, 2, 16, 16)
    yield v + "patch_embed.proj.bias", (d,)
    yield v + "pos_embed.weight", (2304, d)
    for i in range(s["depth"]):
        p = f"{v}blocks.{i}."
        for norm in ("norm1", "norm2"):
            yield p + norm + ".weight", (d,)
            yield p + norm + ".bias", (d,)
        for name, rows, cols in (("attn.qkv", 3 * d, d), ("attn.proj", d, d), ("mlp.linear_fc1", s["tf"], d), ("mlp.linear_fc2", d, s["tf"])):
            yield p + name + ".weight", (rows, cols)
            yield p + name + ".bias", (rows,)
    for p, width in [(v + "merger.", d)] + [(f"{v}deepstack_merger_list.{k}.", 4 * d) for k in range(len(s["deep"]))]:
        yield p + "norm.weight", (width,)
        yield p + "norm.bias", (width,)
        yield p + "linear_fc1.weight", (4 * d, 4 * d)
        yield p + "linear_fc1.bias", (4 * d,)
        yield p + "linear_fc2.weight", (n, 4 * d)
        yield p + "linear_fc2.bias", (n,)


def config(s):
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"], "model_type": "qwen3_vl", "tie_word_embeddings": True,
        "image_token_id": s["vocab"] - 281, "video_token_id": s["vocab"] - 280,
        "text_config": {
            "model_type": "qwen3_vl_text", "hidden_size": s["n"], "num_hidden_layers": s["n_layer"], "num_attention_heads": s["h"],
            "num_key_value_heads": s["hk"], "head_dim": s["e"], "intermediate_size": s["f"], "vocab_size": s["vocab"], "hidden_act": "silu",
            "max_position_embeddings": 262144, "rms_norm_eps": 1e-6, "rope_theta": 5000000,
            "rope_scaling": {"rope_type": "default", "mrope_interleaved": True, "mrope_section": [s["e"] // 2 - 2 * (s["e"] // 6), s["e"] // 6, s["e"] // 6]},
            "tie_word_embeddings": True},
        "vision_config": {
            "model_type": "qwen3_vl", "depth": s["depth"], "hidden_size": s["d"], "num_heads": s["th"], "intermediate_size": s["tf"],
            "in_channels": 3, "patch_size": 16, "temporal_patch_size": 2, "spatial_merge_size": 2, "num_position_embeddings": 2304,
            "out_hidden_size": s["n"], "deepstack_visual_indexes": s["deep"], "hidden_act": "gelu_pytorch_tanh"},
    }


def main():
    folder, s = sys.argv[1], SHAPES[sys.argv[2] if len(sys.argv) > 2 else "2b"]
    os.makedirs(folder, exist_ok=True)
    header, at = {}, 0
    for name, shape in tensors(s):
        n = 2
        for k in shape:
            n *= k
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    # Numbers of about 0.02: signs and low bits random, one exponent.
    block = bytearray(os.urandom(1 << 22))
    for i in range(1, len(block), 2):
        block[i] = 0x3C | (block[i] & 0x80)
    with open(f"{folder}/model.safetensors", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        while at:
            n = min(at, len(block))
            out.write(block[:n])
            at -= n
    with open(f"{folder}/config.json", "w") as out:
        json.dump(config(s), out, indent=1)
    with open(f"{folder}/video_preprocessor_config.json", "w") as out:
        json.dump({"size": {"shortest_edge": 4096, "longest_edge": 25165824}, "patch_size": 16, "temporal_patch_size": 2, "merge_size": 2, "fps": 2}, out)
    with open(f"{folder}/preprocessor_config.json", "w") as out:
        json.dump({"size": {"shortest_edge": 65536, "longest_edge": 16777216}, "patch_size": 16, "temporal_patch_size": 2, "merge_size": 2, "resample": 3}, out)


main()
