#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks of the training scripts that need no GPU, as TAP."""
import json
import sys
from itertools import islice

try:
    import jinja2  # noqa: F401
    import numpy  # noqa: F401
    import regex  # noqa: F401
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

import chatml
import gguf
import judge
import starter_data
from bpe import MODELS
from encode import Encoder


def template_agrees():
    template = chatml.environment().from_string(chatml.TEMPLATE.read_text())
    for s in islice(starter_data.samples("check"), 500):
        *before, last = s.messages
        text = template.render(messages=before, tools=s.tools, add_generation_prompt=True, enable_thinking=s.thinking)
        if s.thinking:
            text += f"<think>\n{last['reasoning_content']}\n</think>\n\n"
        text += chatml.reply_text(last) + "<|im_end|>\n"
        if text != "".join(part for part, _ in chatml.segments(s)):
            return text
    return None


def held_out_apart():
    trained = {k for s in islice(starter_data.samples("check"), 3000) for k in s.keys}
    shared = trained & {k for s in islice(starter_data.samples("check", held_out=True), 300) for k in s.keys if starter_data.is_held_out([k])}
    return ", ".join(sorted(shared)[:5]) or None


def same_seed_same_data():
    one, two = (list(islice(starter_data.samples("check"), 50)) for _ in range(2))
    return None if one == two else "they differ"


def expected_is_right():
    for s in islice(starter_data.samples("check", held_out=True), 300):
        d = starter_data.described(s)
        case = {"template": {} if s.thinking else {"enable_thinking": False}, "check": d["check"], "expected": d["expected"]}
        if not judge.judge(case, ("<think>\nx\n</think>\n\n" if s.thinking else "") + d["expected"]):
            return json.dumps(d)
    return None


def gguf_reads_back():
    file = gguf.Reader(MODELS / "starter.gguf")
    spec = json.loads((MODELS / "tokenizer.json").read_text())
    tokens = [*spec["model"]["vocab"], *(t["content"] for t in spec["added_tokens"])]
    if file.metadata["tokenizer.ggml.tokens"] != tokens:
        return "the tokens are not those of tokenizer.json"
    if file.metadata["tokenizer.chat_template"] != chatml.TEMPLATE.read_text():
        return "the chat template is not chat_template.jinja"
    return None if file.tensors["token_embd.weight"].shape == (len(tokens), 256) else "the embedding has another shape"


def recorded_prompts():
    encode = Encoder(MODELS / "tokenizer.json")
    for e in json.loads((MODELS / "eval.json").read_text()):
        if encode(chatml.prompt(e["messages"], e.get("tools"), **e["template"])) != e["prompt_ids"]:
            return e["name"]
    return None


CHECKS = (template_agrees, held_out_apart, same_seed_same_data, expected_is_right, gguf_reads_back, recorded_prompts)


def main():
    print(f"1..{len(CHECKS)}")
    failed = 0
    for n, check in enumerate(CHECKS, 1):
        wrong = check()
        failed += wrong is not None
        print(f"{'not ' if wrong else ''}ok {n} - {check.__name__.replace('_', ' ')}" + (f"\n# {wrong}" if wrong else ""))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
