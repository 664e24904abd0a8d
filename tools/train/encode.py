# SPDX-License-Identifier: Apache-2.0
"""A fast encoder for training data: words are looked up, and only new ones go through the merges.

Gives the same ids as tokenizer.json does in the tokenizers library (evaluate.py checks) for text that is already NFC.
"""
import json

import regex

from bpe import LETTERS

CACHE_MOST = 400_000


class Encoder:
    def __init__(self, path):
        spec = json.loads(open(path, encoding="utf-8").read())
        self.vocab = spec["model"]["vocab"]
        self.rank = {tuple(m): i for i, m in enumerate(spec["model"]["merges"])}
        self.added = {t["content"]: t["id"] for t in spec["added_tokens"]}
        self.at_added = regex.compile("(" + "|".join(regex.escape(t) for t in self.added) + ")")
        self.words = regex.compile(spec["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]).findall
        self.cache = {}
        # What stands between added tokens again and again.
        self.short = {t: [i] for t, i in self.added.items()}
        for text in ("\n", "\n\n", "assistant\n"):
            self.short[text] = [i for word in self.words(text) for i in self.word(word)]

    def word(self, text):
        parts = [LETTERS[b] for b in text.encode()]
        while len(parts) > 1:
            best = min(range(len(parts) - 1), key=lambda i: self.rank.get((parts[i], parts[i + 1]), len(self.rank)))
            if (parts[best], parts[best + 1]) not in self.rank:
                break
            parts[best:best + 2] = [parts[best] + parts[best + 1]]
        if len(self.cache) >= CACHE_MOST:
            self.cache.clear()
        ids = self.cache[text] = [self.vocab[p] for p in parts]
        return ids

    def __call__(self, text):
        ids, cache = [], self.cache
        for piece in self.at_added.split(text):
            if piece in self.short:
                ids += self.short[piece]
                continue
            for word in self.words(piece):
                known = cache.get(word)
                ids += self.word(word) if known is None else known
        return ids
