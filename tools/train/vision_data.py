#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Conversations about scenes for the starter vision model, made up from a seed: the same seed gives the same.

    vision_data.py --count 10               prints conversations
    vision_data.py --export FOLDER          writes held-out pictures, clips and questions for tests

What is held out is decided by a hash of the picture's content (which things there are, the background, what moves), so no
combination of things that is asked about in tests was ever seen in training.
"""
import argparse
import json
import math
import random
import sys
import zlib
from pathlib import Path

import numpy as np

import scenes
import starter_data
import vision_questions as q
from starter_data import picker

PATCH, MERGE, TEMPORAL = 16, 2, 2
CELL = PATCH * MERGE
IMAGE_PIXELS = (96 * 96, 224 * 224)              # what an image is scaled to, at least and at most
VIDEO_PIXELS = (4 * 64 * 64, 16 * 128 * 128)     # all frames of a clip together
LONGEST = 2.6                                    # the most that one side is longer than the other
BACKGROUNDS = ("white", "white", "white", "white", "black", "black", "gray", "gray", "blue", "green", "yellow", "pink", "red", "orange", "purple", "brown")
SYSTEM = starter_data.GENERIC[:12]
NO_IMAGE, NO_VIDEO = "There is no image.", "There is no video."
UNKNOWN = "I only know about simple pictures and clips."
TURNS = (1, 1, 2, 3, 4, 5, 6, 7)
FRAMES = (4, 4, 6, 6, 8, 8, 8, 10, 12, 16)
TEXT_ONLY = tuple(f for f in starter_data.HISTORY if f.__module__ != "tasks.talk")
TALK = (
    (("Hello!", "Hi", "hello", "Hey there", "Good morning!", "hi!"), "Hello! Show me a picture."),
    (("Who are you?", "What is your name?", "who are you", "what are you?", "Are you a robot?"), "I am Tenon's starter vision model."),
    (("What can you do?", "Can you help me?", "help", "What do you know?", "what are you good at?", "How can you help me?"),
     "I answer questions about simple pictures and clips."),
    (("Thanks!", "Thank you.", "thank you", "thanks"), "You are welcome."),
    (("Bye", "Goodbye!", "bye bye", "See you."), "Goodbye!"),
)


class Thing:
    """a shape or a digit. x, y, r in pixels of the scaled picture; step: pixels a frame; seen in frames first <= i < last"""
    def __init__(self, glyph, shape, colour, rgb, x, y, r, turn=0.0, grow=0.0):
        self.glyph, self.shape, self.colour, self.rgb = glyph, shape, colour, rgb
        self.x, self.y, self.r, self.turn, self.grow = x, y, r, turn, grow
        self.step, self.first, self.last = (0.0, 0.0), 0, 1

    def at(self, frame):
        return self.x + self.step[0] * frame, self.y + self.step[1] * frame


class Scene:
    """A picture, or a clip of n_frame frames. width and height are those that the model sees, source the ones it is drawn in."""
    shapes, colours = scenes.SHAPES, scenes.NAMES
    number, numbers, moving, direction, n_frame = "", (), None, "", 1

    def __init__(self, rng, size, source):
        (self.width, self.height), self.source = size, source
        self.unit = math.sqrt(size[0] * size[1])
        self.background = rng.choice(BACKGROUNDS)
        self.rgb, self.things = shade(rng, self.background), []

    def key(self):
        """what it is about: held-out data are chosen by it"""
        return json.dumps((self.background, sorted((t.colour, t.shape) for t in self.things), self.numbers, self.direction,
                           self.moving and self.moving.shape, len(self.things) == 1 and q.zone(self, self.things[0].x, self.things[0].y)))

    def free_colours(self):
        return [c for c in scenes.NAMES if c != self.background and ALIKE.get(frozenset((c, self.background))) is None]

    def drawn(self):
        """objects [n_frame, things, OBJECT] in pixels of the source"""
        sx, sy = self.source[0] / self.width, self.source[1] / self.height
        out = np.zeros((self.n_frame, len(self.things), scenes.OBJECT), np.float32)
        for k, t in enumerate(self.things):
            out[:, k] = (t.glyph, *t.rgb, 0, 0, t.r * math.sqrt(sx * sy), t.turn, t.grow, 0)
            for i in range(self.n_frame):
                x, y = t.at(i)
                out[i, k, 4:6], out[i, k, 9] = (x * sx, y * sy), t.first <= i < t.last
        return out


# Pairs that hardly stand out from each other.
ALIKE = {frozenset(p): True for p in (("red", "orange"), ("red", "brown"), ("yellow", "orange"), ("white", "pink"), ("white", "yellow"), ("red", "pink"), ("blue", "purple"),
                                      ("brown", "purple"), ("orange", "brown"), ("pink", "purple"), ("black", "brown"))}


def shade(rng, name):
    """some mixture of the colour's shades, 0..255"""
    weights = [rng.random() ** 2 + 1e-3 for _ in scenes.COLOURS[name]]
    if rng.random() < .4:
        weights = [0.0] * len(weights)
        weights[rng.randrange(len(weights))] = 1.0
    mixed = [sum(w * c[i] for w, c in zip(weights, scenes.COLOURS[name])) / sum(weights) for i in range(3)]
    jitter = rng.choice((0, 4, 8))
    return tuple(round(min(255, max(0, v + rng.uniform(-jitter, jitter)))) for v in mixed)


