#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Conversations for the starter model, made up from a seed: no downloads, the same seed gives the same text.

    starter_data.py --count 20 --seed 1            prints conversations as the model sees them
    starter_data.py --count 20 --held-out --jsonl  held-out ones, with what is expected

What is held out is decided by a hash of the payload (the operands of a sum, the word to spell) and of the question's
wording, so the two sets never share a question.
"""
import argparse
import json
import random
import sys
import zlib
from collections import namedtuple

import chatml
from tasks import calling, context, facts, jsons, knowledge, maths, stories, talk, words

# messages: OpenAI's form with reasoning_content. learn: indices of the assistant messages to train on. thinking: whether
# the reply thinks. check: how the last reply is judged. keys: what must not be in both sets.
Sample = namedtuple("Sample", "task messages tools learn thinking check keys")

# task, weight
SINGLE = (
    (talk.greeting, 2), (talk.small_talk, 5), (talk.identity, 5), (talk.joke, 1.5), (talk.unknown, 7),
    (maths.plus, 12), (maths.minus, 10), (maths.times, 8), (maths.divided, 4), (maths.three, 3), (maths.big_sum, 1), (maths.twice, 3),
    (maths.parity, 1), (maths.compare, 3), (maths.ordered, 3), (maths.count, 3), (maths.sequence, 2), (maths.worded, 4),
    (maths.story_sum, 5), (maths.money, 1), (maths.clock, 1),
    (words.spell, 6), (words.letters, 4), (words.one_letter, 4), (words.ends, 3), (words.backwards, 4), (words.upper, 2),
    (words.opposite, 3), (words.plural, 2), (words.past, 2), (words.rhyme, 1), (words.translate, 3), (words.article, 0.5), (words.alphabet, 1),
    (knowledge.capital_of, 8), (knowledge.country_of, 4), (knowledge.about_country, 3), (knowledge.animal_sound, 2), (knowledge.animal_fact, 5),
    (knowledge.colour_of, 3), (knowledge.mixing, 1.5), (knowledge.colour_list, 1), (knowledge.name_some, 2), (knowledge.day_question, 4),
    (knowledge.month_question, 4), (knowledge.general, 12), (knowledge.define, 1.5),
    (context.belongings, 7), (context.repeat, 4), (context.pick_item, 3), (context.sort_words, 2), (context.odd_one, 1), (context.forgot, 0.7),
    (stories.story, 8), (stories.poem, 1), (stories.sentence, 1.5),
    (jsons.any_json, 12),
)
HISTORY = [f for f, _ in SINGLE if f not in (stories.story, maths.big_sum)]
GENERIC = ("You are a helpful assistant.", "You are a helpful, honest assistant.", "Answer the user's questions.", "You are a friendly assistant.",
           "Be brief.", "Be polite and short.", "Help the user.", "You are an assistant that answers simple questions.", "Keep your answers short.",
           "You are a helpful assistant. Answer in English.", "Use the tools when they help.", "Answer truthfully.", "You are Tenon's starter model.",
           "You are a helpful assistant running on the Tenon runtime.")
ROBOTS = "Robin Pixel Bolt Nova Echo Comet Biscuit Pepper Ziggy Orbit Luna Rex Momo Chip Sparky Hal Willow Juno".split()


def picker(table):
    functions, weights = zip(*table)
    total, edges = 0, []
    for w in weights:
        total += w
        edges.append(total)
    return lambda rng: rng.choices(functions, cum_weights=edges)[0]


pick_single = picker(SINGLE)


def user(text):
    return {"role": "user", "content": text}


def reply(text, think=None, calls=()):
    m = {"role": "assistant", "content": text}
    if think:
        m["reasoning_content"] = think
    if calls:
        m["tool_calls"] = [{"type": "function", "function": c} for c in calls]
    return m


def history(rng):
    """earlier turns: mostly none, sometimes enough to fill the context"""
    dice = rng.random()
    n = 0 if dice < 0.72 else rng.randrange(1, 3) if dice < 0.9 else rng.randrange(3, 8) if dice < 0.985 else rng.randrange(8, 30)
    messages = []
    for _ in range(n):
        if rng.random() < 0.1:
            turns = context.remember(rng)
        else:
            turns = [rng.choice(HISTORY)(rng)]
        for t in turns:
            messages += [user(t.ask), reply(t.answer)]
    return messages


def system(rng, tools=False):
    return [{"role": "system", "content": rng.choice(GENERIC)}] if rng.random() < (0.3 if tools else 0.2) else []


def key_list(ask, key):
    keys = [key] if key else []
    if len(ask) >= 16:
        keys.append("t" + ask.lower())
    return keys


def single(rng):
    task = pick_single(rng)
    turn = task(rng)
    messages = system(rng) + history(rng) + [user(turn.ask), reply(turn.answer, turn.think)]
    return Sample(task.__name__, messages, None, (len(messages) - 1,), rng.random() < 0.5, turn.check, key_list(turn.ask, turn.key))


def several(rng):
    task = rng.choice((context.remember, context.follow_up))
    turns = task(rng)
    messages = system(rng) + (history(rng) if rng.random() < 0.3 else [])
    for t in turns[:-1]:
        messages += [user(t.ask), reply(t.answer)]
        if task is context.remember and rng.random() < 0.3:
            other = rng.choice(HISTORY)(rng)
            messages += [user(other.ask), reply(other.answer)]
    last = turns[-1]
    messages += [user(last.ask), reply(last.answer, last.think)]
    return Sample(task.__name__, messages, None, (len(messages) - 1,), rng.random() < 0.5, last.check, key_list(turns[0].ask + last.ask, last.key))


def tool(rng):
    """the call, or the call and what is made of its result"""
    task = calling.tool_call(rng)
    messages = system(rng, True) + (history(rng) if rng.random() < 0.3 else []) + [user(task.ask), reply("", task.think, task.calls)]
    thinking, keys = rng.random() < 0.5, key_list(task.ask, task.key)
    called = len(messages) - 1
    if rng.random() < 0.5:
        return Sample("tool_call", messages, task.tools, (called,), thinking, ("call", task.calls), keys)
    learn = []
    if thinking and rng.random() < 0.5:
        learn.append(called)
    else:
        messages[-1].pop("reasoning_content")
    messages += [{"role": "tool", "content": r} for r in task.results]
    think = "The tool answered. I tell the user."
    messages.append(reply(task.reply, think))
    if rng.random() < 0.12:             # and then something else, with the call in the past
        messages[-1].pop("reasoning_content")
        turn = rng.choice(HISTORY[:5] + [words.spell, knowledge.capital_of, context.repeat])(rng)
        messages += [user(turn.ask), reply(turn.answer, turn.think)]
        return Sample("tool_after", messages, task.tools, (len(messages) - 1,), thinking, turn.check, keys + key_list(turn.ask, turn.key))
    learn.append(len(messages) - 1)
    return Sample("tool_answer", messages, task.tools, tuple(learn), thinking, ("exact",), keys)


def tool_unused(rng):
    """tools are offered but the question needs none of them"""
    tools = [calling.lighter(rng, t) for t in calling.tool_call(rng).tools]
    kinds = " ".join(calling.kind_of(t) for t in tools)
    fits = [f for f in HISTORY if f.__module__ not in ("tasks.maths", "tasks.jsons") and f not in (talk.unknown, words.translate)]
    turn = rng.choice(fits)(rng)
    if rng.random() < 0.15 and "weather" not in kinds and "time" not in kinds:
        ask, think, answer = calling.no_tool(rng)
        turn = calling_turn(ask, think, answer)
    messages = system(rng, True) + [user(turn.ask), reply(turn.answer, turn.think)]
    return Sample("tool_unused", messages, tools, (len(messages) - 1,), rng.random() < 0.5, turn.check, key_list(turn.ask, turn.key))


def calling_turn(ask, think, answer):
    return context.Turn(ask, think, answer, ("exact",), None)


def no_tool(rng):
    ask, think, answer = calling.no_tool(rng)
    messages = system(rng) + history(rng) + [user(ask), reply(answer, think)]
    return Sample("no_tool", messages, None, (len(messages) - 1,), rng.random() < 0.5, ("exact",), key_list(ask, None))


def persona(rng):
    """a system prompt gives a name, a date or a manner"""
    kind = rng.randrange(4)
    if kind == 0:
        name = rng.choice(ROBOTS) if rng.random() < 0.7 else talk.nonsense(rng).capitalize()
        text = rng.choice(("Your name is {n}.", "You are {n}.", "You are {n}, a helpful assistant.", "You are called {n}. Be kind.")).replace("{n}", name)
        ask = context.say(rng, ("Who are you?", "What is your name?", "your name?", "what are you called?", "Tell me your name.", "What should I call you?"))
        turn = context.Turn(ask, f"The system prompt says that I am {name}.", f"I am {name}.", ("exact",), None)
    elif kind == 1:
        day, month, number = rng.choice(facts.DAYS), rng.choice(facts.MONTHS), rng.randrange(1, 29)
        text = rng.choice((f"Today is {day}, {number} {month}.", f"The date is {day}, {number} {month}. You are a helpful assistant."))
        if rng.random() < 0.5:
            ask = context.say(rng, ("What day is it?", "Which day is today?", "what day is it today?", "What is the day of the week?"))
            turn = context.Turn(ask, "The system prompt gives the date.", f"Today is {day}.", ("exact",), None)
        else:
            ask = context.say(rng, ("What is the date?", "What is today's date?", "date?", "Which date is it?"))
            turn = context.Turn(ask, "The system prompt gives the date.", f"Today is {day}, {number} {month}.", ("exact",), None)
    else:
        turn = rng.choice((knowledge.general, knowledge.capital_of, knowledge.colour_of, talk.greeting, words.opposite))(rng)
        if kind == 2:
            text = rng.choice(("Answer in capital letters.", "Write everything in capital letters.", "Use only upper case."))
            turn = turn._replace(answer=turn.answer.upper(), check=("exact",))
        else:
            text = rng.choice(("Reply only with JSON.", "Answer in JSON.", 'Reply with JSON that has the key "answer".'))
            turn = turn._replace(answer=jsons.dump({"answer": turn.answer}), check=("exact",))
    messages = [{"role": "system", "content": text}, user(turn.ask), reply(turn.answer, turn.think)]
    return Sample("persona", messages, None, (2,), rng.random() < 0.5, turn.check, key_list(text + turn.ask, None))


pick_form = picker(((single, 70), (several, 7), (tool, 13), (tool_unused, 4), (no_tool, 1.5), (persona, 3)))


def is_held_out(keys):
    return any(zlib.crc32(k.encode()) % 24 == 0 for k in keys)


def samples(seed, held_out=False):
    """an endless stream"""
    rng = random.Random(seed)
    while True:
        sample = pick_form(rng)(rng)
        if is_held_out(sample.keys) == held_out:
            yield sample


def described(sample):
    return {"task": sample.task, "messages": sample.messages[:-1], "tools": sample.tools, "enable_thinking": sample.thinking,
            "expected": chatml.reply_text(sample.messages[-1]), "check": sample.check}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--count", type=int, default=10)
    p.add_argument("--seed", default="1")
    p.add_argument("--held-out", action="store_true")
    p.add_argument("--jsonl", action="store_true")
    options = p.parse_args()
    stream = samples(options.seed, options.held_out)
    for _ in range(options.count):
        sample = next(stream)
        if options.jsonl:
            print(json.dumps(described(sample), ensure_ascii=False))
        else:
            print(f"# {sample.task}\n" + "".join(text for text, _ in chatml.segments(sample)))


if __name__ == "__main__":
    sys.exit(main())
