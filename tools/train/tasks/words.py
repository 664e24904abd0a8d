# SPDX-License-Identifier: Apache-2.0
"""Letters and words: spelling, counting letters, reversing, plurals, past tense, rhymes, opposites, translations."""
from . import facts
from .phrase import Turn, say, a, capital
from .talk import nonsense

PLAIN = """strawberry banana elephant computer window garden kitchen mother father sister brother teacher student hospital
morning evening weather winter summer spring autumn orange yellow purple silver golden island mountain river ocean forest
tree flower grass house street bridge station airport train plane bicycle ship boat car bus road school college office
paper pencil letter number word sentence question answer story poem song music guitar piano violin drum trumpet dance
happy sad angry tired hungry thirsty quick slow bright dark heavy light strong weak clever simple little large small huge
tiny round square circle triangle star moon planet earth cloud rain snow wind storm thunder lightning rainbow water fire
stone sand metal glass wood cotton silk leather butter cheese bread sugar salt pepper onion tomato potato carrot cucumber
apple pear cherry grape lemon melon peach coffee tea milk juice soup salad breakfast lunch dinner supper table chair sofa
bed lamp mirror carpet curtain pillow blanket bottle basket bucket hammer ladder needle thread ribbon button pocket jacket
shirt trousers dress skirt shoes socks gloves scarf umbrella glasses watch camera phone radio television machine engine
wheel door floor wall roof stairs corner market shop money coin price ticket holiday birthday present party game puzzle
picture painting museum theatre cinema castle tower palace village city country world language english french german
library dictionary alphabet history science nature animal monkey giraffe zebra tiger rabbit squirrel hedgehog butterfly
spider penguin dolphin octopus turtle dragon wizard princess pirate doctor nurse farmer baker painter singer dancer
captain soldier neighbour friend family children people person finger shoulder elbow knee stomach heart brain tooth tongue
hello goodbye thanks sorry please welcome wonderful beautiful dangerous important interesting different difficult easy
tenon model token runtime server memory keyboard screen program mississippi mushroom pumpkin chocolate sandwich cookie
pancake biscuit balloon football tennis swimming running walking reading writing singing dancing cooking travel journey
adventure treasure secret promise dream wish hope love peace freedom courage patience kindness laughter silence shadow
feather whistle bubble jungle desert meadow valley harbour lighthouse volcano glacier waterfall canyon planet rocket
satellite telescope microscope magnet battery electric digital yesterday today tomorrow always never sometimes often
because without between together perhaps another nothing something everything everyone anybody nobody""".split()
WORDS = sorted(set(PLAIN) | set(facts.THINGS) | set(facts.FOODS) | {row[0] for row in facts.ANIMALS})


def word(rng):
    """a real word mostly, else one that nobody has seen"""
    dice = rng.random()
    if dice < 0.6:
        return rng.choice(WORDS)
    if dice < 0.7:
        return rng.choice(facts.NAMES + facts.CITIES).lower()
    if dice < 0.9:
        return nonsense(rng)
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randrange(2, 8)))


def quoted(rng, text):
    return rng.choice(("{}", "{}", "{}", "'{}'", '"{}"', "the word {}", "the word '{}'", 'the word "{}"')).format(text)


def dashed(text):
    return "-".join(text)


def spell(rng):
    w = word(rng)
    ask = say(rng, ("Spell {w}.", "Spell {w}", "How do you spell {w}?", "Can you spell {w}?", "spell {w} letter by letter", "How is {w} spelled?",
                    "What are the letters of {w}?", "Please spell {w}.", "Spell {w} for me.", "spelling of {w}", "Write {w} letter by letter."), w=quoted(rng, w))
    return Turn(ask, f"I write {w} letter by letter.", dashed(w), ("exact",), "w" + w)


def letters(rng):
    w = word(rng)
    ask = say(rng, ("How many letters are in {w}?", "How many letters does {w} have?", "Count the letters in {w}.", "number of letters in {w}", "{w}: how many letters?"), w=quoted(rng, w))
    steps = " ".join(f"{c}{i}" for i, c in enumerate(w, 1))
    return Turn(ask, steps, f"{dashed(w)} has {len(w)} letters.", ("exact",), "w" + w)


