# SPDX-License-Identifier: Apache-2.0
"""Draws scenes of shapes and digits, with numpy or, the same way, with PyTorch on a GPU; writes PNG and APNG files.

An object is a row of OBJECT numbers: glyph, red, green, blue (0..255), centre x, centre y, radius (pixels), turn
(radians), grow (how far the outline moves outwards, in radii), shown (0 or 1). Glyphs come from a table of signed
distances, one square of TABLE x TABLE for each, that spans -SPAN .. SPAN radii.
"""
import functools
import math
import struct
import zlib

import numpy as np

SHAPES = ("circle", "square", "triangle", "star", "cross", "heart", "ring", "diamond")
# Shades of each colour; a scene uses some mixture of them.
COLOURS = {
    "red": ((220, 40, 40), (255, 0, 0), (195, 20, 30)), "green": ((40, 160, 60), (0, 128, 0), (0, 255, 0), (60, 200, 80)),
    "blue": ((40, 80, 220), (0, 0, 255), (25, 50, 170)), "yellow": ((245, 220, 40), (255, 255, 0), (255, 215, 0)),
    "orange": ((245, 140, 30), (255, 165, 0), (255, 128, 0)), "purple": ((130, 50, 170), (128, 0, 128), (110, 30, 150)),
    "pink": ((255, 150, 190), (255, 192, 203), (255, 105, 180)), "brown": ((130, 80, 40), (139, 69, 19), (110, 65, 35)),
    "black": ((20, 20, 20), (0, 0, 0)), "white": ((245, 245, 245), (255, 255, 255)), "gray": ((128, 128, 128), (150, 150, 150), (110, 110, 110)),
}
NAMES = tuple(COLOURS)
OBJECT = 10
TABLE, SPAN = 128, 1.5
SEGMENTS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")   # of a seven-segment digit


def arc(cx, cy, rx, ry, start, stop, n=14):
    """points of an ellipse; degrees, clockwise on the screen from the right"""
    t = np.radians(np.linspace(start, stop, n))
    return np.stack((cx + rx * np.cos(t), cy + ry * np.sin(t)), 1)


def path(*points):
    return np.array(points, float)


def written(digit):
    """the lines of a digit as a pen draws it, x -0.55..0.55, y -0.9..0.9 (down)"""
    return {
        0: [arc(0, 0, .55, .9, 0, 360, 28)],
        1: [path((-.3, -.55), (.1, -.9), (.1, .9))],
        2: [np.concatenate((arc(0, -.38, .52, .52, -170, 30), path((-.52, .9), (.55, .9))))],
        3: [arc(-.02, -.46, .47, .44, -160, 90), arc(-.02, .44, .52, .46, -90, 160)],
        4: [path((.3, .9), (.3, -.9), (-.55, .4), (.6, .4))],
        5: [np.concatenate((path((.5, -.9), (-.42, -.9), (-.47, -.1)), arc(0, .33, .53, .57, -125, 150)))],
        6: [np.concatenate((path((.35, -.9), (-.25, -.2)), arc(0, .36, .53, .54, -150, 210, 28)))],
        7: [path((-.55, -.9), (.55, -.9), (-.12, .9))],
        8: [arc(0, -.46, .43, .43, 0, 360, 24), arc(0, .44, .53, .46, 0, 360, 24)],
        9: [np.concatenate((arc(0, -.36, .53, .54, 30, 390, 28)[::-1], path((.46, -.1), (.2, .9))))],
    }[digit]


def segmented(digit):
    x, y = .5, .9
    ends = {"a": ((-x, -y), (x, -y)), "b": ((x, -y), (x, 0)), "c": ((x, 0), (x, y)), "d": ((-x, y), (x, y)), "e": ((-x, 0), (-x, y)),
            "f": ((-x, -y), (-x, 0)), "g": ((-x, 0), (x, 0))}
    return [path(*ends[s]) for s in SEGMENTS[digit]]


def to_segment(p, a, b):
    """distance of the points p [..., 2] from the line a..b"""
    d = b - a
    t = np.clip(((p - a) @ d) / max(d @ d, 1e-12), 0, 1)
    return np.linalg.norm(p - a - t[..., None] * d, axis=-1)


def to_lines(p, lines):
    return np.min([to_segment(p, a, b) for line in lines for a, b in zip(line, line[1:])], 0)


