# SPDX-License-Identifier: Apache-2.0
"""How a question is worded: templates with slots, and the ways people really type.

A task gives templates such as "What is the capital of {c}?". say() picks one, words it politely or curtly, lowers or
raises its case, drops punctuation, and now and then makes a typing error. Errors are made before the slots are filled:
what a question is about always arrives intact.
"""
import re
from collections import namedtuple

# One question and its answer. think: the reasoning shown between <think> tags. check: how an answer is judged, see
# evaluate.py: ("has", text), ("exact",), ("json", value), ("call", [calls]), ("story", word). key: what must not be in
# both the training and the held-out set; None means the wording decides.
Turn = namedtuple("Turn", "ask think answer check key")

SHORTER = (
    (re.compile(r"\bWhat is\b"), ("What's", "Whats", "what's", "whats", "What is")),
    (re.compile(r"\bwhat is\b"), ("what's", "whats", "what is")),
    (re.compile(r"\bWho is\b"), ("Who's", "Whos", "who's", "Who is")),
    (re.compile(r"\bI am\b"), ("I'm", "Im", "I am")),
    (re.compile(r"\byou are\b"), ("you're", "youre", "you are")),
    (re.compile(r"\bplease\b"), ("pls", "plz", "please")),
    (re.compile(r"\byou\b"), ("u", "you", "you", "ya")),
    (re.compile(r"\bare\b"), ("r", "are", "are")),
)
BEFORE = ("Hi, ", "Hello, ", "Hey, ", "hey ", "Please, ", "Hello! ", "Hi! ", "Okay. ", "ok, ", "So, ", "Quick question: ",
          "Question: ", "Tell me: ", "Now, ", "Thanks. ", "Great. ", "One more: ", "um, ", "I wonder: ", "Next question. ",
          "Answer this: ", "Can you help me? ", "I have a question. ", "And ", "Good morning! ")
AFTER = (" please", " Please.", ", please", " Thanks!", " thanks", " thank you", " pls", " Do you know?", " :)", "?", "??",
         " I want to know.", "!", " Tell me.")
SLOT = re.compile(r"(\{[a-z0-9_]*\})")
WORD = re.compile(r"[A-Za-z]{4,}")


def typo(rng, text):
    """text with one slip of the fingers in a word of four letters or more outside the slots"""
    spots = [m for m in WORD.finditer(text) if not (m.start() and text[m.start() - 1] == "{")]
    if not spots:
        return text
    word = rng.choice(spots)
    at = rng.randrange(word.start() + 1, word.end() - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return text[:at] + text[at + 1:]
    if kind == 1:
        return text[:at] + text[at] + text[at:]
    if kind == 2:
        return text[:at] + text[at + 1] + text[at] + text[at + 2:]
    return text[:at] + rng.choice("aeioustrnl") + text[at + 1:]


def shorten(rng, text):
    for pattern, choices in SHORTER:
        if rng.random() < 0.5:
            text = pattern.sub(lambda m: rng.choice(choices), text)
    return text


def fill(text, slots):
    return SLOT.sub(lambda m: str(slots[m.group(1)[1:-1]]), text) if slots else text


def say(rng, templates, keep=False, **slots):
    """one wording of the question; keep: slots and case stay as they are"""
    text = rng.choice(templates)
    dice = rng.random
    if dice() < 0.25:
        text = shorten(rng, text)
    if dice() < 0.08:
        text = typo(rng, text)
    if dice() < 0.08:
        first = rng.choice(BEFORE)
        text = first + (text[0].lower() + text[1:] if dice() < 0.5 and not text.startswith("I ") else text)
    if dice() < 0.25:
        text = text.rstrip("?.!")
    if dice() < 0.06:
        text = text.rstrip("?.! ") + rng.choice(AFTER)
    text = fill(text, slots)
    if keep:
        return text
    style = dice()
    if style < 0.25:
        text = text.lower()
    elif style < 0.27:
        text = text.upper()
    elif style < 0.34:
        text = text[0].lower() + text[1:]
    return text


def a(noun):
    """noun with its indefinite article"""
    return ("an " if noun[0].lower() in "aeiou" else "a ") + noun


def listed(words, last="and"):
    """red, green and blue"""
    words = [str(w) for w in words]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " " + last + " " + words[-1]


def capital(text):
    return text[:1].upper() + text[1:]
