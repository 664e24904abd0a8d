# SPDX-License-Identifier: Apache-2.0
"""Answers that are found in the conversation itself: reading, remembering, repeating, follow-up questions.

A conversation task returns a list of turns, of which the last is the one to learn; the earlier ones are its history.
"""
from . import facts, maths
from .phrase import Turn, say, a, capital, listed
from .talk import nonsense

OPEN_COLOURS = facts.PLAIN_COLOURS + "golden silver turquoise violet".split()


def someone(rng):
    return rng.choice(facts.NAMES) if rng.random() < 0.8 else nonsense(rng).capitalize()


def belongings(rng):
    """two or three people own things: whose, what, which colour, where"""
    n = rng.randrange(2, 4)
    people = []
    while len(people) < n:
        name = someone(rng)
        if name not in people:
            people.append(name)
    things, colours, places = rng.sample(facts.THINGS, n), rng.sample(OPEN_COLOURS, n), rng.sample(facts.PLACES, n)
    text = " ".join(f"{p} has {a(c)} {t}." for p, c, t in zip(people, colours, things))
    if rng.random() < 0.5:
        text += " " + " ".join(f"{p} is in the {w}." for p, w in zip(people, places))
        i = rng.randrange(n)
        if rng.random() < 0.6:
            ask = say(rng, (" Where is {p}?", " Tell me where {p} is."), keep=True, p=people[i])
            return Turn(text + ask, f"The text says that {people[i]} is in the {places[i]}.", f"{people[i]} is in the {places[i]}.", ("exact",), None)
    i = rng.randrange(n)
    kind = rng.randrange(3)
    if kind == 0:
        ask = say(rng, (" What colour is {p}'s {t}?", " Which colour does {p}'s {t} have?", " What color is the {t}?"), keep=True, p=people[i], t=things[i])
        answer = f"The {things[i]} is {colours[i]}."
    elif kind == 1:
        ask = say(rng, (" Who has the {t}?", " Who has {at}?", " Who owns the {t}?", " Whose is the {t}?"), keep=True, t=things[i], at=a(things[i]))
        answer = f"{people[i]} has the {things[i]}."
    else:
        ask = say(rng, (" What does {p} have?", " What has {p} got?", " What does {p} own?"), keep=True, p=people[i])
        answer = f"{people[i]} has {a(colours[i])} {things[i]}."
    return Turn(text + ask, f"The text says that {people[i]} has {a(colours[i])} {things[i]}.", answer, ("exact",), None)


def repeat(rng):
    words = [rng.choice(facts.THINGS + facts.FOODS + facts.NAMES + facts.PLAIN_COLOURS) if rng.random() < 0.7 else nonsense(rng) for _ in range(rng.randrange(1, 7))]
    text = " ".join(words)
    q = rng.choice(('"{}"', "'{}'", "{}"))
    ask = say(rng, ("Say {t}", "Repeat after me: {t}", "Repeat: {t}", "Please repeat {t}", "Write {t}", "Echo {t}", "Just say {t}"), keep=True, t=q.format(text))
    return Turn(ask, "I repeat the words.", text, ("exact",), None)


def pick_item(rng):
    """the first, last or n-th of a list"""
    n = rng.randrange(3, 7)
    items = rng.sample(facts.THINGS + facts.FOODS + facts.PLAIN_COLOURS, n)
    kind = rng.randrange(4)
    text = ", ".join(items)
    if kind == 3:
        ask = say(rng, ("How many words are in this list: {t}?", "Count these words: {t}", "How many things are these: {t}?"), t=text)
        return Turn(ask, " ".join(f"{w} {i}" for i, w in enumerate(items, 1)), f"There are {n} words.", ("exact",), None)
    i = (0, n - 1, rng.randrange(n))[kind]
    word = ("first", "last", ("first", "second", "third", "fourth", "fifth", "sixth")[i])[kind]
    ask = say(rng, ("What is the {w} word: {t}?", "Which is the {w} of these: {t}?", "{w} word of: {t}", "Here is a list: {t}. What is the {w} word?"), w=word, t=text)
    return Turn(ask, " ".join(f"{w} {k}" for k, w in enumerate(items, 1)), f"The {word} word is {items[i]}.", ("exact",), None)