def one_letter(rng):
    w = word(rng)
    c = rng.choice(w) if rng.random() < 0.85 else rng.choice("abcdefghijklmnopqrstuvwxyz")
    ask = say(rng, ("How many {c}s are in {w}?", "How many times does {c} appear in {w}?", "How often is the letter {c} in {w}?", "Count the {c}s in {w}.",
                    "How many {c}'s are in {w}?", "How many letters {c} are in {w}?", "how many {c} in {w}?"), c=c, w=quoted(rng, w))
    total, steps = 0, []
    for x in w:
        total += x == c
        steps.append(f"{x}{total}" if x == c else x)
    times = {1: "once", 2: "twice"}.get(total, f"{total} times")
    if total == 0:
        times = "0 times"
    return Turn(ask, "-".join(steps), f"{dashed(w)}: the letter {c} appears {times}.", ("exact",), "w" + w)


def ends(rng):
    w = word(rng)
    if rng.random() < 0.5:
        ask = say(rng, ("What is the first letter of {w}?", "Which letter does {w} start with?", "What letter does {w} begin with?", "first letter of {w}"), w=quoted(rng, w))
        return Turn(ask, dashed(w), f"The first letter of {w} is {w[0]}.", ("exact",), "w" + w)
    ask = say(rng, ("What is the last letter of {w}?", "Which letter does {w} end with?", "What letter does {w} end in?", "last letter of {w}"), w=quoted(rng, w))
    return Turn(ask, dashed(w), f"The last letter of {w} is {w[-1]}.", ("exact",), "w" + w)


def backwards(rng):
    w = word(rng)
    while len(w) > 9:
        w = word(rng)
    ask = say(rng, ("Reverse {w}.", "Write {w} backwards.", "Spell {w} backwards.", "What is {w} backwards?", "reverse the letters of {w}"), w=quoted(rng, w))
    return Turn(ask, dashed(w) + "\n" + dashed(w[::-1]), dashed(w[::-1]), ("exact",), "w" + w)


def upper(rng):
    w = word(rng)
    if rng.random() < 0.7:
        ask = say(rng, ("Write {w} in capital letters.", "Write {w} in upper case.", "uppercase {w}", "Make {w} uppercase.", "{w} in capitals"), keep=True, w=quoted(rng, w))
        return Turn(ask, dashed(w) + "\n" + dashed(w.upper()), w.upper(), ("exact",), "w" + w)
    ask = say(rng, ("Write {w} in small letters.", "Write {w} in lower case.", "lowercase {w}", "Make {w} lowercase."), keep=True, w=quoted(rng, w.upper()))
    return Turn(ask, dashed(w.upper()) + "\n" + dashed(w), w, ("exact",), "w" + w)


def opposite(rng):
    x, y = rng.choice(facts.OPPOSITES)
    if rng.random() < 0.5 and [p for p, _ in facts.OPPOSITES].count(y) == 0 and [q for _, q in facts.OPPOSITES].count(y) == 1:
        x, y = y, x
    ask = say(rng, ("What is the opposite of {w}?", "opposite of {w}", "What's the opposite of {w}?", "Give me the opposite of {w}.", "Tell me the opposite of {w}.",
                    "Which word is the opposite of {w}?", "{w} - opposite?", "What is the contrary of {w}?", "antonym of {w}"), w=quoted(rng, x))
    return Turn(ask, f"The user wants the opposite of {x}. It is {y}.", f"The opposite of {x} is {y}.", ("exact",), None)


def plural(rng):
    if rng.random() < 0.55:
        x, y = rng.choice(facts.IRREGULAR_PLURALS)
    else:
        x = rng.choice(REGULAR)
        y = x + ("es" if x.endswith(("s", "x", "sh", "ch")) else "s")
    ask = say(rng, ("What is the plural of {w}?", "plural of {w}", "One {w}, two ...?", "What's the plural of {w}?", "How do you write the plural of {w}?",
                    "one {w}, many what?"), w=x)
    return Turn(ask, f"One {x}, many {y}.", f"The plural of {x} is {y}.", ("exact",), None)


