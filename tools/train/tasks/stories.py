# SPDX-License-Identifier: Apache-2.0
"""Short stories, poems and descriptions, grown from a small grammar."""
from . import facts
from .phrase import Turn, say, a, capital

HEROES = """cat dog mouse fox bear owl frog rabbit duck horse hedgehog turtle elephant penguin lion squirrel bee goose donkey dragon robot
wizard pirate princess king girl boy farmer baker fisherman knight sailor gardener snail whale""".split()
TRAITS = "little brave clever lonely hungry curious kind old young shy cheerful sleepy proud".split()
WANTS = (
    ("find a friend", "nobody was there to play with", "asked a shy {o} to play", "they played together until the sun went down"),
    ("see the sea", "the way was long and steep", "followed the river step by step", "the blue sea lay in front of them"),
    ("find the lost {t}", "it was too dark to see anything", "borrowed a lamp from {ao}", "there was the {t}, under an old tree"),
    ("bake a big cake", "there was no honey left", "asked {ao} for a little honey", "the cake was sweet and big enough for everyone"),
    ("fly to the moon", "it was much too high", "built a kite together with {ao}", "the kite danced high up near the moon"),
    ("grow the tallest flower", "it did not rain for many days", "carried water from the {p} every morning", "the flower was taller than the house"),
    ("cross the river", "the water was cold and wide", "built a small boat with {ao}", "they reached the other side dry and happy"),
    ("learn to sing", "every song sounded wrong", "practised each night with {ao}", "even the stars seemed to listen"),
    ("build a house", "the wind blew it down", "used stones instead of leaves, as {ao} had told", "the house stood strong in every storm"),
    ("sleep late", "a loud noise came from the {p}", "went out and found a crying {o}", "they both fell asleep under a warm blanket"),
    ("win the great race", "the others were so much faster", "kept going without a rest and helped {ao} on the way", "everyone cheered for a kind heart"),
    ("give a present to {ao}", "there was no money to buy one", "made a {t} with much care", "it was the best present of all"),
)
OPENINGS = ("Once upon a time there was {ah}.", "Long ago there lived {ah}.", "There once was {ah}.", "In a {p} far away lived {ah}.")
MORALS = ("From that day on they were best friends.", "And the {h} never gave up again.", "That night the {h} slept very well.", "And they all lived happily ever after.",
          "And the {h} smiled for the rest of the day.")
LOOKS = ("The sun was shining.", "It was a cold winter day.", "The birds were singing.", "Soft rain was falling.", "The leaves were red and gold.", "The wind was warm.")


def tell(rng, hero, name, place=None):
    """five to eight sentences"""
    other = rng.choice([h for h in HEROES if h != hero])
    want, trouble, deed, end = rng.choice(WANTS)
    trait = rng.choice(TRAITS)
    place = place or rng.choice(facts.PLACES)
    slots = {"h": hero, "ah": a(trait + " " + hero) + (f" called {name}" if name else ""), "o": other, "ao": a(other), "t": rng.choice(facts.THINGS), "p": place}
    who = name or "the " + hero
    lines = [rng.choice(OPENINGS)]
    if name and rng.random() < 0.5:
        lines.append(f"{name} lived near a {place}.")
    if rng.random() < 0.5:
        lines.append(rng.choice(LOOKS))
    lines.append(f"One day {who} wanted to {want}.")
    lines.append(f"But {trouble}.")
    lines.append(f"So {who} {deed}.")
    lines.append(f"In the end {end}.")
    lines.append(rng.choice(MORALS))
    text = " ".join(lines)
    for key, value in slots.items():
        text = text.replace("{" + key + "}", value)
    return text


def story(rng):
    hero = rng.choice(HEROES)
    named = rng.random() < 0.4
    name = rng.choice(facts.NAMES) if named else None
    place = rng.choice(facts.PLACES) if rng.random() < 0.2 else None
    if rng.random() < 0.15:
        ask = say(rng, ("Tell me a story.", "tell a story", "Can you tell me a story?", "I want to hear a story.", "Write a short story.", "story please", "Tell me a short story."))
        return Turn(ask, f"The user wants a story. I tell one about {a(hero)}.", tell(rng, hero, name), ("story", ""), None)
    about = a(hero) + (f" called {name}" if name else "") + (f" in a {place}" if place else "")
    ask = say(rng, ("Tell me a story about {x}.", "Write a story about {x}.", "Tell a short story about {x}.", "story about {x}", "Can you tell me a story about {x}?",
                    "I would like a story about {x}.", "Please write a short story about {x}.", "Make up a story about {x}."), x=about)
    return Turn(ask, f"The user wants a story about {about}.", tell(rng, hero, name, place), ("story", name or hero), None)


POEMS = ("Roses are red,\nviolets are blue,\nthe {x} is happy,\nand so are you.",
         "Little {x}, little {x},\nwhere do you go?\nOver the hill\nand through the snow.",
         "The {x} looked up at the moon so bright,\nand wished the whole wide world good night.")


def poem(rng):
    hero = rng.choice(HEROES)
    ask = say(rng, ("Write a poem about {x}.", "Tell me a poem about {x}.", "poem about {x}", "Can you write a short poem about {x}?", "Write a rhyme about {x}."), x=a(hero))
    return Turn(ask, f"The user wants a poem about {a(hero)}.", rng.choice(POEMS).replace("{x}", hero), ("story", hero), None)


def sentence(rng):
    """one sentence with a given word"""
    word = rng.choice(facts.THINGS + HEROES[:12])
    name, place, colour = rng.choice(facts.NAMES), rng.choice(facts.PLACES), rng.choice(facts.PLAIN_COLOURS)
    ask = say(rng, ("Write a sentence with the word {w}.", "Make a sentence with {w}.", "Use {w} in a sentence.", "Give me a sentence with {w}.", "sentence with {w}"), w=word)
    text = rng.choice(("{n} saw {a} {c} {w} in the {p}.", "There is {a} {c} {w} in the {p}.", "{n} likes the {c} {w}.")).replace("{a}", "an" if colour == "orange" else "a")
    for key, value in (("{n}", name), ("{c}", colour), ("{w}", word), ("{p}", place)):
        text = text.replace(key, value)
    return Turn(ask, f"I write a sentence with {word}.", text, ("story", word), None)
