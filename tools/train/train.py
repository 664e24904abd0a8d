#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the starter model for a given time on one GPU while other processes make its data.

Writes OUT/starter.safetensors (bfloat16, Hugging Face's names) at the end and, for safety, now and then.
"""
import argparse
import json
import math
import os
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import optimizer
import starter_data
import stream
from encode import Encoder
from model import CONFIG, Starter, document_mask

MODELS = Path(__file__).resolve().parents[2] / "models/starter"


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seconds", type=float, default=60, help="of training, compilation not counted")
    p.add_argument("--deadline", type=float, default=math.inf, help="Unix time by which to be done")
    p.add_argument("--rows", type=int, default=64, help="rows of 2048 tokens in a step")
    p.add_argument("--lr", type=float, default=0.02, help="of the matrices (Muon), or of all with --adamw")
    p.add_argument("--lr-rest", type=float, default=3e-3, help="of embeddings and norms (AdamW)")
    p.add_argument("--adamw", action="store_true")
    p.add_argument("--hold", type=float, default=0.4, help="part of the time before the rate begins to fall")
    p.add_argument("--seed", default="starter")
    p.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    p.add_argument("--init", type=Path, help="safetensors to go on from")
    p.add_argument("--out", type=Path, default=Path("."))
    return p.parse_args()


def rate(part, hold):
    """rise, hold, cosine fall to nothing"""
    if part < 0.01:
        return part / 0.01
    return 1 if part < hold else 0.5 * (1 + math.cos(math.pi * min(1, (part - hold) / (1 - hold))))


def to_device(batch):
    ids, learn, doc = (torch.from_numpy(np.ascontiguousarray(b)).pin_memory().to("cuda", non_blocking=True) for b in batch)
    return ids.long(), learn, document_mask(doc.int())


def save(model, path):
    save_file({k: v.detach().to(torch.bfloat16).contiguous() for k, v in model.state_dict().items()}, path, metadata={"format": "pt"})


def held_out_rows(rows, seed):
    return to_device(stream.pack(Encoder(MODELS / "tokenizer.json"), starter_data.samples(seed, held_out=True), rows))


class Optimizers:
    def __init__(self, model, o):
        matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
        rest = [p for n, p in model.named_parameters() if p.dim() != 2 or "embed" in n]
        self.o = o
        self.muon = None if o.adamw else optimizer.Muon(matrices)
        groups = [{"params": rest, "weight_decay": 0.0, "base": o.lr_rest}]
        if o.adamw:
            groups.append({"params": matrices, "weight_decay": 0.1, "base": o.lr})
        self.adam = torch.optim.AdamW(groups, lr=o.lr_rest, betas=(0.9, 0.95), eps=1e-10, fused=True)

    def step(self, factor):
        for g in self.adam.param_groups:
            g["lr"] = g["base"] * factor
        self.adam.step()
        if self.muon:
            self.muon.step(self.o.lr * factor)
        self.adam.zero_grad(set_to_none=False)
        if self.muon:
            for ps in self.muon.groups.values():
                torch._foreach_zero_([p.grad for p in ps])


def main():
    o = arguments()
    begun = time.time()
    torch.manual_seed(1)
    folder = Path("/dev/shm/starter-rows")
    shutil.rmtree(folder, ignore_errors=True)
    workers = stream.start(folder, MODELS / "tokenizer.json", o.seed, o.workers)
    model = Starter().cuda()
    if o.init:
        model.load_state_dict({k: v.float() for k, v in load_file(o.init).items()})
    o.out.mkdir(parents=True, exist_ok=True)
    compiled = torch.compile(model, dynamic=False)
    optimizers = Optimizers(model, o)
    source = stream.batches(folder, o.rows)
    test = held_out_rows(o.rows, "test")
    print(f"{sum(p.numel() for p in model.parameters())} parameters, ready after {time.time() - begun:.0f} s", flush=True)

    step, log, waited, saved, after = 0, [], 0.0, 0, None
    while True:
        asked = time.time()
        batch = to_device(next(source))
        waited += time.time() - asked
        with torch.autocast("cuda", torch.bfloat16):
            loss = compiled(*batch)
        loss.backward()
        if after is None:                       # the first step compiles: the clock starts behind it
            torch.cuda.synchronize()
            after = time.time()
            seconds = min(o.seconds, o.deadline - after)
            print(f"compiled after {after - begun:.0f} s, training for {seconds:.0f} s", flush=True)
        part = (time.time() - after) / seconds
        optimizers.step(rate(part, o.hold))
        step += 1
        if step % 25 == 0:
            log.append((step, loss.item()))     # also keeps the clock honest: waits for the device
            if not math.isfinite(log[-1][1]):
                raise SystemExit(f"the loss is {log[-1][1]} at step {step}")
        if part > 0.15 * (saved + 1) or part >= 1:
            saved += 1
            with torch.autocast("cuda", torch.bfloat16):     # with gradients, unused: without them it would compile again
                held = compiled(*test).item()
            tokens = step * o.rows * stream.ROW
            print(f"step {step} part {part:.2f} loss {loss.item():.4f} held-out {held:.4f} {tokens / 1e6:.0f} M tokens "
                  f"{tokens / (time.time() - after) / 1e6:.2f} M/s waited {waited:.0f} s", flush=True)
            save(model, o.out / "starter.safetensors")
        if part >= 1:
            break
    (folder / "stop").touch()
    for w in workers:
        w.terminate()
    (o.out / "training.json").write_text(json.dumps({"steps": step, "rows": o.rows, "seconds": round(time.time() - after), "loss": log[::10], "config": CONFIG}))


if __name__ == "__main__":
    main()
