#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the starter vision model for a given time on one GPU. Other processes make the conversations; the GPU draws the scenes.

Writes OUT/model.safetensors (bfloat16, Hugging Face's names) at the end and, for safety, now and then. While it learns to see,
the tower's rows also have to name the thing in their cell; what they do it with is thrown away.
"""
import argparse
import json
import math
import os
import queue
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import optimizer
import scenes
import vision_data
import vision_model
from encode import Encoder
from vision_tokenizer import CONFIG, MODEL

FOLDER = Path("/dev/shm/vision-batches")
GLYPHS, COLOURS = len(scenes.SHAPES) + 11, len(scenes.NAMES) + 1


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seconds", type=float, default=60, help="of training, compilation not counted")
    p.add_argument("--patches", type=int, default=90000, help="of a step, at most")
    p.add_argument("--rows", type=int, default=512, help="of a step, at most")
    p.add_argument("--lr", type=float, default=0.02, help="of the matrices (Muon)")
    p.add_argument("--lr-rest", type=float, default=3e-3, help="of embeddings, norms and biases (AdamW)")
    p.add_argument("--hold", type=float, default=0.4, help="part of the time before the rate begins to fall")
    p.add_argument("--help-until", type=float, default=0.45, help="part of the time in which cells have to be named")
    p.add_argument("--from", dest="start", type=Path, help="weights to go on from; with --help-until 0, a lower --lr and another --seed")
    p.add_argument("--seed", default="vision")
    p.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    p.add_argument("--eager", action="store_true", help="compile nothing")
    p.add_argument("--out", type=Path, default=Path("."))
    return p.parse_args()


def rate(part, hold):
    """rise, hold, cosine fall to nothing"""
    if part < 0.01:
        return part / 0.01
    return 1 if part < hold else 0.5 * (1 + math.cos(math.pi * min(1, (part - hold) / (1 - hold))))


# batches

def work(seed, worker, workers, patches, rows, ahead=64):
    """one process: batches worker, worker + workers, ... never more than `ahead` in front of the reader"""
    encode, n = Encoder(MODEL / "tokenizer.json"), worker
    while not (FOLDER / "stop").exists():
        read = FOLDER / "read"
        if n > ahead + (int(read.read_text() or 0) if read.exists() else 0):
            time.sleep(0.02)
            continue
        np.savez(FOLDER / f"{n}.tmp.npz", **vision_data.random_batch(encode, f"{seed}/{n}", patches, rows))
        os.rename(FOLDER / f"{n}.tmp.npz", FOLDER / f"{n}.npz")
        n += workers


def start(o):
    import multiprocessing
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=work, args=(o.seed, i, o.workers, o.patches, o.rows), daemon=True) for i in range(o.workers)]
    for p in processes:
        p.start()
    return processes


def read_batches(out):
    n = 0
    while not (FOLDER / "stop").exists():
        file = FOLDER / f"{n}.npz"
        if not file.exists():
            time.sleep(0.005)
            continue
        with np.load(file) as z:
            b = {k: z[k] for k in z.files}
        file.unlink()
        n += 1
        (FOLDER / "read.tmp").write_text(str(n))
        os.rename(FOLDER / "read.tmp", FOLDER / "read")
        out.put(to_device(b, "cuda"))


def to_device(b, device):
    """what a step needs: tensors on the device; sizes as plain numbers, so that nothing has to wait for the device"""
    out = {"groups": []}

    def put(a):
        t = torch.from_numpy(np.ascontiguousarray(a))
        return t.pin_memory().to(device, non_blocking=True) if device == "cuda" else t.to(device)
    learn = np.zeros_like(b["learn"])
    learn[:, :-1] = b["learn"][:, 1:]                   # the state before a token foretells it
    at = np.flatnonzero(learn)
    out |= {"ids": put(b["ids"].astype(np.int64)), "positions": put(b["positions"].astype(np.int64)), "at": put(at), "target": put(b["ids"].ravel()[at + 1].astype(np.int64)),
            "where": put(b["where"]), "source": put(b["source"].astype(np.int64))}
    k = 0
    while f"size{k}" in b:
        out["groups"].append((tuple(int(v) for v in b[f"size{k}"]), scenes.reach_of(b[f"objects{k}"]), put(b[f"objects{k}"]), put(b[f"background{k}"])))
        k += 1
    labels = [b[f"labels{i}"].reshape(-1, 2) for i in range(k)]
    out["labels"] = put(np.concatenate(labels).astype(np.int64)) if labels else None
    return out


# one step

def seen(model, groups, noise):
    """the tower's rows for all pictures of a batch, group after group; noise: of the pixels, 0..255"""
    rows, deep = [], []
    for (width, height, drawn_width, drawn_height, frames), reach, objects, background in groups:
        with torch.no_grad(), torch.autocast("cuda", enabled=False):      # pixels need more than bfloat16
            x = scenes.draw(objects, background, drawn_width, drawn_height, reach)
            if noise:
                strength = noise * torch.rand(len(x), 1, 1, 1, device=x.device) * (torch.rand(len(x), 1, 1, 1, device=x.device) < .35)
                x = (x + strength * torch.randn_like(x)).round().clamp(0, 255)
            x = scenes.resized(x, width, height)
            x = x[:, None].expand(-1, 2, -1, -1, -1) if frames == 1 else x.reshape(-1, 2, height, width, 3)
            patches = vision_model.patched(x)
        r, d = model.model.visual(patches, height // vision_data.PATCH, width // vision_data.PATCH)
        rows.append(r)
        deep.append(d)
    if not rows:
        return None, []
    return torch.cat(rows), [torch.cat(d) for d in zip(*deep)]


def states(model, b, noise=0.0):
    """(hidden states that foretell what is to be learnt [n, d], the tower's rows)"""
    rows, deep = seen(model, b["groups"], noise)
    if rows is None:
        x = model.hidden(b["ids"], b["positions"], b["where"], None, [])
    else:
        x = model.hidden(b["ids"], b["positions"], b["where"], rows[b["source"]], [d[b["source"]] for d in deep])
    return x.flatten(0, 1)[b["at"]], rows


class Heads(nn.Module):
    """names the thing in a cell"""
    def __init__(self, size):
        super().__init__()
        self.glyph, self.colour = nn.Linear(size, GLYPHS), nn.Linear(size, COLOURS)

    def forward(self, rows, labels):
        return F.cross_entropy(self.glyph(rows).float(), labels[:, 0]) + F.cross_entropy(self.colour(rows).float(), labels[:, 1])


def losses(model, heads, b, noise=0.0):
    x, rows = states(model, b, noise)
    return F.cross_entropy(model.logits(x).float(), b["target"]), heads(rows, b["labels"])


class Optimizers:
    def __init__(self, model, heads, o):
        matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and not n.endswith(("embed_tokens.weight", "pos_embed.weight"))]
        known = {id(p) for p in matrices}
        rest = [p for p in [*model.parameters(), *heads.parameters()] if id(p) not in known]
        self.o, self.all = o, [*matrices, *rest]
        self.muon = optimizer.Muon(matrices, compiled=False)
        self.adam = torch.optim.AdamW(rest, lr=o.lr_rest, betas=(0.9, 0.95), eps=1e-10, weight_decay=0.0)

    def step(self, factor):
        for g in self.adam.param_groups:
            g["lr"] = self.o.lr_rest * factor
        self.adam.step()
        self.muon.step(self.o.lr * factor)
        for p in self.all:
            p.grad = None


def gradients(model, heads, b):
    with torch.autocast("cuda", torch.bfloat16):
        loss, named = losses(model, heads, b)
    (loss + named).backward()
    found = [p.grad.flatten() for p in model.parameters()]
    for p in [*model.parameters(), *heads.parameters()]:
        p.grad = None
    return (loss + named).item(), torch.cat(found)


def compile_layers(model, heads, some):
    """Compiles the layers, if what comes out agrees with what they give without: this part of PyTorch can be wrong."""
    kinds = (vision_model.Layer, vision_model.Block)
    plain, forwards = [gradients(model, heads, b) for b in some], [k.forward for k in kinds]
    try:
        for k in kinds:
            k.forward = torch.compile(k.forward, dynamic=True)
        for b, (loss, g) in zip(some, plain):
            made, h = gradients(model, heads, b)
            alike = F.cosine_similarity(g, h, dim=0).item()
            print(f"compiled: loss {made:.4f} for {loss:.4f}, gradients alike to {alike:.4f}", flush=True)
            if not (abs(made - loss) < .02 * abs(loss) and alike > .98):
                raise ValueError("compiled layers compute something else")
    except Exception as e:                  # whatever it is: the layers work without
        print(f"not compiled: {type(e).__name__}: {str(e)[:500]}", flush=True)
        for k, f in zip(kinds, forwards):
            k.forward = f


def save(model, path):
    from safetensors.torch import save_file
    save_file({k: v.detach().to(torch.bfloat16).contiguous() for k, v in vision_model.stored(model).items()}, path, metadata={"format": "pt"})


def held_out_loss(model, heads, tests):
    """with gradients, unused: without them the layers would be compiled again"""
    with torch.autocast("cuda", torch.bfloat16):
        return sum(losses(model, heads, b)[0].item() for b in tests) / len(tests)


def main():
    o = arguments()
    begun = time.time()
    torch.manual_seed(1)
    workers = start(o)
    ready = queue.Queue(6)
    threading.Thread(target=read_batches, args=(ready,), daemon=True).start()
    model = vision_model.Vision(CONFIG)
    if o.start:
        from safetensors.torch import load_file
        vision_model.load(model, load_file(o.start))
    model, heads = model.cuda(), Heads(CONFIG["vision_config"]["out_hidden_size"]).cuda()
    optimizers = Optimizers(model, heads, o)
    o.out.mkdir(parents=True, exist_ok=True)
    encode = Encoder(MODEL / "tokenizer.json")
    tests = [to_device(vision_data.random_batch(encode, f"test/{k}", 20000, 128, True, kind), "cuda") for k, kind in enumerate(("image", "pair", "clip", "image"))]
    print(f"{sum(p.numel() for p in model.parameters())} parameters, ready after {time.time() - begun:.0f} s", flush=True)
    if not o.eager:
        compile_layers(model, heads, tests[:3])
    step, rows, log, waited, saved, after = 0, 0, [], 0.0, 0, time.time()
    print(f"training begins after {after - begun:.0f} s", flush=True)
    while True:
        asked = time.time()
        b = ready.get()
        waited += time.time() - asked
        part = (time.time() - after) / o.seconds
        with torch.autocast("cuda", torch.bfloat16):
            loss, named = losses(model, heads, b, 6.0)
        (loss + (max(0, 1 - part / o.help_until) if o.help_until else 0) * named).backward()
        optimizers.step(rate(part, o.hold))
        step, rows = step + 1, rows + len(b["ids"])
        if step % 25 == 0:
            log.append((step, loss.item(), named.item()))     # also keeps the clock honest: waits for the device
            if not math.isfinite(log[-1][1]):
                raise SystemExit(f"the loss is {log[-1][1]} at step {step}")
        part = (time.time() - after) / o.seconds
        if part > 0.1 * (saved + 1) or part >= 1 or step in (100, 300):
            saved += part > 0.1 * (saved + 1)
            print(f"step {step} part {part:.2f} loss {loss.item():.4f} cells {named.item():.4f} held-out {held_out_loss(model, heads, tests):.4f} {rows} conversations "
                  f"{step / (time.time() - after):.1f} steps/s waited {waited:.0f} s", flush=True)
            save(model, o.out / "model.safetensors")
        if part >= 1:
            break
    (FOLDER / "stop").touch()
    for w in workers:
        w.terminate()
    (o.out / "training.json").write_text(json.dumps({"steps": step, "conversations": rows, "seconds": round(time.time() - after), "loss": log[::10]}))


def check():
    """on the CPU: a few steps on one small batch have to bring its loss down; None, or what is wrong"""
    torch.manual_seed(1)
    encode = Encoder(MODEL / "tokenizer.json")
    b = to_device(vision_data.random_batch(encode, "check", 800, 12, kind="clip"), "cpu")
    c = to_device(vision_data.random_batch(encode, "check", 800, 12, kind="pair"), "cpu")
    model = vision_model.Vision(CONFIG)
    heads = Heads(CONFIG["vision_config"]["out_hidden_size"])
    before, _ = losses(model, heads, c)
    options = argparse.Namespace(lr=0.02, lr_rest=3e-3)
    optimizers = Optimizers(model, heads, options)
    for i in range(8):
        loss, named = losses(model, heads, b if i % 2 else c, 4.0)
        (loss + named).backward()
        missing = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        if missing:
            return f"no gradient for {missing[:5]}"
        optimizers.step(1)
    after, _ = losses(model, heads, c)
    return None if after < before - 1 else f"the loss went from {before:.3f} to {after:.3f}"


if __name__ == "__main__":
    main()
