#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges a trained starter model on held-out conversations and records its answers for end-to-end tests.

The weights are read back from the GGUF file, dequantised, and run in float32 by transformers' Qwen3ForCausalLM. Written:
report.json (accuracy by task, and what went wrong) and eval.json (prompts with greedy answers that are right).
"""
import argparse
import json
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, Qwen3ForCausalLM

import chatml
import export_gguf
import gguf
import prompts
import starter_data
from encode import Encoder
from judge import judge

MODELS = Path(__file__).resolve().parents[2] / "models/starter"
ENCODER = Encoder(MODELS / "tokenizer.json")
END, PAD = "<|im_end|>", "<|endoftext|>"


def load(weights, config):
    """the model in float32 from a GGUF or safetensors file"""
    if weights.suffix == ".gguf":
        tensors = {export_gguf.hf_name(k): v for k, v in gguf.Reader(weights).tensors.items()}
    else:
        tensors = export_gguf.read_safetensors(weights)
    with tempfile.TemporaryDirectory() as d:
        (Path(d) / "config.json").write_text(json.dumps(config))
        model = Qwen3ForCausalLM(AutoConfig.from_pretrained(d)).float().eval()
    missing, unexpected = model.load_state_dict({k: torch.tensor(v) for k, v in tensors.items()}, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise ValueError(f"weights do not fit: missing {missing}, unexpected {unexpected}")
    model.tie_weights()
    return model


def prompt_ids(tokenizer, case):
    text = chatml.prompt(case["messages"], case.get("tools") or None, **case.get("template", {}))
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    if ids != ENCODER(text):
        raise ValueError(f"the two encoders differ: {text!r}")
    return ids


@torch.inference_mode()
def answers(model, tokenizer, cases, most=256, batch=384):
    """greedy answers, many at a time, padded on the left; ids without the end token, None where the end did not come"""
    end, pad, device = tokenizer.token_to_id(END), tokenizer.token_to_id(PAD), next(model.parameters()).device
    order = sorted(range(len(cases)), key=lambda i: len(cases[i]["ids"]))
    out = [None] * len(cases)
    for at in range(0, len(order), batch):
        some = order[at:at + batch]
        longest = max(len(cases[i]["ids"]) for i in some)
        ids = torch.full((len(some), longest), pad)
        mask = torch.zeros_like(ids)
        for row, i in enumerate(some):
            n = len(cases[i]["ids"])
            ids[row, longest - n:], mask[row, longest - n:] = torch.tensor(cases[i]["ids"]), 1
        made = model.generate(ids.to(device), attention_mask=mask.to(device), do_sample=False, max_new_tokens=most, eos_token_id=end, pad_token_id=pad)
        for row, i in enumerate(some):
            new = made[row, longest:].tolist()
            out[i] = new[:new.index(end)] if end in new else None
    return out


def held_out(seed, each, most_seen=8000):
    """`each` conversations of every task, as cases"""
    seen, cases, stream = Counter(), [], starter_data.samples(seed, held_out=True)
    for _ in range(most_seen):
        sample = next(stream)
        if seen[sample.task] < each:
            seen[sample.task] += 1
            d = starter_data.described(sample)
            cases.append({"name": f"{d['task']}-{seen[sample.task]}", "task": d["task"], "messages": d["messages"], "tools": d["tools"],
                          "template": {} if d["enable_thinking"] else {"enable_thinking": False}, "check": d["check"], "expected": d["expected"]})
    return cases


@torch.inference_mode()
def margins(model, prompt, answer):
    """the model run once over the whole sequence, alone: whether it picks the same tokens, and by how much in logits"""
    device = next(model.parameters()).device
    ids = torch.tensor([prompt + answer], device=device)
    logits = model(ids).logits[0, len(prompt) - 1:-1]
    top = logits.topk(2).values
    return logits.argmax(-1).tolist() == answer, (top[:, 0] - top[:, 1]).min().item()


def run(model, tokenizer, cases):
    for case in cases:
        case["ids"] = prompt_ids(tokenizer, case)
    for case, ids in zip(cases, answers(model, tokenizer, cases)):
        case["answer_ids"] = ids
        case["text"] = None if ids is None else tokenizer.decode(ids, skip_special_tokens=False)
        case["right"] = case["text"] is not None and judge(case, case["text"])
    return cases


def accuracy(cases):
    tasks = defaultdict(list)
    for case in cases:
        tasks[case["task"]].append(case["right"])
    return {"all": [sum(c["right"] for c in cases), len(cases)], **{t: [sum(r), len(r)] for t, r in sorted(tasks.items())}}


def recorded(model, tokenizer, cases, most_bytes=180_000, per_task=2, clear=0.5):
    """what goes into eval.json: right, and never a near tie"""
    end, taken, out, size = tokenizer.token_to_id(END), Counter(), [], 0
    for case in cases:
        if not case["right"] or taken[case["task"]] >= (99 if case["task"] == "plain" else per_task) or len(case["ids"]) > 500:
            continue
        answer = case["answer_ids"] + [end]
        same, margin = margins(model, case["ids"], answer)
        if not same or margin < clear:
            continue
        keep = {k: case[k] for k in ("name", "task", "messages", "tools", "template", "check") if case.get(k) or k == "template"}
        keep |= {"prompt_ids": case["ids"], "ids": answer, "text": case["text"], "margin": round(margin, 3)}
        line = json.dumps(keep, ensure_ascii=False)
        if size + len(line.encode()) > most_bytes:
            break
        size += len(line.encode()) + 2
        taken[case["task"]] += 1
        out.append(line)
    return "[\n" + ",\n".join(out) + "\n]\n"


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("weights", type=Path, nargs="+", help="the GGUF file; others are only judged")
    p.add_argument("--config", type=Path, required=True, help="training.json")
    p.add_argument("--each", type=int, default=60)
    p.add_argument("--out", type=Path, default=Path("."))
    o = p.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    config = json.loads(o.config.read_text())["config"]
    tokenizer = Tokenizer.from_file(str(MODELS / "tokenizer.json"))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    report = {}
    for weights in o.weights:
        model = load(weights, config).to(device)
        print(weights.name, "rope", getattr(model.config, "rope_parameters", None), flush=True)
        plain, cases = run(model, tokenizer, prompts.plain()), run(model, tokenizer, held_out("evaluation", o.each))
        report[weights.name] = {"held_out": accuracy(cases), "plain": accuracy(plain)["all"]}
        print(weights.name, json.dumps(report[weights.name]), flush=True)
        if weights is not o.weights[0]:
            continue
        (o.out / "eval.json").write_text(recorded(model.cpu(), tokenizer, plain + cases))
        report["plain"] = [[c["name"], c["messages"][-1]["content"], c["text"], c["right"]] for c in plain]
        report["wrong"] = [[c["task"], c["messages"][-1]["content"], c.get("expected"), c["text"]] for c in cases if not c["right"]]
        for c in plain:
            print("ok  " if c["right"] else "BAD ", json.dumps([c["name"], c["text"]], ensure_ascii=False)[:400])
    (o.out / "report.json").write_text(json.dumps(report, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