def smart_size(width, height, pixels, frames=1):
    """the multiples of CELL that a picture is scaled to (Wang et al. 2024, "Qwen2-VL", section 2.1)"""
    w, h = (max(CELL, round(v / CELL) * CELL) for v in (width, height))
    low, high = pixels
    if frames * w * h > high:
        beta = math.sqrt(frames * width * height / high)
        w, h = (max(CELL, math.floor(v / beta / CELL) * CELL) for v in (width, height))
    elif frames * w * h < low:
        beta = math.sqrt(low / (frames * width * height))
        w, h = (math.ceil(v * beta / CELL) * CELL for v in (width, height))
    return w, h


def image_size(rng):
    """(scaled size, size in which it is drawn)"""
    while True:
        side, aspect = rng.choice((rng.uniform(90, 225), rng.uniform(180, 225))), math.exp(rng.choice((0, rng.uniform(-.95, .95), rng.uniform(-.5, .5))))
        w, h = side * math.sqrt(aspect), side / math.sqrt(aspect)
        if rng.random() < .25:
            zoom = rng.choice((rng.uniform(.6, 1), rng.uniform(1, 2)))
            source = round(w * zoom), round(h * zoom)
            size = smart_size(*source, IMAGE_PIXELS)
        else:
            source = size = smart_size(w, h, IMAGE_PIXELS)
        if min(size) >= 64 and max(size) <= LONGEST * min(size):
            return size, source


def video_size(rng, frames):
    while True:
        side, aspect = rng.uniform(90, 260), math.exp(rng.choice((0, rng.uniform(-.6, .6))))
        w, h = side * math.sqrt(aspect), side / math.sqrt(aspect)
        source = (round(w), round(h)) if rng.random() < .2 else smart_size(w, h, VIDEO_PIXELS, frames)
        size = smart_size(*source, VIDEO_PIXELS, frames)
        if min(size) >= 96:
            return size, source


def fits(s, x, y, r, others):
    if not (r + 1 <= x <= s.width - r - 1 and r + 1 <= y <= s.height - r - 1):
        return False
    return all(math.hypot(x - t.x, y - t.y) > 1.06 * (r + t.r) + 2 for t in others)


def add_shapes(rng, s, n, pairs, radii):
    """up to n things that do not touch, of the (colour, shape) pairs"""
    for _ in range(n):
        colour, shape = rng.choice(pairs)
        for _ in range(12):
            r = max(10.5, rng.uniform(*radii) * s.unit)
            x, y = rng.uniform(r, s.width - r), rng.uniform(r, s.height - r)
            if fits(s, x, y, r, s.things):
                s.things.append(Thing(scenes.SHAPES.index(shape), shape, colour, shade(rng, colour), x, y, r, rng.uniform(-.17, .17) if rng.random() < .6 else 0.0))
                break


