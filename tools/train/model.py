# SPDX-License-Identifier: Apache-2.0
"""The Qwen3 architecture for training: names as in Hugging Face's checkpoints, packed rows, no cache.

Only training uses this; what is reported was computed by transformers' own implementation (evaluate.py).
"""
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention

CONFIG = {
    "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "eos_token_id": 2041, "head_dim": 64,
    "hidden_act": "silu", "hidden_size": 256, "initializer_range": 0.02, "intermediate_size": 768, "max_position_embeddings": 2048,
    "max_window_layers": 8, "model_type": "qwen3", "num_attention_heads": 4, "num_hidden_layers": 8, "num_key_value_heads": 2,
    "pad_token_id": 2039, "rms_norm_eps": 1e-6, "rope_scaling": None, "rope_theta": 10000.0, "sliding_window": None,
    "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_cache": True, "use_sliding_window": False, "vocab_size": 2048,
}
BLOCK = 128                # of the attention mask


class Norm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        y = x.float()
        return (y * torch.rsqrt(y.square().mean(-1, keepdim=True) + CONFIG["rms_norm_eps"]) * self.weight).to(torch.bfloat16)


def rope(x, cos, sin):
    """half-split rotation; x [batch, heads, tokens, head_dim], cos and sin [tokens, head_dim / 2]"""
    a, b = x.float().chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, h, hk, e = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        self.e = e
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(d, n * e, bias=False) for n in (h, hk, hk))
        self.o_proj = nn.Linear(h * e, d, bias=False)
        self.q_norm, self.k_norm = Norm(e), Norm(e)

    def forward(self, x, cos, sin, mask):
        q, k, v = (p(x).unflatten(-1, (-1, self.e)) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k, v = (t.transpose(1, 2) for t in (self.q_norm(q), self.k_norm(k), v))
        y = flex_attention(rope(q, cos, sin), rope(k, cos, sin), v, block_mask=mask, enable_gqa=True)
        return self.o_proj(y.transpose(1, 2).flatten(2))


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
        self.input_layernorm, self.post_attention_layernorm = Norm(c["hidden_size"]), Norm(c["hidden_size"])

    def forward(self, x, cos, sin, mask):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


def document_mask(doc):
    """causal attention inside each document; doc [rows, tokens] does not decrease along a row

    To be made outside the compiled part: inside it, the backward pass of torch 2.11 comes out wrong.
    """
    rows, tokens = doc.shape
    n = tokens // BLOCK
    low, high = doc[:, ::BLOCK], doc[:, BLOCK - 1::BLOCK]
    at = torch.arange(n, device=doc.device)
    needed = (at[:, None] >= at[None, :]) & (high[:, None, :] >= low[:, :, None])
    count = needed.sum(-1, dtype=torch.int32)
    index = needed.int().argsort(dim=-1, descending=True, stable=True).to(torch.int32)

    def same(b, h, q, k):
        return (q >= k) & (doc[b, q] == doc[b, k])
    return BlockMask.from_kv_blocks(count[:, None], index[:, None], BLOCK_SIZE=BLOCK, mask_mod=same)


class Starter(nn.Module):
    def __init__(self, c=CONFIG):
        super().__init__()
        self.c = c
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.model.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.model.norm = Norm(c["hidden_size"])
        depth = (2 * c["num_hidden_layers"]) ** -0.5
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02 * (depth if name.endswith(("o_proj.weight", "down_proj.weight")) else 1))

    def forward(self, ids, learn, mask):
        """mean loss over the tokens that are to be learnt; ids and learn [rows, tokens], mask as document_mask() gives it"""
        e = self.c["head_dim"]
        turn = self.c["rope_theta"] ** (-torch.arange(0, e, 2, device=ids.device) / e)
        angle = torch.arange(ids.shape[1], device=ids.device)[:, None] * turn
        cos, sin = angle.cos(), angle.sin()
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, cos, sin, mask)
        logits = F.linear(self.model.norm(x), self.model.embed_tokens.weight)
        target = torch.where(learn, ids, -100)[:, 1:]
        return F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]).float(), target.reshape(-1), ignore_index=-100)
