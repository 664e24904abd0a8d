# SPDX-License-Identifier: Apache-2.0
"""Questions about a scene and their answers. A maker takes (rng, scene, where) and returns an Ask, or None where the
question would have no clear answer there: something near a border between two answers is not asked about.

`where` is what says which picture is meant (" in the second image", often nothing at all).
"""
from collections import Counter, namedtuple

from tasks.phrase import say

Ask = namedtuple("Ask", "task question answer")

DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
SIDES = {"left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "below": (0, 1)}
SIDE_WORDS = {"left of": ("left of", "to the left of"), "right of": ("right of", "to the right of"), "above": ("above", "over"), "below": ("below", "under")}
ROWS, COLUMNS = ("top", "", "bottom"), ("left", "", "right")
CLEAR = .04                 # of the side: nearer to a border between two answers it is not asked
PLURAL = {"cross": "crosses"}
THINGS = ("shapes", "objects", "figures")
NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def a(text):
    return ("an " if text[0] in "aeiou" else "a ") + text


def plural(shape):
    return PLURAL.get(shape, shape + "s")


def named(t):
    return f"{t.colour} {t.shape}"


def listed(names):
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def ask(rng, task, answer, *templates, **slots):
    """one of the templates, sometimes as people type it"""
    if rng.random() < .5:
        question = say(rng, templates, **slots)
    else:
        question = rng.choice(templates).format(**slots)
    if rng.random() < .5:
        question = question.replace("color", "colour")
    return Ask(task, question, answer)


def only(rng, items):
    """one of the items that occur once"""
    once = [k for k, n in Counter(items).items() if n == 1]
    return rng.choice(once) if once else None


def referred(rng, scene):
    """a thing and words that mean it and nothing else"""
    t = rng.choice(scene.things)
    ways = [w for w, same in ((t.shape, lambda o: o.shape == t.shape), (f"{t.colour} {t.shape}", lambda o: (o.colour, o.shape) == (t.colour, t.shape)))
            if sum(map(same, scene.things)) == 1]
    return (t, rng.choice(ways)) if ways else (None, None)


def colour_of(rng, s, where):
    shape = only(rng, [t.shape for t in s.things])
    if shape:
        answer = next(t.colour for t in s.things if t.shape == shape)
        return ask(rng, "colour", answer, "What color is the {x}{w}?", "Which color does the {x} have{w}?", "What is the color of the {x}{w}?", "color of the {x}{w}?",
                   "Tell me the color of the {x}{w}.", "In which color is the {x}{w}?", x=shape, w=where)


def shape_of(rng, s, where):
    colour = only(rng, [t.colour for t in s.things])
    if colour:
        answer = a(next(t.shape for t in s.things if t.colour == colour))
        return ask(rng, "shape", answer, "Which shape is {c}{w}?", "What is {c}{w}?", "What shape is the {c} {o}{w}?", "What is the {c} {o}{w}?", "Name the {c} {o}{w}.",
                   "Which shape is the {c} one{w}?", c=colour, w=where, o=rng.choice(("object", "thing", "figure")))


def count_all(rng, s, where):
    return ask(rng, "count all", str(len(s.things)), "How many {o} are there{w}?", "How many {o} can you see{w}?", "Count the {o}{w}.", "number of {o}{w}?", "How many {o}{w}?",
               "What is the number of {o}{w}?", o=rng.choice(THINGS), w=where)


def count_some(rng, s, where):
    """of a shape, of a colour, of both; mostly of what is there"""
    t, kind = rng.choice(s.things), rng.randrange(3)
    colour, shape = t.colour, t.shape
    if rng.random() < .12:
        colour, shape = rng.choice(s.colours), rng.choice(s.shapes)
    fits = [kind == 1 or o.shape == shape for o in s.things], [kind == 0 or o.colour == colour for o in s.things]
    what = (plural(shape), f"{colour} {rng.choice(THINGS)}", f"{colour} {plural(shape)}")[kind]
    return ask(rng, ("count shape", "count colour", "count both")[kind], str(sum(x and y for x, y in zip(*fits))), "How many {x} are there{w}?", "How many {x} can you see{w}?",
               "Count the {x}{w}.", "number of {x}{w}?", "How many {x}{w}?", "How many {x} do you see{w}?", x=what, w=where)


def exists(rng, s, where):
    t, yes = rng.choice(s.things), rng.random() < .5
    colour, shape, kind = t.colour, t.shape, rng.randrange(3)
    if not yes:
        if kind == 0 or rng.random() < .5:
            shape = rng.choice(s.shapes)
        if kind == 1 or shape == t.shape:
            colour = rng.choice(s.colours)
    what = (a(shape), a(f"{colour} {rng.choice(('shape', 'object', 'thing'))}"), a(f"{colour} {shape}"))[kind]
    yes = any((kind == 1 or o.shape == shape) and (kind == 0 or o.colour == colour) for o in s.things)
    return ask(rng, "is there", "yes" if yes else "no", "Is there {x}{w}?", "Do you see {x}{w}?", "Can you see {x}{w}?", "Is {x} there{w}?", "Does it have {x}{w}?", x=what, w=where)


def third(at):
    """which third of the side; None near a border"""
    return None if min(abs(at - 1 / 3), abs(at - 2 / 3)) < CLEAR else int(at * 3)


def zone(s, x, y):
    row, column = third(y / s.height), third(x / s.width)
    if row is None or column is None:
        return None
    return f"{ROWS[row]} {COLUMNS[column]}".strip() or "center"


def place_of(rng, s, where):
    t, name = referred(rng, s)
    place = t and zone(s, t.x, t.y)
    if place:
        return ask(rng, "where", place, "Where is the {x}{w}?", "Where can I find the {x}{w}?", "What is the position of the {x}{w}?", "where's the {x}{w}?", "In which part is the {x}{w}?",
                   "Where do you see the {x}{w}?", x=name, w=where)


def what_at(rng, s, where):
    zones = [zone(s, t.x, t.y) for t in s.things]
    if None in zones:
        return None
    place = rng.choice(zones) if rng.random() < .85 else rng.choice(("top left", "top right", "bottom left", "bottom right", "center"))
    there = [t for t, z in zip(s.things, zones) if z == place]
    if len(there) < 2:
        return ask(rng, "what is at", a(named(there[0])) if there else "nothing", "What is {p}{w}?", "Which {o} is {p}{w}?", "What can you see {p}{w}?", "What do you see {p}{w}?", "what's {p}{w}?",
                   p=("in the " if place == "center" or " " in place else "at the ") + place, o=rng.choice(("shape", "object")), w=where)


def beside(s, t, side):
    """the things on that side of t; None where that is not clear"""
    dx, dy = SIDES[side]
    out = []
    for o in s.things:
        ahead, across = (o.x - t.x) * dx + (o.y - t.y) * dy, abs((o.x - t.x) * dy) + abs((o.y - t.y) * dx)
        if o is not t and ahead > CLEAR * s.unit:
            if ahead < 1.25 * across:
                return None
            out.append(o)
    return out


def relation(rng, s, where):
    t, name = referred(rng, s)
    side = rng.choice(tuple(SIDES))
    there = beside(s, t, side) if t else None
    if there is None or len(there) > 1 or (not there and rng.random() < .7):
        return None
    return ask(rng, "relation", a(named(there[0])) if there else "nothing", "What is {r} the {x}{w}?", "Which {o} is {r} the {x}{w}?", "what's {r} the {x}{w}?", "What do you see {r} the {x}{w}?",
               "Tell me what is {r} the {x}{w}.", r=rng.choice(SIDE_WORDS[side]), x=name, w=where, o=rng.choice(("shape", "object")))


def relation_holds(rng, s, where):
    (t, name), (o, other) = referred(rng, s), referred(rng, s)
    if not t or not o or t is o:
        return None
    side = rng.choice(tuple(SIDES))
    dx, dy = SIDES[side]
    ahead, across = (t.x - o.x) * dx + (t.y - o.y) * dy, abs((o.x - t.x) * dy) + abs((o.y - t.y) * dx)
    if abs(ahead) < 1.25 * across or abs(ahead) < CLEAR * s.unit:
        return None
    return ask(rng, "is it beside", "yes" if ahead > 0 else "no", "Is the {x} {r} the {y}{w}?", "Is the {x} placed {r} the {y}{w}?", "Do you see the {x} {r} the {y}{w}?", x=name, y=other,
               r=rng.choice(SIDE_WORDS[side]), w=where)


def background(rng, s, where):
    return ask(rng, "background", s.background, "What color is the background{w}?", "Which color does the background have{w}?", "What is the background color{w}?", "background color{w}?",
               "Tell me the color of the background{w}.", w=where)


def size(rng, s, where):
    if len(s.things) < 2:
        return None
    big, small = (("biggest", "largest"), 1), (("smallest", "tiniest"), -1)
    words, sign = rng.choice((big, small))
    first, second = sorted(s.things, key=lambda t: -sign * t.r)[:2]
    if max(first.r, second.r) > 1.22 * min(first.r, second.r):
        return ask(rng, "size", a(named(first)), "Which {o} is the {b}{w}?", "What is the {b} {o}{w}?", "Name the {b} {o}{w}.", "Which is the {b} {o}{w}?", b=rng.choice(words),
                   o=rng.choice(("shape", "object", "figure")), w=where)


def outermost(rng, s, where):
    if len(s.things) < 2:
        return None
    side = rng.choice(tuple(DIRECTIONS))
    dx, dy = DIRECTIONS[side]
    first, second = sorted(s.things, key=lambda t: -(t.x * dx + t.y * dy))[:2]
    if (first.x - second.x) * dx + (first.y - second.y) * dy > CLEAR * s.unit:
        words = {"left": ("leftmost", "furthest left"), "right": ("rightmost", "furthest right"), "up": ("topmost", "highest"), "down": ("lowest", "bottommost")}[side]
        word = rng.choice(words)
        if " " in word:
            return ask(rng, "outermost", a(named(first)), "Which {o} is {b}{w}?", "What is {b}{w}?", b=word, o=rng.choice(("shape", "object")), w=where)
        return ask(rng, "outermost", a(named(first)), "Which {o} is the {b}{w}?", "What is the {b} {o}{w}?", "Name the {b} {o}{w}.", b=word, o=rng.choice(("shape", "object")), w=where)


def same_colour(rng, s, where):
    if len(s.things) == 2 and s.things[0].shape != s.things[1].shape:
        x, y = s.things
        return ask(rng, "same colour", "yes" if x.colour == y.colour else "no", "Do the {x} and the {y} have the same color{w}?", "Are the {x} and the {y} the same color{w}?",
                   "Is the {x} as {c} as the {y}{w}?" if x.colour == y.colour else "Do both {o} have the same color{w}?", x=x.shape, y=y.shape, c=x.colour, o=rng.choice(THINGS), w=where)


WHOLE = ("What is{w}?", "What do you see{w}?", "What is shown{w}?", "What can you see{w}?", "Which {o} are{w}?", "List the {o}{w}.", "Name all {o}{w}.", "Describe what is{w}.")


def describe(rng, s, where):
    """everything, from left to right"""
    things = sorted(s.things, key=lambda t: t.x)
    if len(things) > 5 or any(y.x - x.x < .03 * s.width for x, y in zip(things, things[1:])):
        return None
    answer = listed([a(named(t)) for t in things])
    return ask(rng, "describe", answer, *WHOLE, *(() if where.strip() in ("", "in the clip", "in the video") or "video" in where else ("Describe {d}.", "Describe {d} please.", "Describe {d} briefly.")),
               d=where.strip().removeprefix("in ") or "it", w=where or rng.choice((" here", " there")), o=rng.choice(THINGS))


def number(rng, s, where):
    many = len(s.number) > 1 and rng.random() < .1
    if many:
        return ask(rng, "digits", str(len(s.number)), "How many digits does the number have{w}?", "How many digits are there{w}?", "number of digits{w}?", w=where)
    return ask(rng, "number", s.number, "Which number is written{w}?", "What number is it{w}?", "Which number is{w}?" if where else "Which number is this?", "What number do you see{w}?", "Which number can you see{w}?",
               "Read the number{w}.", "What is the number{w}?", "what number{w}?", "What does the number say{w}?", "Which {d} written{w}?", w=where, d="digit is" if len(s.number) == 1 else "digits are")


def number_colour(rng, s, where):
    return ask(rng, "number colour", s.things[0].colour, "What color is the number{w}?", "Which color does the number have{w}?", "color of the number{w}?", "In which color is the number written{w}?", w=where)


def number_describe(rng, s, where):
    return ask(rng, "number describe", f"the number {s.number} in {s.things[0].colour}", *WHOLE, w=where or " here", o="objects")


# maker, weight
SHAPES = ((colour_of, 5), (shape_of, 5), (count_all, 4), (count_some, 12), (exists, 5), (place_of, 14), (what_at, 16), (relation, 34), (relation_holds, 22), (background, 1.5), (size, 9), (outermost, 6),
          (same_colour, 2), (describe, 6))
NUMBERS = ((number, 6), (number_colour, 2), (background, 1), (number_describe, 1.5))


def both_count(rng, one, two, names):
    x, y = len(one.things), len(two.things)
    if x != y:
        more = rng.random() < .5
        return ask(rng, "which has more", f"the {names[0] if (x > y) == more else names[1]} image", "Which image has {m} {o}?", "In which image are {m} {o}?", "Which picture has {m} {o}?", "Where are {m} {o}, in the first or in the second image?",
                   m="more" if more else "fewer", o=rng.choice(THINGS))


def which_has(rng, one, two, names):
    t = rng.choice(one.things + two.things)
    if rng.random() < .5:
        what, fits = a(t.shape), [any(o.shape == t.shape for o in s.things) for s in (one, two)]
    else:
        what, fits = a(named(t)), [any((o.colour, o.shape) == (t.colour, t.shape) for o in s.things) for s in (one, two)]
    answer = "both images" if all(fits) else f"the {names[fits.index(True)]} image"
    return ask(rng, "which image", answer, "Which image has {x}?", "In which image is {x}?", "Where is {x}, in the first or in the second image?", "Which picture shows {x}?", "Which of the images has {x}?", x=what)


# what moves, appears and goes

def moved(rng, c, where):
    t, name = referred(rng, c)
    if t and c.moving and rng.random() < .75:
        t, name = c.moving, rng.choice(("shape", "object", "thing", *([name] if t is c.moving else [])))
    if not c.moving or t is not c.moving:
        return None
    if name in ("shape", "object", "thing"):
        return ask(rng, "direction", c.direction, "In which direction does the {x} move{w}?" if len(c.things) == 1 else "In which direction does the moving {x} go{w}?", "Which way does something move{w}?", "What is the direction of motion{w}?",
                   x=name, w=where)
    return ask(rng, "direction", c.direction, "In which direction does the {x} move{w}?", "Where does the {x} go{w}?", "Which way does the {x} move{w}?", "Where is the {x} moving{w}?", "direction of the {x}{w}?",
               "In what direction is the {x} moving{w}?", x=name, w=where)


def which_moves(rng, c, where):
    return ask(rng, "which moves", a(named(c.moving)) if c.moving else "nothing", "What moves{w}?", "Which {o} moves{w}?", "Which {o} is moving{w}?", "What is moving{w}?", "Name the {o} that moves{w}.",
               o=rng.choice(("shape", "object", "figure")), w=where)


def does_move(rng, c, where):
    t, name = referred(rng, c)
    if c.moving and rng.random() < .5:
        name = rng.choice((c.moving.shape, named(c.moving)))
        t = c.moving if sum(name in (o.shape, named(o)) for o in c.things) == 1 else None
    if t:
        return ask(rng, "does it move", "yes" if t is c.moving else "no", "Does the {x} move{w}?", "Is the {x} moving{w}?", "Does the {x} change its place{w}?", x=name, w=where)


def comes_or_goes(rng, c, where):
    comes = rng.random() < .5
    found = [t for t in c.things if (t.first > 0 if comes else t.last < c.n_frame)]
    if len(found) > 1 or (not found and rng.random() < .6):
        return None
    verb = rng.choice(("appear", "show up") if comes else ("disappear", "vanish"))
    verb_s = {"appear": "appears", "show up": "shows up", "disappear": "disappears", "vanish": "vanishes"}[verb]
    return ask(rng, "appears" if comes else "disappears", a(named(found[0])) if found else "nothing", "What {v}{w}?", "Which {o} {v}{w}?", "Name the {o} that {v}{w}.", "Does something {u}{w}, and what?", v=verb_s, u=verb,
               o=rng.choice(("shape", "object")), w=where)


def frames_seen(rng, c, where):
    t, name = referred(rng, c)
    if t and (t.first > 0 or t.last < c.n_frame or rng.random() < .2):
        return ask(rng, "frames", str(t.last - t.first), "In how many frames is the {x} visible{w}?", "How many frames show the {x}{w}?", "In how many frames can you see the {x}{w}?", "number of frames with the {x}{w}?", x=name, w=where)


def all_frames(rng, c, where):
    return ask(rng, "all frames", str(c.n_frame), "How many frames are there{w}?", "How many frames does it have{w}?", "number of frames{w}?", "How many frames do you see{w}?", w=where)


def place_then(rng, c, where):
    if not c.moving:
        return None
    start, t = rng.random() < .5, c.moving
    place = zone(c, *t.at(0 if start else c.n_frame - 1))
    if place and zone(c, *t.at(1 if start else c.n_frame - 2)) == place and sum(o.shape == t.shape for o in c.things) == 1:
        return ask(rng, "where then", place, "Where is the {x} {e}{w}?", "{f}, where is the {x}{w}?", "Where can I see the {x} {e}{w}?", x=t.shape, e="at the start" if start else "at the end",
                   f="At the start" if start else "At the end", w=where)


def clip_describe(rng, c, where):
    events = []
    for t in c.things:
        if t is c.moving:
            events.append(f"{a(named(t))} moves {c.direction}")
        if t.first > 0:
            events.append(f"{a(named(t))} appears")
        if t.last < c.n_frame:
            events.append(f"{a(named(t))} disappears")
    if len(events) < 2:
        return ask(rng, "what happens", events[0] if events else "nothing moves", "What happens{w}?", "What is going on{w}?", "Describe what happens{w}.", "Tell me what happens{w}.", "Which change do you see{w}?", w=where)


def clip_colour(rng, c, where):
    return colour_of(rng, c, where)


def numbers_shown(rng, c, where):
    kind = rng.randrange(4)
    if kind < 2:
        return ask(rng, "numbers", ", ".join(c.numbers), "Which numbers are shown{w}?", "Which numbers do you see{w}?", "Read the numbers{w}.", "List the numbers{w}.", "What are the numbers{w}?", w=where)
    word = ("first", "last")[kind - 2]
    return ask(rng, "number then", c.numbers[0 if kind == 2 else -1], "Which number comes {o}{w}?", "What is the {o} number{w}?", "Which number is shown {o}{w}?", o=word, w=where)


CLIPS = ((moved, 9), (which_moves, 4), (does_move, 4), (comes_or_goes, 5), (frames_seen, 8), (all_frames, 1), (place_then, 9), (clip_describe, 4), (clip_colour, 2), (count_all, 1.5), (exists, 1.5), (background, .7))
CLIP_NUMBERS = ((numbers_shown, 1),)