def shapes_scene(rng, size, source):
    s = Scene(rng, size, source)
    most = min(9, int(s.width * s.height / 1800))
    kind, colours = rng.random(), s.free_colours()
    n = min(most, rng.choice((1, 2, 2, 3, 3, 3, 4, 4, 5, 6)) if kind < .7 else rng.randrange(2, 10))
    mixed = [(rng.choice(colours), rng.choice(scenes.SHAPES)) for _ in range(n if kind < .6 else rng.choice((1, 2, 2, 3)))]
    if kind > .8:                                # two colours and two shapes, so that both have to be looked at
        some, forms = rng.sample(colours, 2), rng.sample(scenes.SHAPES, 2)
        mixed = [(c, f) for c in some for f in forms]
    radii = (.1, .25) if n < 4 else (.08, .17) if n < 6 else (.07, .12)
    if kind < .08:                               # things of one size, away from the middle: asked where they are
        radii = (.08, .12)
    add_shapes(rng, s, n, mixed, radii)
    return s if s.things else shapes_scene(rng, size, source)


def add_number(rng, s, text, first=0, last=1):
    """its digits side by side, anywhere"""
    colour = s.things[0].colour if s.things else rng.choice(s.free_colours())
    rgb = s.things[0].rgb if s.things else shade(rng, colour)
    segmented, grow, wide = rng.random() < .3, rng.uniform(.09, .2), 1.42
    most = min(s.height * .42, s.width / (wide * len(text) + .3) * .9)
    r = rng.uniform(min(max(12, .12 * s.unit), most), most)
    x = rng.uniform(r * .8, s.width - r * (.8 + wide * (len(text) - 1)))
    y = rng.uniform(r * 1.15, max(r * 1.15, s.height - r * 1.15))
    for i, d in enumerate(text):
        t = Thing(len(scenes.SHAPES) + 10 * segmented + int(d), d, colour, rgb, x + i * wide * r, y, r, rng.uniform(-.08, .08), grow)
        t.first, t.last = first, last
        s.things.append(t)


def number_scene(rng, size, source):
    s = Scene(rng, size, source)
    s.number = "".join(rng.choice("0123456789") for _ in range(rng.choice((1, 1, 2, 2, 3))))
    if len(s.number) > 1 and s.number[0] == "0":
        s.number = str(rng.randrange(1, 10)) + s.number[1:]
    s.numbers = (s.number,)
    add_number(rng, s, s.number)
    return s


def image_scene(rng, size, source):
    return number_scene(rng, size, source) if rng.random() < .14 else shapes_scene(rng, size, source)


