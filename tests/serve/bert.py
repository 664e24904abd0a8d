# SPDX-License-Identifier: Apache-2.0
"""A BERT encoder in plain Python, after Devlin et al. 2019, section 3, to judge what has no recorded reference; and
safetensors files to read and write for it."""
import array
import json
import math
import struct
import sys


def read_safetensors(path):
    """name -> (shape, values as floats); F32 files."""
    with open(path, "rb") as f:
        data = f.read()
    n = struct.unpack_from("<Q", data)[0]
    header, base = json.loads(data[8:8 + n]), 8 + n
    tensors = {}
    for name, t in header.items():
        if name == "__metadata__":
            continue
        assert t["dtype"] == "F32", (name, t["dtype"])
        values = array.array("f", data[base + t["data_offsets"][0]:base + t["data_offsets"][1]])
        if sys.byteorder == "big":
            values.byteswap()
        tensors[name] = (t["shape"], values)
    return tensors


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, (shape, values) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * len(values)]}
        at += 4 * len(values)
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, values in tensors.values():
            f.write(struct.pack("<%df" % len(values), *values))


class Bert:
    def __init__(self, tensors, config):
        self.t, self.config = tensors, config

    def row(self, name, i):
        shape, values = self.t[name]
        return values[i * shape[1]:(i + 1) * shape[1]]

    def dense(self, name, x):
        (rows, cols), w = self.t[name + ".weight"]
        bias = self.t[name + ".bias"][1]
        return [[sum(a * b for a, b in zip(v, w[i * cols:(i + 1) * cols])) + bias[i] for i in range(rows)] for v in x]

    def norm(self, name, x):
        w, b, eps = self.t[name + ".weight"][1], self.t[name + ".bias"][1], self.config["layer_norm_eps"]
        out = []
        for v in x:
            mean = sum(v) / len(v)
            scale = 1 / math.sqrt(sum((a - mean) ** 2 for a in v) / len(v) + eps)
            out.append([(a - mean) * scale * c + d for a, c, d in zip(v, w, b)])
        return out

    def attention(self, q, k, v):
        n_head = self.config["num_attention_heads"]
        dim = len(q[0]) // n_head
        out = [[0.0] * len(q[0]) for _ in q]
        for h in range(n_head):
            cols = slice(h * dim, (h + 1) * dim)
            for i, row in enumerate(q):
                scores = [sum(a * b for a, b in zip(row[cols], other[cols])) / math.sqrt(dim) for other in k]
                top = max(scores)
                weights = [math.exp(s - top) for s in scores]
                total = sum(weights)
                out[i][cols] = [sum(w * other[c] for w, other in zip(weights, v)) / total
                                for c in range(h * dim, (h + 1) * dim)]
        return out

    def rows(self, ids, types):
        """The last layer's rows."""
        e = "embeddings."
        x = [[a + b + c for a, b, c in zip(self.row(e + "word_embeddings.weight", t),
                                           self.row(e + "position_embeddings.weight", p),
                                           self.row(e + "token_type_embeddings.weight", s))]
             for p, (t, s) in enumerate(zip(ids, types))]
        x = self.norm(e + "LayerNorm", x)
        add = lambda a, b: [[c + d for c, d in zip(v, w)] for v, w in zip(a, b)]
        for i in range(self.config["num_hidden_layers"]):
            n = "encoder.layer.%d." % i
            q, k, v = (self.dense(n + "attention.self." + w, x) for w in ("query", "key", "value"))
            x = self.norm(n + "attention.output.LayerNorm",
                          add(self.dense(n + "attention.output.dense", self.attention(q, k, v)), x))
            h = [[0.5 * a * (1 + math.erf(a / math.sqrt(2))) for a in v] for v in self.dense(n + "intermediate.dense", x)]
            x = self.norm(n + "output.LayerNorm", add(self.dense(n + "output.dense", h), x))
        return x

    def score(self, ids, types):
        """The head for classification, one class, before any sigmoid."""
        first = self.dense("pooler.dense", self.rows(ids, types)[:1])
        return self.dense("classifier", [[math.tanh(a) for a in first[0]]])[0][0]