def sort_words(rng):
    items = rng.sample(facts.FOODS + facts.THINGS, rng.randrange(3, 5))
    while len({w[0] for w in items}) < len(items):
        items = rng.sample(facts.FOODS + facts.THINGS, len(items))
    ask = say(rng, ("Sort these words: {t}", "Put these words in alphabetical order: {t}", "Sort alphabetically: {t}"), t=", ".join(items))
    return Turn(ask, "The first letters are " + ", ".join(sorted(w[0] for w in items)) + ".", ", ".join(sorted(items)), ("exact",), None)


def odd_one(rng):
    groups = {"animal": "cat dog cow horse sheep lion bear fox".split(), "fruit": "apple banana cherry pear plum".split(), "colour": "red blue green yellow black".split(),
              "day": facts.DAYS, "number": "one two three four five".split(), "country": "France Germany Italy Spain Japan".split()}
    x, y = rng.sample(sorted(groups), 2)
    items = rng.sample(groups[x], 3) + [rng.choice(groups[y])]
    odd = items[-1]
    rng.shuffle(items)
    ask = say(rng, ("Which word does not belong: {t}?", "Find the odd one out: {t}", "Which is the odd one out: {t}?"), t=", ".join(items))
    return Turn(ask, f"{capital(odd)} is {a(y)}, the others are {x if x[-1] != 'y' or x == 'day' else x[:-1] + 'ie'}s.", f"{capital(odd)} does not belong.", ("exact",), None)


def remember(rng):
    """a conversation: the user says something and asks for it later"""
    name = someone(rng)
    facts_told = [
        (("My name is {v}.", "I am {v}.", "Hi, I am {v}.", "hello, my name is {v}", "You can call me {v}."), name, "Nice to meet you, {v}!",
         ("What is my name?", "Do you know my name?", "Who am I?", "Say my name.", "Do you remember my name?"), "Your name is {v}."),
        (("My favourite colour is {v}.", "I like the colour {v}.", "The colour I like best is {v}."), rng.choice(OPEN_COLOURS), "{V} is a nice colour.",
         ("What is my favourite colour?", "Which colour do I like?", "Do you remember my favourite colour?"), "Your favourite colour is {v}."),
        (("I live in {v}.", "My home is in {v}.", "I am from {v}."), rng.choice(facts.CITIES), "{v} sounds like a nice place.",
         ("Where do I live?", "Which city do I live in?", "Where is my home?"), "You live in {v}."),
        (("I am {v} years old.", "My age is {v}.", "i'm {v} years old"), str(rng.randrange(5, 90)), "That is a good age.",
         ("How old am I?", "What is my age?", "Do you remember my age?"), "You are {v} years old."),
        (("I have a {v}.", "My pet is a {v}.", "I have a pet {v}."), rng.choice("cat dog rabbit mouse goldfish turtle parrot horse duck".split()), "How nice, a {v}!",
         ("What pet do I have?", "Which animal do I have?", "What is my pet?"), "You have a {v}."),
        (("The secret word is {v}.", "Remember the word {v}.", "Keep this word in mind: {v}."), rng.choice(facts.THINGS + [nonsense(rng)]), "I will remember it.",
         ("What is the secret word?", "Which word did I tell you?", "What was the word?"), "The word is {v}."),
        (("Remember the number {v}.", "The number is {v}.", "Keep the number {v} in mind."), str(maths.number(rng)), "I will remember it.",
         ("What is the number?", "Which number did I tell you?", "What was the number?"), "The number is {v}."),
    ]
    told = rng.sample(facts_told, rng.choice((1, 1, 2)))
    turns = []
    for tell, value, reply, _, _ in told:
        text = say(rng, tell, keep=True, v=value)
        turns.append(Turn(text, "The user tells me something. I reply kindly.", reply.replace("{v}", value).replace("{V}", capital(value)), ("exact",), None))
    if rng.random() < 0.25:
        return turns
    _, value, _, question, answer = rng.choice(told)
    last = Turn(say(rng, question), "The user told me this before.", answer.replace("{v}", value), ("exact",), None)
    if len(told) == 1 and rng.random() < 0.2:       # told and asked at once
        text = turns[0].ask.rstrip(".") + ". " + last.ask
        return [Turn(text, last.think, last.answer, last.check, None)]
    return turns + [last]