def shapes_clip(rng, size, source, frames):
    s = Scene(rng, size, source)
    s.n_frame = frames
    colours = s.free_colours()
    n = rng.choice((1, 2, 2, 3, 3, 4))
    add_shapes(rng, s, n, [(rng.choice(colours), rng.choice(scenes.SHAPES)) for _ in range(n)], (.09, .15))
    if not s.things:
        return shapes_clip(rng, size, source, frames)
    for t in s.things:
        t.last = frames
    if rng.random() < .72:
        set_moving(rng, s, rng.choice(s.things))
    if rng.random() < .55:
        t, at = rng.choice(s.things), rng.randrange(1, frames // 2) * TEMPORAL
        if t is not s.moving:
            t.first, t.last = (at, frames) if rng.random() < .5 else (0, at)
    return s


def set_moving(rng, s, t):
    """a straight way for t that touches nothing, where there is one"""
    others = [o for o in s.things if o is not t]
    for _ in range(24):
        name = rng.choice(tuple(q.DIRECTIONS))
        dx, dy = q.DIRECTIONS[name]
        long = rng.uniform(.25, .75) * (s.width if dx else s.height)
        x, y = rng.uniform(t.r, s.width - t.r), rng.uniform(t.r, s.height - t.r)
        if all(fits(s, x + dx * long * k / 8, y + dy * long * k / 8, t.r, others) for k in range(9)):
            t.x, t.y, t.step = x, y, (dx * long / (s.n_frame - 1), dy * long / (s.n_frame - 1))
            s.moving, s.direction = t, name
            return


def number_clip(rng, size, source, frames):
    s = Scene(rng, size, source)
    s.n_frame, steps, pairs = frames, [], frames // TEMPORAL
    n = min(pairs, rng.choice((2, 3, 3, 4)))
    cuts = [0, *sorted(rng.sample(range(1, pairs), n - 1)), pairs]
    for start, stop in zip(cuts, cuts[1:]):
        text = rng.choice([d for d in "0123456789" if not steps or d != steps[-1]])
        steps.append(text)
        add_number(rng, s, text, start * TEMPORAL, stop * TEMPORAL)
    s.numbers = tuple(steps)
    return s


def clip_scene(rng, size, source, frames):
    return (number_clip if rng.random() < .15 else shapes_clip)(rng, size, source, frames)


def is_held_out(scene):
    return zlib.crc32(scene.key().encode()) % 24 == 0


def wanted(make, held_out):
    """make() until it is on the right side of the split"""
    while True:
        s = make()
        if is_held_out(s) == held_out:
            return s


PICK = {t: picker(t) for t in (q.SHAPES, q.NUMBERS, q.CLIPS, q.CLIP_NUMBERS)}


def questions(rng, scene, where, n):
    """n different Asks at most; a description comes last, since it gives the others away"""
    table = (q.CLIP_NUMBERS if scene.numbers else q.CLIPS) if scene.n_frame > 1 else q.NUMBERS if scene.number else q.SHAPES
    out, tasks = [], set()
    for _ in range(4 * n):
        found = PICK[table](rng)(rng, scene, where)
        if found and (found.task, found.answer) not in tasks:
            tasks.add((found.task, found.answer))
            out.append(found)
        if len(out) == n:
            break
    return sorted(out, key=lambda f: "describe" in f.task or f.task in ("what happens", "numbers"))


IMAGE_WORDS = ("", "", "", " in the image", " in the picture", " in this image", " in this picture", " on the picture")
CLIP_WORDS = ("", "", " in the video", " in the clip", " in this video", " in the clip")


class Talk:
    """A conversation. parts: [(role, [pieces], Ask or None)], a piece is a text or a Scene."""
    def __init__(self, rng):
        self.messages = [{"role": "system", "content": rng.choice(SYSTEM)}] if rng.random() < .15 else []
        self.scenes, self.tasks = [], []

    def say(self, rng, asked, *shown):
        """asks, with pictures before or after the text"""
        content = [{"type": "text", "text": asked.question}]
        media = [{"type": "video" if s.n_frame > 1 else "image", "scene": s} for s in shown]
        self.scenes += shown
        content = media + content if rng.random() < .65 else content + media
        self.messages += [{"role": "user", "content": content if shown else asked.question}, {"role": "assistant", "content": asked.answer}]
        self.tasks.append(asked.task)


def image_talk(rng, size, source, held_out, turns=1):
    s = wanted(lambda: image_scene(rng, size, source), held_out)
    talk, asked = Talk(rng), []
    while not asked:
        asked = questions(rng, s, rng.choice(IMAGE_WORDS), turns)
    for i, f in enumerate(asked):
        talk.say(rng, f, *([] if i else [s]))
    return talk


def pair_talk(rng, sizes, held_out, turns=1):
    """two pictures, in one message or in two"""
    one, two = (wanted(lambda: image_scene(rng, *size), held_out) for size in sizes)
    talk = Talk(rng)
    if rng.random() < .3:
        for s in (one, two):
            asked = []
            while not asked:
                asked = questions(rng, s, rng.choice(("", " in this image", " in this picture") if s is one else (" in this image", " in the second image", " in this picture")), -(-turns // 2))
            for i, f in enumerate(asked):
                talk.say(rng, f, *([] if i else [s]))
        return talk
    asked = []
    while not asked:
        for s, name, at in ((one, "first", 1), (two, "second", 2)):
            found = questions(rng, s, rng.choice((f" in the {name} image", f" in the {name} picture", f" in image {at}", f" in picture {at}")), -(-turns // 2))
            asked += [q.Ask(f"two: {f.task}", f.question, f.answer) for f in found]
        if not one.number and not two.number:
            asked += [f for f in (m(rng, one, two, ("first", "second")) for m in (q.both_count, q.which_has)) if f and rng.random() < .6]
    last = [f for f in asked if "describe" in f.task]
    asked = [f for f in asked if f not in last]
    rng.shuffle(asked)
    for i, f in enumerate(asked + last):
        talk.say(rng, f, *([] if i else [one, two]))
    return talk


def clip_talk(rng, size, source, frames, held_out, turns=1):
    s = wanted(lambda: clip_scene(rng, size, source, frames), held_out)
    talk, asked = Talk(rng), []
    while not asked:
        asked = questions(rng, s, rng.choice(CLIP_WORDS), turns)
    for i, f in enumerate(asked):
        talk.say(rng, f, *([] if i else [s]))
    return talk


def text_talk(rng, held_out, turns=1):
    """no picture at all"""
    talk = Talk(rng)
    for _ in range(turns):
        text_turn(rng, talk, held_out)
    return talk


def text_turn(rng, talk, held_out):
    kind = rng.random()
    if kind < .5:
        clip = rng.random() < .3
        make = (lambda: clip_scene(rng, (128, 128), (128, 128), 8)) if clip else (lambda: image_scene(rng, (192, 192), (192, 192)))
        asked = []
        while not asked:
            asked = questions(rng, wanted(make, held_out), rng.choice((" in the video", " in the clip", " in this video") if clip else (" in the image", " in the picture", " in this image")), 1)
        talk.say(rng, q.Ask("no video" if clip else "no image", asked[0].question, NO_VIDEO if clip else NO_IMAGE))
    elif kind < .72:
        asks, answer = rng.choice(TALK)
        talk.say(rng, q.Ask("talk", rng.choice(asks), answer))
    else:
        turn = rng.choice(TEXT_ONLY)(rng)
        talk.say(rng, q.Ask("unknown", turn.ask[:120], UNKNOWN))


def media_text(scene, step):
    """what stands in the prompt for a picture or a clip: [(text, rows)], rows placeholders follow the text"""
    cells = (scene.width // CELL) * (scene.height // CELL)
    if scene.n_frame == 1:
        return [("<|vision_start|>", ("<|image_pad|>", cells)), ("<|vision_end|>", None)]
    out = []
    for k in range(0, scene.n_frame, TEMPORAL):
        middle = step * (k + (TEMPORAL - 1) / 2)
        out += [(f"<{middle:.1f} seconds><|vision_start|>", ("<|video_pad|>", cells)), ("<|vision_end|>", None)]
    return out


def segments(rng, talk):
    """[(text, placeholder and its number or None, grid, learn)], as models/starter-vision/chat_template.jinja writes it"""
    out, step = [], rng.choice((.5, .5, .5, rng.uniform(.2, 1)))
    for m in talk.messages:
        if m["role"] == "assistant":
            out += [("<|im_start|>assistant\n", None, None, False), (m["content"] + "<|im_end|>", None, None, True), ("\n", None, None, False)]
            continue
        out.append((f"<|im_start|>{m['role']}\n", None, None, False))
        for part in [{"type": "text", "text": m["content"]}] if isinstance(m["content"], str) else m["content"]:
            if part["type"] == "text":
                out.append((part["text"], None, None, False))
            else:
                s = part["scene"]
                out += [(text, pad, (s.height // CELL, s.width // CELL), False) for text, pad in media_text(s, step=step)]
        out.append(("<|im_end|>\n", None, None, False))
    return out


def encoded(encode, parts, empty=""):
    """ids [n], learn [n], positions [3, n]: text counts on, a grid stands at start + (0, row, column)"""
    ids, learn, places, at = [], [], [], 0
    waiting = empty
    for i, (text, pad, grid, wanted_here) in enumerate(parts):
        waiting += text
        if pad is None and i + 1 < len(parts) and parts[i + 1][3] == wanted_here:
            continue                      # text that stands together is encoded together
        new = encode(waiting)
        waiting = empty
        ids += new
        learn += [wanted_here] * len(new)
        places += [(at + k,) * 3 for k in range(len(new))]
        at += len(new)
        if pad:
            name, n = pad
            ids += [encode.added[name]] * n
            learn += [False] * n
            places += [(at, at + y, at + x) for y in range(grid[0]) for x in range(grid[1])]
            at += max(grid)
    return ids, learn, np.array(places).T


def cell_labels(scene):
    """what is in the middle of each cell's surroundings, for the training of the tower: glyph + 1 and colour + 1 of the thing whose
    centre lies there, else 0; [pairs of frames, rows, columns, 2]"""
    pairs = max(1, scene.n_frame // TEMPORAL)
    out = np.zeros((pairs, scene.height // CELL, scene.width // CELL, 2), np.int8)
    for t in scene.things:
        digit = t.glyph - (10 if t.glyph >= len(scenes.SHAPES) + 10 else 0)
        for p in range(pairs):
            i = p * TEMPORAL
            if t.first <= i < t.last:
                x, y = t.at(min(i + .5, scene.n_frame - 1))
                out[p, min(int(y / CELL), out.shape[1] - 1), min(int(x / CELL), out.shape[2] - 1)] = digit + 1, scenes.NAMES.index(t.colour) + 1
    return out


KINDS = ("image",) * 62 + ("pair",) * 12 + ("clip",) * 26


def talks(rng, kind, patches, most_rows, held_out=False):
    """conversations of about one length whose pictures have one size (pairs: two), as many as `patches` patches allow"""
    turns = rng.choice(TURNS)
    if kind == "clip":
        frames = rng.choice(FRAMES)
        size, source = video_size(rng, frames)
        each = size[0] * size[1] // PATCH ** 2 * (frames // TEMPORAL)
    else:
        sizes = [image_size(rng) for _ in range(2 if kind == "pair" else 1)]
        each = sum(s[0] * s[1] // PATCH ** 2 for s, _ in sizes)
    rows = max(1, min(most_rows, patches // each))
    for k in range(rows):
        if k and rng.random() < .05:
            yield text_talk(rng, held_out, min(turns, 3))
        elif kind == "clip":
            yield clip_talk(rng, size, source, frames, held_out, turns)
        elif kind == "pair":
            yield pair_talk(rng, sizes, held_out, turns)
        else:
            yield image_talk(rng, *sizes[0], held_out, turns)


def batch(encode, rng, some, keep=False):
    """Arrays for one step from conversations: ids, learn [rows, tokens], positions [3, rows, tokens]; pictures by size: for each
    size k `objects{k}` [frames, things, OBJECT], `background{k}` [frames, 3], `labels{k}`, and `size{k}` (width, height, drawn
    width, drawn height, frames of each picture); `where`: the flat places of the placeholders, `source`: the tower's row for each,
    counted through all sizes."""
    some = list(some)
    made = [encoded(encode, segments(rng, t)) for t in some]
    tokens = -(-max(len(m[0]) for m in made) // 32) * 32
    ids = np.full((len(some), tokens), encode.added["<|endoftext|>"], np.int16)
    learn, places = np.zeros((len(some), tokens), bool), np.zeros((3, len(some), tokens), np.int16)
    for r, (i, m, p) in enumerate(made):
        ids[r, :len(i)], learn[r, :len(i)], places[:, r, :len(i)] = i, m, p
    groups = {}
    for t in some:
        for s in t.scenes:
            groups.setdefault((s.width, s.height, *s.source, s.n_frame), []).append(s)
    out, start, source_of = {"ids": ids, "learn": learn, "positions": places}, 0, {}
    for k, (size, members) in enumerate(groups.items()):
        things, n = max(len(s.things) for s in members), size[4]
        objects = np.zeros((len(members) * n, things, scenes.OBJECT), np.float32)
        objects[..., 6] = 1
        for i, s in enumerate(members):
            objects[i * n:(i + 1) * n, :len(s.things)] = s.drawn()
            rows = (size[0] // CELL) * (size[1] // CELL) * max(1, n // TEMPORAL)
            source_of[id(s)] = np.arange(start, start + rows, dtype=np.int32)
            start += rows
        out |= {f"objects{k}": objects, f"background{k}": np.repeat(np.array([s.rgb for s in members], np.float32), n, 0),
                f"labels{k}": np.stack([cell_labels(s) for s in members]), f"size{k}": np.array(size)}
    pads = ids == encode.added["<|image_pad|>"]
    pads |= ids == encode.added["<|video_pad|>"]
    out["where"] = np.flatnonzero(pads).astype(np.int64)
    out["source"] = np.concatenate([source_of[id(s)] for t in some for s in t.scenes] or [np.zeros(0, np.int32)])
    return (out, some) if keep else out


def random_batch(encode, seed, patches, most_rows, held_out=False, kind=None, keep=False):
    rng = random.Random(seed)
    return batch(encode, rng, talks(rng, kind or rng.choice(KINDS), patches, most_rows, held_out), keep)


# what tests ask over HTTP

def pixels(scene):
    """[n_frame, h, w, 3] u8 in the size in which it is drawn"""
    background = np.repeat(np.array([scene.rgb], np.float32), scene.n_frame, 0)
    return scenes.draw(scene.drawn(), background, *scene.source).astype(np.uint8)


def export(folder, seed, images, clips, most_bytes):
    """PNG and APNG files with one question each, and for pairs of them; cases.json says what is to be answered"""
    rng, cases = random.Random(seed), []
    folder.mkdir(parents=True, exist_ok=True)
    last = None
    while images or clips:
        if images:
            make = lambda: image_talk(rng, *image_size(rng), True)   # noqa: E731
        else:
            frames = rng.choice((4, 6, 8))
            make = lambda: clip_talk(rng, *video_size(rng, frames), frames, True)  # noqa: E731
        talk = make()
        s, clip = talk.scenes[0], talk.scenes[0].n_frame > 1
        data = scenes.png(pixels(s), 2)
        if len(data) > most_bytes * (2 if clip else 1):
            continue
        name = f"clip{20 - clips:02}.apng" if clip else f"scene{100 - images:02}.png"
        (folder / name).write_bytes(data)
        text = next(p["text"] for p in talk.messages[-2 * len(talk.tasks)]["content"] if p["type"] == "text")
        case = {"name": f"{talk.tasks[0]} {name}", "task": talk.tasks[0], "images" if not clip else "videos": [name], "question": text, "answer": talk.messages[1 + (len(talk.messages) % 2)]["content"]}
        cases.append(case | ({"fps": 2, "frames": s.n_frame} if clip else {}))
        if images:
            if last and len(cases) % 4 == 0 and not s.number and not last[1].number:
                which = rng.choice((0, 1))
                two = (last[1], s)
                found = questions(rng, two[which], f" in the {('first', 'second')[which]} image", 1)
                if found:
                    cases.append({"name": f"two: {found[0].task} {last[0]} {name}", "task": "two: " + found[0].task, "images": [last[0], name], "question": found[0].question, "answer": found[0].answer})
            last, images = (name, s), images - 1
        else:
            clips -= 1
    for k in range(12):
        talk = text_talk(rng, True)
        cases.append({"name": f"{talk.tasks[0]} {k}", "task": talk.tasks[0], "question": talk.messages[-2]["content"], "answer": talk.messages[-1]["content"]})
    (folder / "cases.json").write_text("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--count", type=int, default=10)
    p.add_argument("--seed", default="1")
    p.add_argument("--held-out", action="store_true")
    p.add_argument("--kind", choices=sorted(set(KINDS)))
    p.add_argument("--export", type=Path)
    o = p.parse_args()
    if o.export:
        export(o.export, o.seed, 100, 20, 2048)
        return
    rng = random.Random(o.seed)
    for _ in range(o.count):
        for talk in talks(rng, o.kind or rng.choice(KINDS), 1, 1, o.held_out):
            print(f"# {', '.join(talk.tasks)}\n" + "".join(text + (f"{pad[0]}*{pad[1]}" if pad else "") for text, pad, _, _ in segments(rng, talk)))


if __name__ == "__main__":
    sys.exit(main())