def to_polygon(p, corners):
    """signed distance, negative inside (even-odd rule)"""
    corners = np.asarray(corners, float)
    far, inside = to_lines(p, [np.concatenate((corners, corners[:1]))]), np.zeros(p.shape[:-1], bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, 0)):
        crosses = (ay > p[..., 1]) != (by > p[..., 1])
        inside ^= crosses & (p[..., 0] < (bx - ax) * (p[..., 1] - ay) / (by - ay if by != ay else 1) + ax)
    return np.where(inside, -far, far)


def corners(shape):
    turn = np.radians(-90 + 36 * np.arange(10))
    t = np.linspace(0, 2 * math.pi, 60, endpoint=False)
    w = .33
    return {
        "square": ((-.78, -.78), (.78, -.78), (.78, .78), (-.78, .78)),
        "triangle": ((0, -.95), (.95, .72), (-.95, .72)),
        "star": np.stack((np.cos(turn), np.sin(turn)), 1) * np.where(np.arange(10) % 2, .42, 1.05)[:, None],
        "cross": ((-w, -1), (w, -1), (w, -w), (1, -w), (1, w), (w, w), (w, 1), (-w, 1), (-w, w), (-1, w), (-1, -w), (-w, -w)),
        "heart": np.stack((np.sin(t) ** 3, -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16), 1),
        "diamond": ((0, -1.05), (.8, 0), (0, 1.05), (-.8, 0)),
    }[shape]


@functools.lru_cache(maxsize=1)
def table():
    """[glyphs, TABLE, TABLE] f32: signed distances in radii: the shapes, then ten digits of one kind and of another"""
    at = (np.arange(TABLE) + .5) / TABLE * 2 * SPAN - SPAN
    p = np.stack(np.meshgrid(at, at), -1)
    r = np.hypot(p[..., 0], p[..., 1])
    round_ones = {"circle": r - .95, "ring": abs(r - .78) - .2}
    out = [round_ones[s] if s in round_ones else to_polygon(p, corners(s)) for s in SHAPES]
    out += [to_lines(p, style(d)) for style in (written, segmented) for d in range(10)]
    return np.stack(out).astype(np.float32)


class Numpy:
    """what the drawing needs, by PyTorch's names"""
    cos, sin, floor, stack, where = np.cos, np.sin, np.floor, np.stack, np.where
    clamp = staticmethod(lambda x, low, high: np.clip(x, low, high))
    arange = staticmethod(lambda n, like: np.arange(n))
    table = staticmethod(lambda like: table())
    whole = staticmethod(lambda x: x.astype(np.int64))


class Torch:
    tables = {}

    def __init__(self):
        import torch
        self.torch = torch
        self.cos, self.sin, self.floor, self.stack, self.where, self.clamp = torch.cos, torch.sin, torch.floor, torch.stack, torch.where, torch.clamp

    def arange(self, n, like):
        return self.torch.arange(n, device=like.device)

    def table(self, like):
        if like.device not in self.tables:
            self.tables[like.device] = self.torch.from_numpy(table()).to(like.device)
        return self.tables[like.device]

    def whole(self, x):
        return x.long()


def covered(xp, o, px, py):
    """how much of each pixel the object fills, 0..1; o [n, OBJECT], px and py [n, S, S] pixel numbers"""
    glyph, x, y, r, turn, grow, shown = (o[:, i, None, None] for i in (0, 4, 5, 6, 7, 8, 9))
    dx, dy = (px + .5 - x) / r, (py + .5 - y) / r
    cos, sin = xp.cos(turn), xp.sin(turn)
    scale = TABLE / (2 * SPAN)
    u = xp.clamp((dx * cos + dy * sin + SPAN) * scale - .5, 0, TABLE - 1.001)
    v = xp.clamp((dy * cos - dx * sin + SPAN) * scale - .5, 0, TABLE - 1.001)
    u0, v0 = xp.floor(u), xp.floor(v)
    fu, fv = u - u0, v - v0
    flat, base = xp.table(o).reshape(-1), xp.whole(glyph * TABLE * TABLE + v0 * TABLE + u0)
    near = flat[base] * (1 - fu) + flat[base + 1] * fu
    far = flat[base + TABLE] * (1 - fu) + flat[base + TABLE + 1] * fu
    return xp.clamp(.5 - (near * (1 - fv) + far * fv - grow) * r, 0, 1) * shown


def reach_of(objects):
    return 2 * math.ceil(1.35 * float(objects[..., 6].max()) + 1)


