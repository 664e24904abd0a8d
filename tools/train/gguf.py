# SPDX-License-Identifier: Apache-2.0
"""GGUF version 3, as much of it as the starter model needs: write, read, Q8_0 blocks."""
import struct

import numpy as np

F32, Q8_0 = 0, 8
ALIGN = 32
U32, F32_VALUE, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def quantise(x):
    """Q8_0: blocks of 32 along the row, an f16 scale and 32 signed bytes; x [rows, columns] float32"""
    blocks = np.ascontiguousarray(x, np.float32).reshape(-1, 32)
    scale = (np.abs(blocks).max(1) / 127).astype(np.float32)
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    out = np.zeros(len(blocks), np.dtype([("d", "<f2"), ("q", "i1", 32)]))
    out["d"] = scale
    out["q"] = np.rint(blocks * inverse[:, None])
    return out.tobytes()


def dequantise(raw, shape):
    blocks = np.frombuffer(raw, np.dtype([("d", "<f2"), ("q", "i1", 32)]))
    return (blocks["d"].astype(np.float32)[:, None] * blocks["q"].astype(np.float32)).reshape(shape)


def text(s):
    raw = s.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind, v):
    if kind == STRING:
        return text(v)
    if kind == ARRAY:
        of, items = v
        return struct.pack("<IQ", of, len(items)) + b"".join(value(of, i) for i in items)
    return struct.pack("<" + SCALARS[kind], v)


def padded(raw):
    return raw + bytes(-len(raw) % ALIGN)


def write(path, metadata, tensors):
    """metadata: [(key, kind, value)]; tensors: [(name, array float32, type)]"""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, kind, v in metadata:
        head += text(key) + struct.pack("<I", kind) + value(kind, v)
    blobs, offset = [], 0
    for name, array, kind in tensors:
        head += text(name) + struct.pack("<I", array.ndim) + struct.pack(f"<{array.ndim}Q", *reversed(array.shape)) + struct.pack("<IQ", kind, offset)
        blobs.append(padded(quantise(array) if kind == Q8_0 else np.ascontiguousarray(array, "<f4").tobytes()))
        offset += len(blobs[-1])
    with open(path, "wb") as f:
        f.write(padded(head) + b"".join(blobs))


class Reader:
    """metadata: {key: value}; tensors: {name: float32 array}"""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.raw = f.read()
        self.at = 4
        if self.raw[:4] != b"GGUF" or self.scalar("I") != 3:
            raise ValueError(f"{path}: not a GGUF file of version 3")
        n_tensors, n_keys = self.scalar("Q"), self.scalar("Q")
        self.metadata = {}
        for _ in range(n_keys):
            key = self.text()
            self.metadata[key] = self.value(self.scalar("I"))
        infos = [self.info() for _ in range(n_tensors)]
        base = self.at + -self.at % ALIGN
        self.tensors = {name: self.tensor(shape, kind, base + offset) for name, shape, kind, offset in infos}

    def scalar(self, code):
        v, = struct.unpack_from("<" + code, self.raw, self.at)
        self.at += struct.calcsize("<" + code)
        return v

    def text(self):
        n = self.scalar("Q")
        self.at += n
        return self.raw[self.at - n:self.at].decode()

    def value(self, kind):
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            of, n = self.scalar("I"), self.scalar("Q")
            return [self.value(of) for _ in range(n)]
        return self.scalar(SCALARS[kind])

    def info(self):
        name, dims = self.text(), self.scalar("I")
        shape = tuple(reversed([self.scalar("Q") for _ in range(dims)]))
        return name, shape, self.scalar("I"), self.scalar("Q")

    def tensor(self, shape, kind, at):
        n = int(np.prod(shape))
        if kind == F32:
            return np.frombuffer(self.raw, "<f4", n, at).reshape(shape)
        if kind == Q8_0:
            return dequantise(self.raw[at:at + n // 32 * 34], shape)
        raise ValueError(f"tensor type {kind} is not known here")
