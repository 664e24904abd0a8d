# SPDX-License-Identifier: Apache-2.0
"""One model, laid out as another format lays it out, gives the same logits: Qwen3.5 as GGUF files have it, with value
heads reordered, rates instead of their logarithms, 1 added to norms, and a block that predicts further tokens counted."""
import array
import json
import math
import os
import struct
import tempfile

from tap import main, succeed, test, vectors

U32, F32, STRING = 4, 6, 8


def safetensors(path):
    """name -> (shape, list of floats), of a file of BF16 tensors."""
    with open(path, "rb") as f:
        data = f.read()
    n = struct.unpack_from("<Q", data)[0]
    result = {}
    for name, t in json.loads(data[8:8 + n]).items():
        if name == "__metadata__":
            continue
        assert t["dtype"] == "BF16", name
        first, end = t["data_offsets"]
        half = array.array("H", data[8 + n + first:8 + n + end])
        words = array.array("I", (h << 16 for h in half))
        result[name] = t["shape"], array.array("f", words.tobytes()).tolist()
    return result


def tiled(values, n_k, ratio):
    """Equal parts, one for each value head: from grouped by key head to all first ones, all second ones, ..."""
    size = len(values) // (n_k * ratio)
    parts = [values[i * size:(i + 1) * size] for i in range(n_k * ratio)]
    return [x for j in range(ratio) for k in range(n_k) for x in parts[k * ratio + j]]


def delta_tensor(c, name, shape, x):
    """A tensor of a delta net: its GGUF name, shape and values."""
    n_k, ratio = c["linear_num_key_heads"], c["linear_num_value_heads"] // c["linear_num_key_heads"]
    qk = 2 * n_k * c["linear_key_head_dim"]
    if name == "A_log":
        return "ssm_a", shape, tiled([-math.exp(v) for v in x], n_k, ratio)
    if name == "dt_bias":
        return "ssm_dt.bias", shape, tiled(x, n_k, ratio)
    if name == "norm.weight":
        return "ssm_norm.weight", shape, x
    if name == "conv1d.weight":
        at = qk * shape[2]
        return "ssm_conv1d.weight", [shape[0], shape[2]], x[:at] + tiled(x[at:], n_k, ratio)
    if name == "in_proj_qkv.weight":
        at = qk * shape[1]
        return "attn_qkv.weight", shape, x[:at] + tiled(x[at:], n_k, ratio)
    if name == "out_proj.weight":
        lines = [x[i * shape[1]:(i + 1) * shape[1]] for i in range(shape[0])]
        return "ssm_out.weight", shape, [v for line in lines for v in tiled(line, n_k, ratio)]
    other = {"in_proj_z.weight": "attn_gate.weight", "in_proj_a.weight": "ssm_alpha.weight",
             "in_proj_b.weight": "ssm_beta.weight"}
    return other[name], shape, tiled(x, n_k, ratio)


PLAIN = {"input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
         "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
         "self_attn.k_norm": "attn_k_norm"}


def gguf_tensor(c, name, shape, x):
    name = name[len("model."):]
    if name == "embed_tokens.weight":
        return "token_embd.weight", shape, x
    if name == "norm.weight":
        return "output_norm.weight", shape, [v + 1 for v in x]
    _, layer, rest = name.split(".", 2)
    if rest.startswith("linear_attn."):
        name, shape, x = delta_tensor(c, rest[len("linear_attn."):], shape, x)
    else:
        name = PLAIN[rest[:-len(".weight")]] + ".weight"
        x = [v + 1 for v in x] if "norm" in name else x
    return "blk.%s.%s" % (layer, name), shape, x


def metadata(c):
    arch, n_v = "qwen35.", c["linear_num_value_heads"]
    return [("general.architecture", STRING, "qwen35"), (arch + "block_count", U32, c["num_hidden_layers"] + 1),
            (arch + "nextn_predict_layers", U32, 1), (arch + "embedding_length", U32, c["hidden_size"]),
            (arch + "feed_forward_length", U32, c["intermediate_size"]), (arch + "context_length", U32, 2048),
            (arch + "attention.head_count", U32, c["num_attention_heads"]),
            (arch + "attention.head_count_kv", U32, c["num_key_value_heads"]),
            (arch + "attention.key_length", U32, c["head_dim"]), (arch + "attention.value_length", U32, c["head_dim"]),
            (arch + "attention.layer_norm_rms_epsilon", F32, c["rms_norm_eps"]),
            (arch + "rope.freq_base", F32, c["rope_parameters"]["rope_theta"]),
            (arch + "rope.dimension_count", U32, int(c["head_dim"] * c["partial_rotary_factor"])),
            (arch + "full_attention_interval", U32, 4), (arch + "ssm.conv_kernel", U32, c["linear_conv_kernel_dim"]),
            (arch + "ssm.state_size", U32, c["linear_key_head_dim"]),
            (arch + "ssm.group_count", U32, c["linear_num_key_heads"]), (arch + "ssm.time_step_rank", U32, n_v),
            (arch + "ssm.inner_size", U32, n_v * c["linear_value_head_dim"])]


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def write_gguf(path, values, tensors):
    head, data = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values)), b""
    for key, kind, v in values:
        head += text(key) + struct.pack("<I", kind)
        head += text(v) if kind == STRING else struct.pack("<I" if kind == U32 else "<f", v)
    for name, shape, x in tensors:
        head += text(name) + struct.pack("<I%dQIQ" % len(shape), len(shape), *reversed(shape), 0, len(data))
        data += struct.pack("<%df" % len(x), *x)
        data += bytes(-len(data) % 32)
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % 32) + data)


def logits(model, ids, folder, device):
    out = os.path.join(folder, "logits.npy")
    succeed("logits", model, "--ids", ids, "--out", out, "--all", "--device", device, "--compute", "f32")
    with open(out, "rb") as f:
        data = f.read()
    return array.array("f", data[10 + struct.unpack_from("<H", data, 8)[0]:])


@test
def qwen3_5_from_gguf():
    source = vectors("models", "qwen3_5")
    with open(os.path.join(source, "config.json"), encoding="utf-8") as f:
        c = json.load(f)
    with open(os.path.join(source, "reference.json"), encoding="utf-8") as f:
        prompt = next(p for p in json.load(f)["prompts"] if p["name"] == "batch2")
    ids = ",".join(str(i) for i in prompt["ids"])
    tensors = safetensors(os.path.join(source, "model.safetensors"))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.gguf")
        write_gguf(path, metadata(c), [gguf_tensor(c, name, *t) for name, t in sorted(tensors.items())])
        # Sums over reordered heads are rounded differently: in double on one device, in F32 on the other.
        for device, bound in ("reference", 1e-5), ("cpu", 1e-4):
            want, got = logits(source, ids, folder, device), logits(path, ids, folder, device)
            assert len(want) == len(got) == len(prompt["ids"]) * c["vocab_size"]
            off = max(abs(a - b) for a, b in zip(got, want))
            print("# %s: off by at most %.1e" % (device, off))
            assert off < bound, "%s: logits off by %g" % (device, off)


main()