def draw(objects, background, width, height, reach=None):
    """n images [n, height, width, 3] f32, whole numbers 0..255; objects [n, m, OBJECT] f32, the last on top; background [n, 3]

    reach: side of the square of pixels around an object that is drawn, reach_of(objects); given, a GPU need not be waited for."""
    xp = Numpy if isinstance(objects, np.ndarray) else Torch()
    n, m = objects.shape[:2]
    # One pixel more, where all goes that lies outside.
    outside = n * height * width
    image = background[xp.clamp(xp.arange(outside + 1, objects) // (width * height), 0, n - 1)]
    if m:
        reach = reach or reach_of(objects)
        step = xp.arange(reach, objects)
        first = (xp.arange(n, objects) * (width * height))[:, None, None]
    for k in range(m):
        o = objects[:, k]
        px = xp.whole(xp.floor(o[:, 4]))[:, None, None] - reach // 2 + step[None, None, :]
        py = xp.whole(xp.floor(o[:, 5]))[:, None, None] - reach // 2 + step[None, :, None]
        px, py = px + 0 * py, py + 0 * px
        inside = (px >= 0) & (px < width) & (py >= 0) & (py < height)
        a = covered(xp, o, px, py)
        where = xp.where(inside, first + py * width + px, outside)
        image[where] = image[where] * (1 - a[..., None]) + o[:, None, None, 1:4] * a[..., None]
    return xp.floor(image[:outside].reshape(n, height, width, 3) + .5)


def cubic(x, a=-0.5):
    """Keys (1981), "Cubic convolution interpolation", with the constant that Pillow takes"""
    x = abs(x)
    return np.where(x < 1, ((a + 2) * x - (a + 3)) * x * x + 1, np.where(x < 2, (((x - 5) * x + 8) * x - 4) * a, 0))


@functools.lru_cache(maxsize=256)
def resampling(before, after):
    """[after, before]: what each new pixel takes of the old ones; wider when it shrinks, as Pillow's resize does"""
    scale = max(before / after, 1)
    centre = (np.arange(after)[:, None] + .5) * before / after
    first, last = np.floor(np.maximum(centre - 2 * scale + .5, 0)), np.floor(np.minimum(centre + 2 * scale + .5, before))
    at = np.arange(before)[None, :]
    w = cubic((at + .5 - centre) / scale) * ((at >= first) & (at < last))
    return (w / w.sum(1, keepdims=True)).astype(np.float32)


def resized(images, width, height):
    """bicubic, first along rows, then along columns, whole numbers after each; images [n, h, w, 3] of numpy or PyTorch"""
    h, w = images.shape[1:3]
    xp = Numpy if isinstance(images, np.ndarray) else Torch()

    def matrix(before, after):
        m = resampling(before, after)
        return m if xp is Numpy else xp.torch.from_numpy(m).to(images.device)
    if w != width:
        images = xp.clamp(xp.floor(images.swapaxes(2, 3) @ matrix(w, width).T + .5), 0, 255).swapaxes(2, 3)
    if h != height:
        images = xp.clamp(xp.floor((matrix(h, height) @ images.reshape(-1, h, width * 3) + .5)), 0, 255).reshape(-1, height, width, 3)
    return images


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def deflated(image):
    """the scan lines of an image [h, w, 3] u8, each the difference from the one above (PNG's filter 2) or plain, whichever is smaller"""
    h = image.shape[0]
    up = image.copy()
    up[1:] -= image[:-1]
    kinds = ((0, image), (2, up))
    return min((zlib.compress(np.insert(rows.reshape(h, -1), 0, kind, 1).tobytes(), 9) for kind, rows in kinds), key=len)


def png(frames, fps=0):
    """the bytes of a PNG file, or with several frames [n, h, w, 3] u8 of an APNG file, where a frame replaces only what changes"""
    frames = np.asarray(frames, np.uint8)
    n, h, w = frames.shape[:3]
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0))
    if n == 1:
        return out + chunk(b"IDAT", deflated(frames[0])) + chunk(b"IEND", b"")
    out += chunk(b"acTL", struct.pack(">II", n, 0))
    serial, delay = 0, (round(1000 / fps), 1000)
    for i, frame in enumerate(frames):
        x0, y0, x1, y1 = 0, 0, w, h
        if i:
            rows, columns = ((frame != frames[i - 1]).any((k, 2)).nonzero()[0] for k in (1, 0))
            y0, y1, x0, x1 = (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) if len(rows) else (0, 1, 0, 1)
        out += chunk(b"fcTL", struct.pack(">IIIIIHHBB", serial, x1 - x0, y1 - y0, x0, y0, *delay, 0, 0))
        data = deflated(frame[y0:y1, x0:x1])
        out += chunk(b"IDAT", data) if i == 0 else chunk(b"fdAT", struct.pack(">I", serial + 1) + data)
        serial += 1 if i == 0 else 2
    return out + chunk(b"IEND", b"")
