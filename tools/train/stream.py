# SPDX-License-Identifier: Apache-2.0
"""Training rows from many processes, without end: conversations are tokenised and packed into rows of fixed length.

Shard i is made from the seed and i alone, and shards are handed out in order, so the data do not depend on how many
processes made them. A row holds whole conversations; `doc` numbers them, so that attention can keep them apart.
"""
import os
import time
from pathlib import Path

import numpy as np

import chatml
import starter_data
from encode import Encoder

ROW = 2048                 # tokens in a row, the model's context
SHARD_ROWS = 256
PAD_DOC = 32767            # document number of what is left over at the end of a row


def encoded(encode, stream, n):
    """n conversations as (ids, learn) arrays"""
    for _ in range(n):
        ids, learn = [], []
        for text, wanted in chatml.segments(next(stream)):
            part = encode(text)
            ids += part
            learn += [wanted] * len(part)
        yield np.array(ids, np.int16), np.array(learn, bool)


def pack(encode, stream, rows):
    """ids [rows, ROW] int16, learn [rows, ROW] bool, doc [rows, ROW] int16"""
    ids = np.full((rows, ROW), encode.added["<|endoftext|>"], np.int16)
    learn = np.zeros((rows, ROW), bool)
    doc = np.full((rows, ROW), PAD_DOC, np.int16)
    used, count, waiting, at = np.zeros(rows, int), 0, [], 0
    while at < rows:
        if not waiting:
            waiting = [c for c in encoded(encode, stream, 512) if len(c[0]) <= ROW]
        # The first of the next few that fits; when none does, the row is done.
        fit = next((k for k in range(min(24, len(waiting))) if used[at] + len(waiting[k][0]) <= ROW), None)
        if fit is None:
            at, count = at + 1, 0
            continue
        c, m = waiting.pop(fit)
        where = slice(used[at], used[at] + len(c))
        ids[at, where], learn[at, where], doc[at, where] = c, m, count
        used[at] += len(c)
        count += 1
    return ids, learn, doc


def work(folder, tokenizer_file, seed, worker, workers, ahead):
    """one process: shards worker, worker + workers, ... never more than `ahead` in front of the reader"""
    encode, folder, shard = Encoder(tokenizer_file), Path(folder), worker
    while not (folder / "stop").exists():
        read = folder / "read"
        if shard > ahead + (int(read.read_text() or 0) if read.exists() else 0):
            time.sleep(0.05)
            continue
        rows = pack(encode, starter_data.samples(f"{seed}/{shard}"), SHARD_ROWS)
        np.savez(folder / f"{shard}.tmp.npz", *rows)
        os.rename(folder / f"{shard}.tmp.npz", folder / f"{shard}.npz")
        shard += workers


def start(folder, tokenizer_file, seed, workers, ahead=64):
    import multiprocessing
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=work, args=(str(folder), str(tokenizer_file), seed, i, workers, ahead), daemon=True) for i in range(workers)]
    for p in processes:
        p.start()
    return processes


def shards(folder):
    """the shards in order, each as (ids, learn, doc)"""
    folder, i = Path(folder), 0
    while True:
        file = folder / f"{i}.npz"
        while not file.exists():
            time.sleep(0.01)
        with np.load(file) as z:
            rows = [z[k] for k in z.files]
        file.unlink()
        i += 1
        (folder / "read.tmp").write_text(str(i))
        os.rename(folder / "read.tmp", folder / "read")
        yield rows


def batches(folder, rows):
    for shard in shards(folder):
        for at in range(0, SHARD_ROWS - rows + 1, rows):
            yield [part[at:at + rows] for part in shard]
