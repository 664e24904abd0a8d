# SPDX-License-Identifier: Apache-2.0
"""The Qwen3-VL architecture for training (Qwen3-VL technical report, 2025): names as in Hugging Face's checkpoints, whole rows,
no cache. vision_check.py holds it against reference outputs; what is reported was computed by transformers, where that is there.
"""
import functools

import torch
import torch.nn.functional as F
from torch import nn


class Norm(nn.Module):
    def __init__(self, size, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x):
        if hasattr(F, "rms_norm"):
            return F.rms_norm(x.float(), self.weight.shape, self.weight, self.eps).to(x.dtype)
        y = x.float()                                  # PyTorch 1
        return (y * torch.rsqrt(y.square().mean(-1, keepdim=True) + self.eps) * self.weight).to(x.dtype)


def rope(x, cos, sin):
    """half-split rotation; cos and sin as wide as half a head"""
    a, b = x.float().chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)


def attention(q, k, v, causal):
    """q, k, v [batch, heads, tokens, head_dim]"""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    score = q @ k.mT * q.shape[-1] ** -.5              # PyTorch 1
    if causal:
        score = score.masked_fill(torch.ones_like(score[0, 0], dtype=torch.bool).triu(1), -torch.inf)
    return score.softmax(-1) @ v


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, h, hk, e = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        self.e, self.repeat = e, h // hk
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(d, n * e, bias=False) for n in (h, hk, hk))
        self.o_proj = nn.Linear(h * e, d, bias=False)
        self.q_norm, self.k_norm = Norm(e, c["rms_norm_eps"]), Norm(e, c["rms_norm_eps"])

    def forward(self, x, cos, sin):
        q, k, v = (p(x).unflatten(-1, (-1, self.e)) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k, v = (t.transpose(1, 2) for t in (self.q_norm(q), self.k_norm(k), v))
        q, k = rope(q, cos, sin), rope(k, cos, sin)
        k, v = (t.repeat_interleave(self.repeat, 1) for t in (k, v))
        return self.o_proj(attention(q, k, v, True).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, f = c["hidden_size"], c["intermediate_size"]
        self.gate_proj, self.up_proj, self.down_proj = nn.Linear(d, f, bias=False), nn.Linear(d, f, bias=False), nn.Linear(f, d, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn, self.mlp = Attention(c), Mlp(c)
        self.input_layernorm, self.post_attention_layernorm = (Norm(c["hidden_size"], c["rms_norm_eps"]) for _ in range(2))

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Text(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.norm = Norm(c["hidden_size"], c["rms_norm_eps"])

    def angles(self, positions):
        """interleaved M-RoPE: of the frequencies, numbers 1, 4, 7 ... turn with the row, 2, 5, 8 ... with the column, the rest
        with time; positions [3, rows, tokens] -> [rows, 1, tokens, head_dim / 2]"""
        e, section = self.c["head_dim"], self.c["rope_scaling"]["mrope_section"]
        j = torch.arange(e // 2, device=positions.device)
        axis = torch.zeros_like(j)
        for k in (1, 2):
            axis[(j % 3 == k) & (j < 3 * section[k])] = k
        turn = self.c["rope_theta"] ** (-2.0 * j / e)
        return (positions.float()[axis].permute(1, 2, 0) * turn)[:, None]

    def forward(self, ids, positions, where, rows, deep):
        """hidden states [rows, tokens, d]; the placeholders at the flat places `where` are replaced by rows [n, d], and deep[k] is
        added to what layer k gives there"""
        x = self.embed_tokens(ids)
        x = x.flatten(0, 1).index_copy(0, where, rows.to(x.dtype)).view_as(x) if len(where) else x
        angle = self.angles(positions)
        cos, sin = angle.cos(), angle.sin()
        for k, layer in enumerate(self.layers):
            x = layer(x, cos, sin)
            if k < len(deep) and len(where):
                x = x.flatten(0, 1).index_add(0, where, deep[k].to(x.dtype)).view_as(x)
        return self.norm(x)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, f = c["hidden_size"], c["intermediate_size"]
        self.heads = c["num_heads"]
        self.norm1, self.norm2 = nn.LayerNorm(d, 1e-6), nn.LayerNorm(d, 1e-6)
        self.attn, self.mlp = nn.Module(), nn.Module()
        self.attn.qkv, self.attn.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.mlp.linear_fc1, self.mlp.linear_fc2 = nn.Linear(d, f), nn.Linear(f, d)

    def forward(self, x, cos, sin):
        q, k, v = self.attn.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = attention(rope(q, cos, sin), rope(k, cos, sin), v, False)
        x = x + self.attn.proj(y.transpose(1, 2).flatten(2))
        return x + self.mlp.linear_fc2(F.gelu(self.mlp.linear_fc1(self.norm2(x)), approximate="tanh"))


class Merger(nn.Module):
    """merge x merge patches become one row; `joined`: the norm comes after they are joined (deepstack)"""
    def __init__(self, c, joined):
        super().__init__()
        wide = c["hidden_size"] * c["spatial_merge_size"] ** 2
        self.norm = nn.LayerNorm(wide if joined else c["hidden_size"], 1e-6)
        self.linear_fc1, self.linear_fc2 = nn.Linear(wide, wide), nn.Linear(wide, c["out_hidden_size"])
        self.wide, self.joined = wide, joined

    def forward(self, x):
        x = self.norm(x.reshape(-1, self.wide)) if self.joined else self.norm(x).reshape(-1, self.wide)
        return self.linear_fc2(F.gelu(self.linear_fc1(x)))


class Tower(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        d = c["hidden_size"]
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Linear(c["in_channels"] * c["temporal_patch_size"] * c["patch_size"] ** 2, d)
        self.pos_embed = nn.Embedding(c["num_position_embeddings"], d)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c["depth"]))
        self.merger = Merger(c, False)
        self.deepstack_merger_list = nn.ModuleList(Merger(c, True) for _ in c["deepstack_visual_indexes"])

    @functools.lru_cache(maxsize=512)
    def grid(self, rows, columns, device):
        """for each patch, merge x merge neighbours together: the 4 positions of the table and their weights, cos and sin"""
        m, side = self.c["spatial_merge_size"], round(self.c["num_position_embeddings"] ** .5)
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        y, x = (t.reshape(rows // m, m, columns // m, m).transpose(1, 2).reshape(-1) for t in (y, x))
        fy, fx = torch.linspace(0, side - 1, rows)[y], torch.linspace(0, side - 1, columns)[x]
        y0, x0 = fy.long(), fx.long()
        y1, x1 = (y0 + 1).clamp(max=side - 1), (x0 + 1).clamp(max=side - 1)
        dy, dx = fy - y0, fx - x0
        index = torch.stack((y0 * side + x0, y0 * side + x1, y1 * side + x0, y1 * side + x1))
        weight = torch.stack(((1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx))
        quarter = self.c["hidden_size"] // self.c["num_heads"] // 4
        turn = 10000.0 ** (-torch.arange(quarter) / quarter)
        angle = torch.cat((y[:, None] * turn, x[:, None] * turn), 1)
        return tuple(t.to(device) for t in (index, weight[..., None], angle.cos(), angle.sin()))

    def forward(self, patches, rows, columns):
        """patches [n, rows * columns, values] of n grids alike -> (rows for the text [n * cells, d], [the same for deepstack])"""
        index, weight, cos, sin = self.grid(rows, columns, patches.device)
        x = self.patch_embed.proj(patches)
        x = x.float() + (self.pos_embed(index) * weight).sum(0)         # the sum of the layers stays in float32
        deep = {}
        for k, block in enumerate(self.blocks):
            x = block(x, cos, sin)
            if k in self.c["deepstack_visual_indexes"]:
                deep[k] = self.deepstack_merger_list[len(deep)](x)
        return self.merger(x), list(deep.values())


def patched(frames, merge=2, patch=16):
    """frames [n, 2, height, width, 3], values 0..255 -> the tower's [n, patches, 3 * 2 * patch * patch]: channel, frame, y, x"""
    n, t, h, w, c = frames.shape
    x = frames / 127.5 - 1
    x = x.reshape(n, t, h // patch // merge, merge, patch, w // patch // merge, merge, patch, c)
    return x.permute(0, 2, 5, 3, 6, 8, 1, 4, 7).reshape(n, (h // patch) * (w // patch), c * t * patch * patch)


class Vision(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.model = nn.Module()
        self.model.language_model = Text(config["text_config"])
        self.model.visual = Tower(config["vision_config"])
        depth = (2 * config["text_config"]["num_hidden_layers"]) ** -.5
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=.02 * (depth if name.endswith(("o_proj.weight", "down_proj.weight", "attn.proj.weight", "blocks.linear_fc2.weight")) else 1))
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def hidden(self, ids, positions, where, rows, deep):
        return self.model.language_model(ids, positions, where, rows, deep)

    def logits(self, hidden):
        return F.linear(hidden, self.model.language_model.embed_tokens.weight)


PROJECTION = "model.visual.patch_embed.proj.weight"


def stored(model):
    """the tensors as they are stored: the patch projection as a convolution's weight"""
    c, out = model.config["vision_config"], dict(model.state_dict())
    out[PROJECTION] = out[PROJECTION].reshape(-1, c["in_channels"], c["temporal_patch_size"], c["patch_size"], c["patch_size"])
    return out


def load(model, tensors):
    model.load_state_dict({k: v.float().flatten(1) if k == PROJECTION else v.float() for k, v in tensors.items()})
    return model
