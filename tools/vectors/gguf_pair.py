#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns a small vision model in a directory of safetensors into two GGUF files, as llama.cpp's converter lays them out:
model.gguf has the text and the tokenizer, mmproj-model.gguf the vision tower. For tests; no packages needed."""
import argparse
import json
import re
import struct
from pathlib import Path

F32, F16 = 0, 1
U32, I32, F32_VALUE, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
SCALARS = {U32: "I", I32: "i", F32_VALUE: "f", BOOL: "?"}
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6


# ---- files ----

def read_safetensors(path):
    """{name: (shape, list of floats)}"""
    raw = path.read_bytes()
    n, = struct.unpack_from("<Q", raw)
    out = {}
    for name, t in json.loads(raw[8:8 + n]).items():
        if name == "__metadata__":
            continue
        data = raw[8 + n + t["data_offsets"][0]:8 + n + t["data_offsets"][1]]
        if t["dtype"] == "BF16":
            data = b"".join(b"\0\0" + data[i:i + 2] for i in range(0, len(data), 2))
        elif t["dtype"] != "F32":
            raise ValueError(f"{path}: {name} is {t['dtype']}")
        out[name] = (t["shape"], list(struct.unpack(f"<{len(data) // 4}f", data)))
    return out


def value(kind, v):
    if kind == STRING:
        raw = v.encode()
        return struct.pack("<Q", len(raw)) + raw
    if kind == ARRAY:
        of, items = v
        return struct.pack("<IQ", of, len(items)) + b"".join(value(of, i) for i in items)
    return struct.pack("<" + SCALARS[kind], v)


def padded(raw):
    return raw + bytes(-len(raw) % 32)


def write_gguf(path, metadata, tensors, matrices):
    """metadata: [(key, kind, value)]; tensors: {name: (shape, floats)}; matrices: their type, vectors and tables are F32"""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, kind, v in metadata:
        head += value(STRING, key) + struct.pack("<I", kind) + value(kind, v)
    blobs, offset = [], 0
    for name, (shape, data) in tensors.items():
        kind = F32 if len(shape) == 1 or "position_embd" in name else matrices
        if name == "mm.input_projection.weight":
            kind = F16
        blobs.append(padded(struct.pack(f"<{len(data)}{'f' if kind == F32 else 'e'}", *data)))
        head += value(STRING, name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), kind, offset)
        offset += len(blobs[-1])
    path.write_bytes(padded(head) + b"".join(blobs))


# ---- the tokenizer ----

def token_kind(piece, added):
    if piece == "<unk>":
        return UNKNOWN
    if re.fullmatch("<0x[0-9A-F]{2}>", piece):
        return BYTE
    if piece in added:
        return CONTROL if added[piece]["special"] else USER_DEFINED
    return NORMAL


def tokenizer_metadata(folder, family, rename):
    t = json.loads((folder / "tokenizer.json").read_text())
    added = {a["content"]: a for a in t["added_tokens"]}
    ids = dict(t["model"]["vocab"], **{a["content"]: a["id"] for a in t["added_tokens"]})
    pieces = sorted(ids, key=ids.get)
    assert [ids[p] for p in pieces] == list(range(len(pieces)))
    merges = [m if isinstance(m, list) else m.split(" ") for m in t["model"]["merges"]]
    template = folder / "chat_template.jinja"
    out = [("tokenizer.chat_template", STRING, template.read_text())] if template.exists() else []
    out += [("tokenizer.ggml.tokens", ARRAY, (STRING, [rename.get(p, p) for p in pieces])),
            ("tokenizer.ggml.token_type", ARRAY, (I32, [token_kind(p, added) for p in pieces]))]
    if family != "gemma3":
        return out + [("tokenizer.ggml.model", STRING, "gpt2"), ("tokenizer.ggml.pre", STRING, "qwen2"),
                      ("tokenizer.ggml.merges", ARRAY, (STRING, [" ".join(m) for m in merges])),
                      ("tokenizer.ggml.eos_token_id", U32, ids["<|im_end|>"]), ("tokenizer.ggml.add_bos_token", BOOL, False)]
    rank = {}
    for i, m in enumerate(merges):
        rank.setdefault("".join(m), -float(i))
    return out + [("tokenizer.ggml.model", STRING, "llama"), ("tokenizer.ggml.pre", STRING, "default"),
                  ("tokenizer.ggml.scores", ARRAY, (F32_VALUE, [rank.get(p, -1000.0) for p in pieces])),
                  ("tokenizer.ggml.bos_token_id", U32, ids["<bos>"]), ("tokenizer.ggml.eos_token_id", U32, ids["<eos>"]),
                  ("tokenizer.ggml.add_bos_token", BOOL, True), ("tokenizer.ggml.add_space_prefix", BOOL, False)]


# ---- the text ----

TEXT = {"embed_tokens": "token_embd", "norm": "output_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
        "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm"}
QWEN_NORMS = {"post_attention_layernorm": "ffn_norm"}
GEMMA_NORMS = {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
               "post_feedforward_layernorm": "post_ffw_norm"}


def text_name(name, names):
    """The GGUF name of a tensor of the text, None for others."""
    found = re.fullmatch(r"(?:model\.language_model\.|language_model\.model\.|model\.)(.+)\.(weight|bias)", name)
    if not found or "visual" in name:
        return None
    stem, what = found.groups()
    layer = re.fullmatch(r"layers\.(\d+)\.(.+)", stem)
    return f"blk.{layer[1]}.{names[layer[2]]}.{what}" if layer else f"{names[stem]}.{what}"


def add_one(tensor):
    return tensor[0], [x + 1 for x in tensor[1]]


def text_metadata(c, arch):
    head = c.get("head_dim", c["hidden_size"] // c["num_attention_heads"])
    rope = c.get("rope_scaling") or {}
    values = [("context_length", U32, c["max_position_embeddings"]), ("embedding_length", U32, c["hidden_size"]),
              ("block_count", U32, c["num_hidden_layers"]), ("feed_forward_length", U32, c["intermediate_size"]),
              ("attention.head_count", U32, c["num_attention_heads"]), ("attention.head_count_kv", U32, c["num_key_value_heads"]),
              ("attention.layer_norm_rms_epsilon", F32_VALUE, c["rms_norm_eps"]), ("rope.freq_base", F32_VALUE, c["rope_theta"])]
    if "head_dim" in c:
        values += [("attention.key_length", U32, head), ("attention.value_length", U32, head)]
    if "mrope_section" in rope:
        values += [("rope.dimension_sections", ARRAY, (I32, rope["mrope_section"] + [0]))]
    if rope.get("rope_type") == "linear":
        values += [("rope.scaling.type", STRING, "linear"), ("rope.scaling.factor", F32_VALUE, rope["factor"])]
    if arch == "gemma3":
        values += [("attention.sliding_window", U32, c["sliding_window"]),
                   ("attention.sliding_window_pattern", U32, c["sliding_window_pattern"]),
                   ("rope.freq_base_swa", F32_VALUE, c["rope_local_base_freq"])]
    return [("general.architecture", STRING, arch)] + [(f"{arch}.{k}", kind, v) for k, kind, v in values]


# ---- the tower ----

QWEN = {"attn.proj": "attn_out", "attn.qkv": "attn_qkv", "norm1": "ln1", "norm2": "ln2", "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.linear_fc1": "ffn_up", "mlp.linear_fc2": "ffn_down"}
GEMMA = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.out_proj": "attn_out",
         "layer_norm1": "ln1", "layer_norm2": "ln2", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down"}
SINGLE = {"visual.patch_embed.proj.bias": "v.patch_embd.bias", "visual.pos_embed.weight": "v.position_embd.weight",
          "vision_tower.vision_model.embeddings.patch_embedding.weight": "v.patch_embd.weight",
          "vision_tower.vision_model.embeddings.patch_embedding.bias": "v.patch_embd.bias",
          "vision_tower.vision_model.embeddings.position_embedding.weight": "v.position_embd.weight",
          "multi_modal_projector.mm_input_projection_weight": "mm.input_projection.weight"}
STEMS = {"visual.merger.ln_q": "v.post_ln", "visual.merger.norm": "v.post_ln", "visual.merger.mlp.0": "mm.0", "visual.merger.mlp.2": "mm.2",
         "visual.merger.linear_fc1": "mm.0", "visual.merger.linear_fc2": "mm.2",
         "vision_tower.vision_model.post_layernorm": "v.post_ln"}


def split_kernel(tensor):
    """[n, 3, 2, p, p] as two of [n, 3, p, p]"""
    (n, channels, frames, height, width), data = tensor
    area = height * width
    rows = [data[i:i + area] for i in range(0, len(data), area)]
    return [([n, channels, height, width], [x for row in rows[f::frames] for x in row]) for f in range(frames)]


def split_thirds(tensor):
    shape, data = tensor
    n = len(data) // 3
    return [([shape[0] // 3] + shape[1:], data[i * n:(i + 1) * n]) for i in range(3)]


def tower_tensors(name, tensor, vision):
    """[(GGUF name, tensor)] of a tensor of the tower"""
    name = name.removeprefix("model.") if name.startswith("model.visual.") else name
    if name == "visual.patch_embed.proj.weight":
        return list(zip(("v.patch_embd.weight", "v.patch_embd.weight.1"), split_kernel(tensor)))
    if name == "multi_modal_projector.mm_soft_emb_norm.weight":
        return [("mm.soft_emb_norm.weight", add_one(tensor))]
    if name in SINGLE:
        return [(SINGLE[name], tensor)]
    stem, what = name.rsplit(".", 1)
    if stem in STEMS:
        return [(f"{STEMS[stem]}.{what}", tensor)]
    deep = re.fullmatch(r"visual\.deepstack_merger_list\.(\d+)\.(?:linear_)?(\w+)", stem)
    if deep:
        return [(f"v.deepstack.{vision['deepstack_visual_indexes'][int(deep[1])]}.{deep[2]}.{what}", tensor)]
    block = re.fullmatch(r"(?:visual\.blocks|vision_tower\.vision_model\.encoder\.layers)\.(\d+)\.(.+)", stem)
    new = (QWEN | GEMMA)[block[2]]
    if new == "attn_qkv" and "deepstack_visual_indexes" not in vision:
        return [(f"v.blk.{block[1]}.attn_{k}.{what}", t) for k, t in zip("qkv", split_thirds(tensor))]
    return [(f"v.blk.{block[1]}.{new}.{what}", tensor)]


PROJECTORS = {"qwen2_vl": "qwen2vl_merger", "qwen2_5_vl": "qwen2.5vl_merger", "qwen3_vl": "qwen3vl_merger", "gemma3": "gemma3"}


def tower_metadata(c, width, processor):
    v, kind = c["vision_config"], c["model_type"]
    depth = v.get("depth", v.get("num_hidden_layers"))
    side = int(v.get("num_position_embeddings", 1600) ** 0.5)
    values = [("image_size", U32, v.get("image_size", side * v["patch_size"])), ("patch_size", U32, v["patch_size"]),
              ("embedding_length", U32, v["hidden_size"]), ("feed_forward_length", U32, v["intermediate_size"]),
              ("projection_dim", U32, width), ("block_count", U32, depth),
              ("attention.head_count", U32, v.get("num_heads", v.get("num_attention_heads"))),
              ("attention.layer_norm_epsilon", F32_VALUE, 1e-6),
              ("image_mean", ARRAY, (F32_VALUE, processor["image_mean"])), ("image_std", ARRAY, (F32_VALUE, processor["image_std"]))]
    if kind == "qwen2_5_vl":
        values += [("n_wa_pattern", U32, v["fullatt_block_indexes"][0] + 1), ("window_size", U32, v["window_size"])]
    if kind == "qwen3_vl":
        deep = [i in v["deepstack_visual_indexes"] for i in range(depth)]
        values += [("spatial_merge_size", U32, v["spatial_merge_size"]), ("is_deepstack_layers", ARRAY, (BOOL, deep))]
    if kind == "gemma3":
        values += [("projector.scale_factor", U32, v["image_size"] // v["patch_size"] // int(processor["image_seq_length"] ** 0.5))]
    else:
        size = processor.get("size", {})
        values += [("image_min_pixels", U32, processor.get("min_pixels", size.get("shortest_edge"))),
                   ("image_max_pixels", U32, processor.get("max_pixels", size.get("longest_edge")))]
    return [("general.architecture", STRING, "clip"), ("general.type", STRING, "mmproj"), ("clip.has_vision_encoder", BOOL, True),
            ("clip.projector_type", STRING, PROJECTORS[kind])] + [(f"clip.vision.{k}", t, x) for k, t, x in values]


# ---- both ----

def swap_mlp(tensors):
    """The names that files of before May 2025 have."""
    other = {"ffn_up": "ffn_down", "ffn_down": "ffn_up"}
    return {re.sub("ffn_(up|down)", lambda m: other[m[0]], name): t for name, t in tensors.items()}


def convert(folder, out, matrices=F16, swapped=False, edit=lambda metadata, tensors: (metadata, tensors), rename={}):
    """Writes out/model.gguf and out/mmproj-model.gguf. swapped: old names; edit: changes the tower's metadata and
    tensors; rename: pieces of the tokenizer."""
    folder, out = Path(folder), Path(out)
    c = json.loads((folder / "config.json").read_text())
    text = dict(c, **c.get("text_config", {}))
    kind = c["model_type"]
    arch = {"qwen2_vl": "qwen2vl", "qwen2_5_vl": "qwen2vl", "qwen3_vl": "qwen3vl", "gemma3": "gemma3"}[kind]
    names = TEXT | (GEMMA_NORMS if kind == "gemma3" else QWEN_NORMS)
    texts, tower = {}, {}
    for name, tensor in read_safetensors(folder / "model.safetensors").items():
        new = text_name(name, names)
        if new:
            texts[new] = add_one(tensor) if kind == "gemma3" and "norm" in new else tensor
        else:
            tower.update(tower_tensors(name, tensor, c["vision_config"]))
    metadata = text_metadata(text, arch)
    if kind == "qwen3_vl":
        metadata.append(("qwen3vl.n_deepstack_layers", U32, len(c["vision_config"]["deepstack_visual_indexes"])))
    processor = json.loads((folder / "preprocessor_config.json").read_text())
    out.mkdir(parents=True, exist_ok=True)
    write_gguf(out / "model.gguf", metadata + tokenizer_metadata(folder, kind, rename), texts, matrices)
    tower = swap_mlp(tower) if swapped else tower
    write_gguf(out / "mmproj-model.gguf", *edit(tower_metadata(c, text["hidden_size"], processor), tower), matrices)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("folder", type=Path, help="config.json, model.safetensors, tokenizer.json, preprocessor_config.json")
    p.add_argument("out", type=Path, help="a folder for the two files")
    p.add_argument("--f32", action="store_true", help="matrices in F32 instead of F16")
    p.add_argument("--swapped", action="store_true", help="names of the mlp's layers as before May 2025")
    o = p.parse_args()
    convert(o.folder, o.out, F32 if o.f32 else F16, o.swapped)


if __name__ == "__main__":
    main()
