#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges a trained starter vision model and records its answers for end-to-end tests.

    vision_evaluate.py model.safetensors --out OUT

Written: report.json (accuracy by task on held-out scenes, and what went wrong), README.md (the model's card) and eval.json (the
questions of tests/vectors/scenes with greedy answers that are right and no near tie). All in float32, on the stored (bfloat16) weights.

An answer counts as right when greedy decoding gives exactly the expected text: when each of its tokens, the end included, is
the likeliest after the right ones before it.
"""
import argparse
import json
import multiprocessing
import os
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

import scenes
import vision_card
import vision_data
import vision_model
import vision_train
from encode import Encoder
from vision_check import read_safetensors
from vision_tokenizer import CONFIG, MODEL

SCENES = MODEL.parents[1] / "tests/vectors/scenes"
END = "<|im_end|>"
CLEAR = 0.5                # logits between the two likeliest tokens of a recorded answer


def held_out_batch(job):
    """(arrays, the tasks of each row, the answers)"""
    kind, seed = job
    b, talks = vision_data.random_batch(Encoder(MODEL / "tokenizer.json"), seed, 12000, 48, True, kind, keep=True)
    return b, [t.tasks for t in talks], [[(m["content"] if isinstance(m["content"], str) else m["content"][0].get("text") or m["content"][-1].get("text"))
                                          for m in t.messages if m["role"] != "system"] for t in talks]


def spans(row):
    """the runs of true values"""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(np.int8), [0]))))
    return list(zip(edges[::2], edges[1::2]))


@torch.no_grad()
def held_out(model, device, batches, workers):
    """{task: [right, asked]}, the same for first questions only, and some that went wrong: [task, question, expected, made]"""
    names = ["image"] * (batches * 5 // 8) + ["pair"] * (batches // 8) + ["clip"] * (batches // 4)
    jobs = [(kind, f"evaluation/{i}") for i, kind in enumerate(names)]
    every, first, wrong = defaultdict(lambda: [0, 0]), defaultdict(lambda: [0, 0]), []
    spec = json.loads((MODEL / "tokenizer.json").read_text())
    letters = token_bytes(spec)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for b, tasks, texts in pool.imap(held_out_batch, jobs):
            x, _ = vision_train.states(model, vision_train.to_device(b, device))
            made = np.full(b["ids"].shape, -1)
            learn = np.zeros_like(b["learn"])
            learn[:, :-1] = b["learn"][:, 1:]
            made.ravel()[np.flatnonzero(learn) + 1] = model.logits(x).argmax(-1).cpu().numpy()
            for r, of in enumerate(tasks):
                for k, ((start, stop), task) in enumerate(zip(spans(b["learn"][r]), of)):
                    right = bool((made[r, start:stop] == b["ids"][r, start:stop]).all())
                    for count in (every, first) if k == 0 else (every,):
                        count[task][0] += right
                        count[task][1] += 1
                    if not right and len(wrong) < 400:
                        wrong.append([task, texts[r][2 * k], texts[r][2 * k + 1], text_of(letters, made[r, start:stop])])
    return dict(sorted(every.items())), dict(sorted(first.items())), wrong


def token_bytes(spec):
    from bpe import LETTERS
    back = {c: b for b, c in LETTERS.items()}
    out = {i: bytes(back[c] for c in t) for t, i in spec["model"]["vocab"].items()}
    return out | {t["id"]: t["content"].encode() for t in spec["added_tokens"]}


def text_of(letters, ids):
    return b"".join(letters[int(i)] for i in ids).decode(errors="replace")


# what tests ask

def frames_of(path):
    """[n, h, w, 3] f32 of a PNG or APNG file"""
    from PIL import Image
    image, out = Image.open(path), []
    for i in range(getattr(image, "n_frames", 1)):
        image.seek(i)
        out.append(np.asarray(image.convert("RGB")).astype(np.float32))
    return np.stack(out)


class Shown(vision_data.Scene):
    """what a file shows, in the place of a scene"""
    def __init__(self, path):
        frames = frames_of(path)
        self.n_frame, (h, w) = len(frames), frames.shape[1:3]
        self.width, self.height = vision_data.smart_size(w, h, *((vision_data.IMAGE_PIXELS,) if self.n_frame == 1 else (vision_data.VIDEO_PIXELS, self.n_frame)))
        self.frames = scenes.resized(frames, self.width, self.height)

    def patches(self):
        x = torch.from_numpy(self.frames)
        x = x[:, None].expand(-1, 2, -1, -1, -1) if self.n_frame == 1 else x.reshape(-1, 2, *x.shape[1:])
        return vision_model.patched(x)


class Plain(random.Random):
    """frames half a second apart"""
    def choice(self, of):
        return of[0]


def messages_of(case):
    names = case.get("images") or case.get("videos") or []
    if not names:
        return [{"role": "user", "content": case["question"]}]
    kind = "image" if "images" in case else "video"
    return [{"role": "user", "content": [*({"type": kind, "scene": Shown(SCENES / n), kind: n} for n in names), {"type": "text", "text": case["question"]}]}]


@torch.no_grad()
def answer(model, encode, case, device, most=64):
    """the case with prompt ids, greedy ids, the smallest distance of the two likeliest tokens, and what went into the network"""
    import types
    messages = messages_of(case)
    ids, _, places = vision_data.encoded(encode, [*vision_data.segments(Plain(), types.SimpleNamespace(messages=messages)), ("<|im_start|>assistant\n", None, None, False)])
    shown = [p["scene"] for m in messages if not isinstance(m["content"], str) for p in m["content"] if "scene" in p]
    rows, deep = [], []
    for s in shown:
        r, d = model.model.visual(s.patches().to(device), s.height // vision_data.PATCH, s.width // vision_data.PATCH)
        rows.append(r)
        deep.append(d)
    rows, deep = (torch.cat(rows), [torch.cat(d) for d in zip(*deep)]) if shown else (None, [])
    prompt, made, margin = list(ids), [], float("inf")
    places = places.tolist()
    where = torch.tensor([i for i, t in enumerate(prompt) if t in (CONFIG["image_token_id"], CONFIG["video_token_id"])], dtype=torch.long, device=device)
    while len(made) < most and (not made or made[-1] != encode.added[END]):
        x = model.hidden(torch.tensor([prompt + made], device=device), torch.tensor(places, device=device)[:, None], where, rows, deep)
        top = model.logits(x[0, -1]).topk(2)
        margin = min(margin, (top.values[0] - top.values[1]).item())
        made.append(top.indices[0].item())
        for p in places:
            p.append(max(q[-1] for q in places) + 1 if p is places[0] else places[0][-1])
    return {"prompt_ids": prompt, "ids": made, "margin": round(margin, 3), "shown": shown, "places": places}


def with_transformers(folder, results, device):
    """the same answers from transformers' implementation, each token given the ones before it; and its processor's pixels"""
    from transformers import Qwen3VLForConditionalGeneration
    model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").to(device).eval()
    same, worst = 0, 0.0
    for case, r in results:
        ids, grids = r["prompt_ids"] + r["ids"], [[max(1, s.n_frame // 2), s.height // 16, s.width // 16] for s in r["shown"]]
        feed = {"input_ids": torch.tensor([ids], device=device), "attention_mask": torch.ones(1, len(ids), dtype=torch.long, device=device),
                "position_ids": torch.tensor(r["places"], device=device)[:, None, :len(ids)]}
        if r["shown"]:
            pixels = torch.cat([s.patches().flatten(0, 1) for s in r["shown"]]).to(device)
            kind = "video" if "videos" in case else "image"
            feed |= {"pixel_values_videos" if kind == "video" else "pixel_values": pixels, f"{kind}_grid_thw": torch.tensor(grids, device=device)}
        with torch.no_grad():
            logits = model(**feed, use_cache=False).logits[0]
        n = len(r["prompt_ids"])
        same += logits[n - 1:-1].argmax(-1).tolist() == r["ids"]
        worst = max(worst, abs(r["last"] - logits[n - 1].cpu().numpy()).max()) if "last" in r else worst
    return {"answers": len(results), "same": same, "worst_logit": round(float(worst), 5)}


def with_processor(folder, results):
    """ids and pixel values of transformers' processor beside ours, for pictures"""
    from PIL import Image
    from transformers import AutoProcessor
    processor = AutoProcessor.from_pretrained(folder)
    template = (folder / "chat_template.jinja").read_text()
    same = pictures = 0
    worst = 0.0
    for case, r in results:
        if "images" not in case:
            continue
        text = processor.tokenizer.apply_chat_template(messages_of(case), chat_template=template, add_generation_prompt=True, tokenize=False)
        made = processor(text=[text], images=[Image.open(SCENES / n).convert("RGB") for n in case["images"]], return_tensors="pt")
        pictures += 1
        same += made["input_ids"][0].tolist() == r["prompt_ids"]
        ours = torch.cat([s.patches().flatten(0, 1) for s in r["shown"]])
        worst = max(worst, (made["pixel_values"].float() - ours).abs().max().item())
    return {"prompts": pictures, "same_ids": same, "worst_pixel": round(worst, 4)}