def forgot(rng):
    """asked for something that was never said"""
    ask, what = rng.choice(((("What is my name?", "Do you know my name?", "Who am I?"), "your name"), (("How old am I?", "What is my age?"), "your age"),
                            (("Where do I live?",), "where you live"), (("What is my favourite colour?",), "your favourite colour")))
    return Turn(say(rng, ask), "The user has not told me this.", f"I do not know {what}. You have not told me.", ("has", "do not know"), None)


def follow_up(rng):
    """a conversation whose last question leans on the one before"""
    kind = rng.randrange(6)
    if kind == 0:
        rows = rng.sample(facts.COUNTRIES, rng.randrange(2, 4))
        turns = []
        for i, (country, city, *_) in enumerate(rows):
            ask = say(rng, ("What is the capital of {c}?", "capital of {c}?") if i == 0 else ("And of {c}?", "and {c}?", "What about {c}?", "And the capital of {c}?", "{c}?"), c=country)
            turns.append(Turn(ask, f"The user asks for the capital of {country}. It is {city}.", f"The capital of {country} is {city}.", ("has", city), None))
        return turns
    if kind == 1:
        n, m = rng.randrange(2, 60), rng.randrange(2, 30)
        first = Turn(say(rng, maths.PLUS, a=n, b=m), "", f"{n} + {m} = {n + m}", ("exact",), None)
        total, k = n + m, rng.randrange(1, 20)
        if rng.random() < 0.6:
            ask = say(rng, ("And plus {k}?", "Add {k} more.", "plus {k}", "Now add {k}.", "and {k} more?"), k=k)
            return [first, Turn(ask, maths.add_steps(total, k), f"{total} + {k} = {total + k}", ("exact",), f"+{total},{k}")]
        k = min(k, total)
        ask = say(rng, ("And minus {k}?", "Now subtract {k}.", "minus {k}", "Take away {k}."), k=k)
        return [first, Turn(ask, maths.subtract_steps(total, k), f"{total} - {k} = {total - k}", ("exact",), f"-{total},{k}")]
    if kind == 2:
        rows = rng.sample(facts.ANIMALS, 2)
        first = Turn(say(rng, ("What sound does {x} make?",), x=a(rows[0][0])), "", f"{capital(a(rows[0][0]))} {rows[0][2]}.", ("exact",), None)
        ask = say(rng, ("And {x}?", "What about {x}?", "and {x}"), x=a(rows[1][0]))
        return [first, Turn(ask, f"{capital(a(rows[1][0]))} {rows[1][2]}.", f"{capital(a(rows[1][0]))} {rows[1][2]}.", ("exact",), None)]
    if kind == 3:
        rows = rng.sample(facts.OPPOSITES, 2)
        first = Turn(say(rng, ("What is the opposite of {x}?",), x=rows[0][0]), "", f"The opposite of {rows[0][0]} is {rows[0][1]}.", ("exact",), None)
        ask = say(rng, ("And of {x}?", "What about {x}?", "and {x}?"), x=rows[1][0])
        return [first, Turn(ask, f"The opposite of {rows[1][0]} is {rows[1][1]}.", f"The opposite of {rows[1][0]} is {rows[1][1]}.", ("exact",), None)]
    if kind == 4:
        country, city, *_ = rng.choice(facts.COUNTRIES)
        first = Turn(say(rng, ("What is the capital of {c}?",), c=country), "", f"The capital of {country} is {city}.", ("has", city), None)
        word = city.lower().replace(",", "").replace(".", "").replace(" ", "")
        if rng.random() < 0.5 or " " in city:
            i = [r[0] for r in facts.COUNTRIES].index(country)
            return [first, Turn(say(rng, ("Which language do they speak there?", "What language is spoken there?")), f"The country is {country}.",
                                f"People in {country} speak {facts.COUNTRIES[i][3]}.", ("exact",), None)]
        return [first, Turn(say(rng, ("Spell it.", "How do you spell that?", "Can you spell it?", "spell that")), f"The user means {city}.", "-".join(word), ("exact",), None)]
    row = rng.choice(facts.GENERAL)
    first = Turn(say(rng, row[0].split("/")), "", row[1], ("has", row[2]), None)
    return [first, Turn(say(rng, ("Say that again.", "Can you repeat that?", "Repeat your answer.", "again please", "What did you say?")), "I repeat my last answer.",
                        row[1], ("exact",), None)]