COUNT_NOUNS = "apple dog cat car tree house flower river teacher friend song game day week month year letter number".split()
REGULAR = [w for w in facts.THINGS + COUNT_NOUNS if w not in {row[0] for row in facts.IRREGULAR_PLURALS}]


def past(rng):
    x, y = rng.choice(facts.PAST)
    ask = say(rng, ("What is the past tense of {w}?", "past tense of {w}", "What is the past of {w}?", "Today I {w}, yesterday I ...?", "Put {w} in the past tense."), w=x)
    return Turn(ask, f"Today {x}, yesterday {y}.", f"The past tense of {x} is {y}.", ("exact",), None)


def rhyme(rng):
    x, y = rng.choice(facts.RHYMES)
    ask = say(rng, ("What rhymes with {w}?", "Give me a rhyme for {w}.", "Which word rhymes with {w}?", "Find a word that rhymes with {w}.", "rhyme for {w}"), w=quoted(rng, x))
    return Turn(ask, f"{x} and {y} sound alike.", f"{capital(y)} rhymes with {x}.", ("exact",), None)


def translate(rng):
    row = rng.choice(facts.TRANSLATIONS)
    i = rng.randrange(4)
    language, target = facts.LANGUAGES[i], row[i + 1]
    if rng.random() < 0.75:
        ask = say(rng, ("How do you say {w} in {l}?", "What is {w} in {l}?", "Translate {w} into {l}.", "{w} in {l}", "Say {w} in {l}.", "What is the {l} word for {w}?",
                        "Translate {w} to {l}."), w=quoted(rng, row[0]), l=language)
        return Turn(ask, f"The {language} for {row[0]} is {target}.", f"{capital(row[0])} in {language} is {target}.", ("exact",), None)
    source = [r[0] for r in facts.TRANSLATIONS if r[i + 1] == target]
    ask = say(rng, ("What does {w} mean in English?", "What does the {l} word {w} mean?", "Translate {w} from {l}.", "What is {w} in English?"), w=target, l=language)
    if len(source) > 1 or sum(target in r[1:] for r in facts.TRANSLATIONS) > 1:
        return translate(rng)
    return Turn(ask, f"{target} means {row[0]}.", f"{capital(target)} means {row[0]} in English.", ("exact",), None)


def article(rng):
    w = rng.choice(facts.THINGS + facts.FOODS + [r[0] for r in facts.ANIMALS])
    ask = say(rng, ("Is it a or an {w}?", "a or an before {w}?", "Do I say a {w} or an {w}?"), w=w)
    return Turn(ask, f"The word {w} starts with {w[0]}.", f"It is {a(w)}.", ("exact",), None)


def alphabet(rng):
    i = rng.randrange(26)
    c = chr(97 + i)
    kind = rng.randrange(3)
    if kind == 0 and i < 25:
        ask = say(rng, ("Which letter comes after {c}?", "What comes after the letter {c}?", "next letter after {c}"), c=c.upper())
        return Turn(ask, f"{c} and then {chr(98 + i)}.", f"After {c.upper()} comes {chr(66 + i)}.", ("exact",), None)
    if kind == 1 and i > 0:
        ask = say(rng, ("Which letter comes before {c}?", "What comes before the letter {c}?", "letter before {c}"), c=c.upper())
        return Turn(ask, f"{chr(96 + i)} and then {c}.", f"Before {c.upper()} comes {chr(64 + i)}.", ("exact",), None)
    vowel = c in "aeiou"
    ask = say(rng, ("Is {c} a vowel?", "Is {c} a vowel or a consonant?", "Is the letter {c} a consonant?"), c=c)
    return Turn(ask, "The vowels are a, e, i, o and u.", f"{c} is a {'vowel' if vowel else 'consonant'}.", ("exact",), None)