@torch.no_grad()
def last_logits(model, r, device):
    rows, deep = None, []
    if r["shown"]:
        towers = [model.model.visual(s.patches().to(device), s.height // 16, s.width // 16) for s in r["shown"]]
        rows, deep = torch.cat([t[0] for t in towers]), [torch.cat(d) for d in zip(*(t[1] for t in towers))]
    ids, n = torch.tensor([r["prompt_ids"]], device=device), len(r["prompt_ids"])
    where = torch.nonzero((ids[0] == CONFIG["image_token_id"]) | (ids[0] == CONFIG["video_token_id"]))[:, 0]
    places = torch.tensor(r["places"], device=device)[:, None, :n]
    return model.logits(model.hidden(ids, places, where, rows, deep)[0, -1]).cpu().numpy()


def record(results, letters):
    """eval.json, and [right, asked]"""
    out, right = [], 0
    for case, r in results:
        text = text_of(letters, r["ids"]).removesuffix(END)
        r["text"] = text
        right += text == case["answer"]
        if text == case["answer"] and r["margin"] >= CLEAR:
            out.append(json.dumps({**case, "prompt_ids": r["prompt_ids"], "ids": r["ids"], "text": text, "margin": r["margin"]}, ensure_ascii=False))
    return "[\n" + ",\n".join(out) + "\n]\n", [right, len(results)]


def attempt(what, *arguments):
    """what a library that may not be there says, or why it does not"""
    try:
        return what(*arguments)
    except Exception as e:
        return {"failed": f"{type(e).__name__}: {e}"[:600]}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("weights", type=Path)
    p.add_argument("--batches", type=int, default=160, help="of held-out conversations, up to 48 each")
    p.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    p.add_argument("--out", type=Path, default=Path("."))
    o = p.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = False
    model = vision_model.load(vision_model.Vision(CONFIG), {k: torch.from_numpy(v) for k, v in read_safetensors(o.weights).items()}).to(device).eval()
    every, first, wrong = held_out(model, device, o.batches, o.workers)
    total = [sum(v[i] for v in every.values()) for i in (0, 1)]
    report = {"held_out": {"all": total, "accuracy": round(total[0] / total[1], 4), "first": [sum(v[i] for v in first.values()) for i in (0, 1)], **every}}
    print(json.dumps(report), flush=True)

    encode = Encoder(MODEL / "tokenizer.json")
    cases = json.loads((SCENES / "cases.json").read_text())
    results = [(c, answer(model, encode, c, device)) for c in cases]
    for _, r in results:
        r["last"] = last_logits(model, r, device)
    recorded, report["scenes"] = record(results, token_bytes(json.loads((MODEL / "tokenizer.json").read_text())))
    (o.out / "eval.json").write_text(recorded)
    report["scenes_wrong"] = [[c["name"], c["question"], c["answer"], r["text"]] for c, r in results if r["text"] != c["answer"]]
    print(json.dumps({k: report[k] for k in ("scenes", "scenes_wrong")}), flush=True)
    training = o.weights.parent / "training.json"
    (o.out / "README.md").write_text(vision_card.card(report, json.loads(training.read_text()) if training.exists() else {}, sum(p.numel() for p in model.parameters())))
    report["held_out_wrong"] = wrong
    (o.out / "report.json").write_text(json.dumps(report, ensure_ascii=False, indent=1))

    import shutil
    import tempfile
    with tempfile.TemporaryDirectory() as d:
        folder = Path(d) / "starter-vision"
        shutil.copytree(MODEL, folder)
        shutil.copy(o.weights, folder / "model.safetensors")
        report["transformers"] = attempt(with_transformers, folder, results, device)
        report["processor"] = attempt(with_processor, folder, results)
    print(json.dumps({k: report[k] for k in ("transformers", "processor")}), flush=True)
    (o.out / "report.json").write_text(json.dumps(report, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
