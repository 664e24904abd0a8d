#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks of the starter vision model's scripts that need no GPU, as TAP.

    vision_check.py [FOLDER]    FOLDER: a tiny Qwen3-VL model with reference.json and reference.safetensors, what another
                                implementation gives for it; without it the network itself is not checked
"""
import json
import random
import struct
import sys
from pathlib import Path

try:
    import jinja2  # noqa: F401
    import numpy as np
    import regex  # noqa: F401
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

import chatml
import scenes
import vision_data
import vision_tokenizer
from encode import Encoder

try:
    import torch
    import vision_model
except ImportError:
    torch = None

MODEL = vision_tokenizer.MODEL
TESTS = MODEL.parents[1] / "tests/vectors/scenes"
REFERENCE = Path(sys.argv[1]) if len(sys.argv) > 1 else None
TYPES = {"F32": np.float32, "I64": np.int64, "I32": np.int32, "F16": np.float16}


class Skip(Exception):
    pass


def read_safetensors(path):
    data = Path(path).read_bytes()
    n, = struct.unpack("<Q", data[:8])
    out = {}
    for name, t in json.loads(data[8:8 + n]).items():
        if name == "__metadata__":
            continue
        raw = data[8 + n + t["data_offsets"][0]:8 + n + t["data_offsets"][1]]
        if t["dtype"] == "BF16":
            a = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            a = np.frombuffer(raw, TYPES[t["dtype"]]).copy()
        out[name] = a.reshape(t["shape"])
    return out


def close(what, mine, want, most):
    worst = float(np.abs(np.asarray(mine, np.float64) - want).max())
    if not worst <= most:
        raise AssertionError(f"{what} is off by {worst:.3g}, {most} is allowed")
    return worst


def network_agrees():
    """tower, deepstack, positions and logits are those of the reference"""
    if not REFERENCE or torch is None:
        raise Skip("no reference model was named" if not REFERENCE else "no PyTorch")
    spec, ref, config = (json.loads((REFERENCE / "reference.json").read_text()), read_safetensors(REFERENCE / "reference.safetensors"), json.loads((REFERENCE / "config.json").read_text()))
    model = vision_model.load(vision_model.Vision(config), {k: torch.from_numpy(v) for k, v in read_safetensors(REFERENCE / "model.safetensors").items()})
    with torch.no_grad():
        media = [(f"image{i}", image["grid_thw"]) for i, image in enumerate(spec["images"])] + [("video0", spec["video"]["grid_thw"])]
        towers = {}
        for name, (t, h, w) in media:
            rows, deep = towers[name] = model.model.visual(torch.from_numpy(ref[f"{name}.pixel_values"]).reshape(t, h * w, -1), h, w)
            close(f"{name}: embeddings", rows, ref[f"{name}.embeddings"], 1e-4)
            for k, d in enumerate(deep):
                if f"{name}.deepstack{k}" in ref:
                    close(f"{name}: deepstack {k}", d, ref[f"{name}.deepstack{k}"], 1e-4)
        for p in spec["prompts"]:
            ids = torch.tensor([p["ids"]])
            shown = [f"image{i}" for i in p["images"]] + (["video0"] if p["video"] else [])
            where = torch.nonzero(((ids == config["image_token_id"]) | (ids == config["video_token_id"])).flatten())[:, 0]
            rows = torch.cat([towers[n][0] for n in shown]) if shown else None
            deep = [torch.cat([towers[n][1][k] for n in shown]) for k in range(2)] if shown else []
            places = places_of(p["ids"], config, [g for n, g in media if n in shown])
            if p.get("position_ids"):
                close(f"{p['name']}: positions", places, ref[p["position_ids"]], 0)
            logits = model.logits(model.hidden(ids, torch.from_numpy(places)[:, None], where, rows, deep))[0]
            close(f"{p['name']}: logits", logits[-1], ref[p["last_logits"]], 1e-3)
            if p.get("all_logits"):
                close(f"{p['name']}: all logits", logits, ref[p["all_logits"]], 1e-3)


class Plain:
    """an encoder that gives back ids that are there already"""
    def __init__(self, config):
        self.added = {"pad": config}

    def __call__(self, ids):
        return list(ids)


def places_of(ids, config, grids):
    """the positions of given ids, by the same function that makes those of the training data"""
    parts, at, grids = [], 0, [(h // 2, w // 2) for t, h, w in grids for _ in range(t)]
    encode, i = Plain(config["image_token_id"]), 0
    while i < len(ids):
        if ids[i] in (config["image_token_id"], config["video_token_id"]):
            grid = grids.pop(0)
            n = grid[0] * grid[1]
            parts.append((tuple(ids[at:i]), ("pad", n), grid, False))
            i += n
            at = i
        else:
            i += 1
    parts.append((tuple(ids[at:]), None, None, False))
    # tuples join as texts do
    waiting = vision_data.encoded(encode, parts, empty=())
    return waiting[2].astype(np.int64)


def size_fits():
    n = 0
    if torch is None:
        raise Skip("no PyTorch")
    for p in vision_model.Vision(vision_tokenizer.CONFIG).parameters():
        n += p.numel()
    return None if 2 * n + 20000 < 8_000_000 else f"{n} parameters"


def template_agrees():
    """the shipped template writes what training writes, once each placeholder is replaced"""
    template = chatml.environment().from_string((MODEL / "chat_template.jinja").read_text())
    rng = random.Random("check")
    for k in range(300):
        for talk in vision_data.talks(rng, vision_data.KINDS[k % len(vision_data.KINDS)], 1, 1):
            state = rng.getstate()
            parts = vision_data.segments(rng, talk)
            rng.setstate(state)
            made, want = template.render(messages=talk.messages), ""
            for text, pad, _, _ in parts:
                want += text + (pad[0] if pad else "")
            want = regex.sub(r"(<[\d.]+ seconds><\|vision_start\|><\|video_pad\|><\|vision_end\|>)+", "<|vision_start|><|video_pad|><|vision_end|>", want)
            if made != want:
                return f"{made!r} is not {want!r}"


def held_out_apart():
    rng = random.Random("check")
    trained = {s.key() for k in range(2000) for t in vision_data.talks(rng, vision_data.KINDS[k % 100], 1, 1) for s in t.scenes}
    tested = {s.key() for k in range(300) for t in vision_data.talks(rng, vision_data.KINDS[k % 100], 1, 1, True) for s in t.scenes}
    return ", ".join(sorted(trained & tested)[:3]) or None


def same_seed_same_data():
    encode = Encoder(MODEL / "tokenizer.json")
    one, two = (vision_data.random_batch(encode, "check", 4000, 40) for _ in range(2))
    return None if one.keys() == two.keys() and all((one[k] == two[k]).all() for k in one) else "they differ"


def batches_are_whole():
    """every placeholder has a row, nothing learnt is a placeholder, rows end in the model's context"""
    encode = Encoder(MODEL / "tokenizer.json")
    for kind in sorted(set(vision_data.KINDS)):
        for k in range(6):
            b = vision_data.random_batch(encode, f"whole{k}", 8000, 40, kind=kind)
            rows = sum(int(b[f"size{i}"][0] // 32 * (b[f"size{i}"][1] // 32) * b[f"labels{i}"].shape[0] * b[f"labels{i}"].shape[1]) for i in range(2) if f"size{i}" in b)
            if len(b["where"]) != len(b["source"]) or sorted(b["source"]) != list(range(rows)):
                return f"{kind}: {len(b['where'])} placeholders, {len(b['source'])} rows of {rows}"
            if b["learn"].ravel()[b["where"]].any() or b["ids"].shape[1] > 2048:
                return f"{kind}: a placeholder is to be learnt, or {b['ids'].shape[1]} tokens"


def drawings_agree():
    if torch is None:
        raise Skip("no PyTorch")
    rng = random.Random("draw")
    for _ in range(20):
        s = vision_data.image_scene(rng, *vision_data.image_size(rng))
        o, background = s.drawn(), np.array([s.rgb], np.float32)
        one, two = scenes.draw(o, background, *s.source), scenes.draw(torch.from_numpy(o), torch.from_numpy(background), *s.source).numpy()
        if abs(one - two).max() > 2:
            return f"off by {abs(one - two).max()}"
        one, two = scenes.resized(one, 96, 160), scenes.resized(torch.from_numpy(one), 96, 160).numpy()
        if abs(one - two).max() > 1:
            return f"resized: off by {abs(one - two).max()}"


def resize_agrees():
    """with Pillow's bicubic, in all but a few values, which differ by 1"""
    try:
        from PIL import Image
    except ImportError:
        raise Skip("no Pillow") from None
    s = vision_data.shapes_scene(random.Random(5), (192, 160), (192, 160))
    image = vision_data.pixels(s)
    for w, h in ((96, 96), (320, 224), (192, 64), (150, 160)):
        want = np.asarray(Image.fromarray(image[0]).resize((w, h), Image.BICUBIC)).astype(float)
        off = abs(scenes.resized(image.astype(np.float32), w, h)[0] - want)
        if off.max() > 1 or (off > 0).mean() > .01:
            return f"{w}x{h}: off by {off.max()}, {(off > 0).mean():.4f} of the values"


def exported_is_held_out():
    """what tests/vectors/scenes holds is what --export makes"""
    import tempfile
    with tempfile.TemporaryDirectory() as d:
        vision_data.export(Path(d), "1", 100, 20, 2048)
        new, old = ({f.name: f.read_bytes() for f in Path(p).iterdir()} for p in (d, TESTS))
    return None if new == old else f"differ: {sorted(n for n in {*new, *old} if new.get(n) != old.get(n))[:5]}"


def files_are_current():
    for name, content in vision_tokenizer.others().items():
        if json.loads((MODEL / name).read_text()) != json.loads(json.dumps(content)):
            return name


def one_step_learns():
    """a training step goes down a little on its own batch"""
    if torch is None:
        raise Skip("no PyTorch")
    import vision_train
    return vision_train.check()


CHECKS = (network_agrees, size_fits, template_agrees, held_out_apart, same_seed_same_data, batches_are_whole, drawings_agree, resize_agrees, exported_is_held_out, files_are_current, one_step_learns)


def main():
    print(f"1..{len(CHECKS)}")
    failed = 0
    for n, check in enumerate(CHECKS, 1):
        try:
            wrong, note = check(), ""
        except Skip as why:
            wrong, note = None, f" # SKIP {why}"
        except AssertionError as e:
            wrong, note = str(e), ""
        failed += wrong is not None
        print(f"{'not ' if wrong else ''}ok {n} - {check.__name__.replace('_', ' ')}{note}" + (f"\n# {wrong}" if wrong else ""), flush=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
