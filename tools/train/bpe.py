#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the starter model's byte-level BPE vocabulary and writes tokenizer.json, Qwen's layout, 2048 tokens.

Plain byte-pair merging over word counts, ties broken by the pair itself, so that the result is the same everywhere.
"""
import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path

import regex

import chatml
import starter_data

SIZE = 2048
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
# content, special: Qwen3's flags
ADDED = (("<|endoftext|>", True), ("<|im_start|>", True), ("<|im_end|>", True), ("<tool_call>", False), ("</tool_call>", False),
         ("<tool_response>", False), ("</tool_response>", False), ("<think>", False), ("</think>", False))
MODELS = Path(__file__).resolve().parents[2] / "models/starter"


def byte_letters():
    """the printable character that stands for each byte in a byte-level vocabulary"""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {b: chr(b) for b in plain}
    for n, b in enumerate(b for b in range(256) if b not in letters):
        letters[b] = chr(256 + n)
    return letters


LETTERS = byte_letters()


def word_counts(n, seed):
    added = regex.compile("|".join(regex.escape(content) for content, _ in ADDED))
    split, counts, stream = regex.compile(SPLIT), Counter(), starter_data.samples(seed)
    for _ in range(n):
        text = "".join(text for text, _ in chatml.segments(next(stream)))
        for piece in added.split(text):
            counts.update(split.findall(piece))
    return counts


def to_letters(word):
    return tuple(LETTERS[b] for b in word.encode())


def merge(word, pair):
    out, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
            out.append(word[i] + word[i + 1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return tuple(out)


def train(counts, n_merges):
    """the merges, most frequent pair first"""
    words = [[to_letters(w), n] for w, n in sorted(counts.items())]
    pairs, where = Counter(), defaultdict(set)
    for k, (word, n) in enumerate(words):
        for pair in zip(word, word[1:]):
            pairs[pair] += n
            where[pair].add(k)
    merges = []
    while len(merges) < n_merges:
        best = max(pairs, key=lambda p: (pairs[p], p))
        if pairs[best] < 2:
            break
        merges.append(best)
        for k in list(where[best]):
            word, n = words[k]
            for pair in zip(word, word[1:]):
                pairs[pair] -= n
            words[k][0] = word = merge(word, best)
            for pair in zip(word, word[1:]):
                pairs[pair] += n
                where[pair].add(k)
        del pairs[best], where[best]
    return merges


def added_token(i, content, special):
    return {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": special}


def tokenizer_json(merges, added=ADDED):
    vocab = {c: i for i, c in enumerate(sorted(LETTERS.values()))}
    for x, y in merges:
        vocab.setdefault(x + y, len(vocab))
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": False,
             "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": [list(m) for m in merges]}
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [added_token(len(vocab) + i, *a) for i, a in enumerate(added)], "normalizer": {"type": "NFC"},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]}, "post_processor": level, "decoder": level, "model": model}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--samples", type=int, default=60000)
    p.add_argument("--seed", default="tokenizer")
    p.add_argument("--out", default=MODELS / "tokenizer.json", type=Path)
    options = p.parse_args()
    merges, needed = [], SIZE - 256 - len(ADDED)
    counts = word_counts(options.samples, options.seed)
    merges = train(counts, needed)
    # Two merges may give one string: the vocabulary would come out short.
    assert len({x + y for x, y in merges}) == needed, "duplicate merge results"
    options.out.write_text(json.dumps(tokenizer_json(merges), ensure_ascii=False, indent=0) + "\n")
    print(f"{len(counts)} words, {len(merges)} merges, last {merges[-5:]}")


if __name__ == "__main__":
    main()
