# SPDX-License-Identifier: Apache-2.0
"""Taught facts: countries, animals, colours, the calendar, and everyday questions."""
from . import facts
from .phrase import Turn, say, a, capital, listed


def country_name(rng, country):
    names = facts.ALIASES.get(country, ())
    return rng.choice(names) if names and rng.random() < 0.3 else country


def capital_of(rng):
    country, city = rng.choice(facts.COUNTRIES)[:2]
    ask = say(rng, ("What is the capital of {c}?", "What is the capital of {c}?", "capital of {c}", "Which city is the capital of {c}?", "What is {c}'s capital?",
                    "Tell me the capital of {c}.", "Name the capital of {c}.", "the capital of {c}?", "Do you know the capital of {c}?", "What is the capital city of {c}?",
                    "Can you tell me the capital of {c}?", "{c} capital", "capital city of {c}", "I need the capital of {c}.", "What's the capital of {c}?",
                    "Give me the capital of {c}.", "{c}: capital?", "What city is the capital of {c}?"), c=country_name(rng, country))
    return Turn(ask, f"The user asks for the capital of {country}. It is {city}.", f"The capital of {country} is {city}.", ("has", city), None)


def country_of(rng):
    country, city = rng.choice(facts.COUNTRIES)[:2]
    kind = rng.randrange(3)
    if kind == 0:
        ask = say(rng, ("{x} is the capital of which country?", "Which country has the capital {x}?", "What country is {x} the capital of?"), x=city)
        return Turn(ask, f"{city} is the capital of {country}.", f"{city} is the capital of {country}.", ("has", country), None)
    if kind == 1:
        ask = say(rng, ("In which country is {x}?", "Where is {x}?", "Which country is {x} in?", "What country does {x} belong to?", "Where can I find {x}?"), x=city)
        return Turn(ask, f"{city} is the capital of {country}.", f"{city} is in {country}.", ("has", country), None)
    other = rng.choice(facts.COUNTRIES)[1] if rng.random() < 0.5 else city
    ask = say(rng, ("Is {x} the capital of {c}?", "{x} is the capital of {c}, right?", "Is {x} {c}'s capital?"), x=other, c=country)
    answer = ("Yes" if other == city else "No") + f", the capital of {country} is {city}."
    return Turn(ask, f"The capital of {country} is {city}.", answer, ("exact",), None)


def about_country(rng):
    country, _, continent, language, _ = rng.choice(facts.COUNTRIES)
    if rng.random() < 0.5:
        ask = say(rng, ("On which continent is {c}?", "What continent is {c} in?", "Which continent is {c} on?", "continent of {c}"), c=country_name(rng, country))
        return Turn(ask, f"{capital(country)} is in {continent}.", f"{capital(country)} is in {continent}.", ("has", continent), None)
    ask = say(rng, ("What language do people speak in {c}?", "Which language is spoken in {c}?", "language of {c}", "What do people speak in {c}?"), c=country_name(rng, country))
    return Turn(ask, f"People in {country} speak {language}.", f"People in {country} speak {language}.", ("has", language), None)


def animal_sound(rng):
    name, _, sound = rng.choice(facts.ANIMALS)[:3]
    ask = say(rng, ("What sound does {x} make?", "What noise does {x} make?", "What does {x} say?", "sound of {x}", "Which sound does {x} make?"), x=a(name))
    return Turn(ask, f"{capital(a(name))} {sound}.", f"{capital(a(name))} {sound}.", ("exact",), None)


def animal_fact(rng):
    name, group, _, baby, legs, home, food = rng.choice(facts.ANIMALS)
    x, cap = a(name), capital(a(name))
    kind = rng.randrange(6)
    if kind == 0:
        ask = say(rng, ("What is a baby {n} called?", "What do you call a young {n}?", "baby {n}", "What is a young {n} called?", "name for a baby {n}"), n=name)
        answer = f"A baby {name} is called {a(baby)}."
    elif kind == 1:
        ask = say(rng, ("How many legs does {x} have?", "How many legs has {x}?", "legs of {x}?", "Number of legs of {x}"), x=x)
        answer = f"{cap} has {legs} legs."
    elif kind == 2:
        ask = say(rng, ("Where does {x} live?", "Where can you find {x}?", "What is the home of {x}?"), x=x)
        answer = f"{cap} lives {home}."
    elif kind == 3:
        ask = say(rng, ("What does {x} eat?", "What is the food of {x}?", "what food does {x} like?"), x=x)
        answer = f"{cap} eats {food}."
    elif kind == 4:
        ask = say(rng, ("What kind of animal is {x}?", "What type of animal is {x}?", "Is {x} a mammal?", "Is {x} a bird?", "Is {x} a fish?", "Is {x} an insect?"), x=x)
        answer = f"{cap} is {a(group)}."
    else:
        ask = say(rng, ("Can {x} fly?", "Is {x} able to fly?", "does {x} fly?"), x=x)
        answer = f"Yes, {x} can fly." if name in facts.FLYERS else f"No, {x} cannot fly."
    return Turn(ask, f"The user asks about {x}.", answer, ("exact",), None)


def colour_of(rng):
    thing, colour = rng.choice(facts.COLOURS)
    verb = "is"
    ask = say(rng, ("What colour is {x}?", "What color is {x}?", "Which colour is {x}?", "colour of {x}", "What is the colour of {x}?", "What is the color of {x}?",
                    "Tell me the colour of {x}.", "color of {x}?", "{x} - what colour?"), x=thing)
    return Turn(ask, f"{capital(thing)} {verb} {colour}.", f"{capital(thing)} {verb} {colour}.", ("exact",), None)


def mixing(rng):
    x, y, z = rng.choice(facts.MIXES)
    if rng.random() < 0.5:
        x, y = y, x
    ask = say(rng, ("What do you get when you mix {x} and {y}?", "Mix {x} and {y}.", "What colour is {x} plus {y}?", "{x} and {y} make what colour?", "Which colour do {x} and {y} make?",
                    "What happens if I mix {x} with {y}?", "{x} + {y} = ? colour"), x=x, y=y)
    return Turn(ask, f"{capital(x)} and {y} mix to {z}.", f"{capital(x)} and {y} make {z}.", ("exact",), None)


def colour_list(rng):
    kind = rng.randrange(3)
    if kind == 0:
        ask = say(rng, ("What are the colours of the rainbow?", "Name the colours of the rainbow.", "rainbow colours", "List the rainbow colors.", "Which colours does a rainbow have?"))
        return Turn(ask, "The user asks for the seven colours of the rainbow.", f"The colours of the rainbow are {listed(facts.RAINBOW)}.", ("exact",), None)
    if kind == 1:
        ask = say(rng, ("What are the primary colours?", "Name the primary colors.", "primary colours", "Which colours are primary?"))
        return Turn(ask, "The primary colours of paint are red, yellow and blue.", "The primary colours are red, yellow and blue.", ("exact",), None)
    n = rng.randrange(2, 7)
    ask = say(rng, ("Name {n} colours.", "Tell me {n} colors.", "List {n} colours.", "Give me {n} colours."), n=n)
    return Turn(ask, f"I name {n} colours.", listed(facts.PLAIN_COLOURS[:n]).capitalize() + ".", ("exact",), None)


LISTS = {"animals": "cat dog cow horse sheep lion bear fox".split(), "fruits": "apple banana cherry pear plum grape orange".split(),
         "vegetables": "carrot potato onion bean cucumber spinach tomato".split(), "countries": "France Germany Italy Spain Japan Brazil Canada".split(),
         "birds": "duck owl eagle crow swan goose parrot".split(), "planets": "Mercury Venus Earth Mars Jupiter Saturn Uranus".split(),
         "days": facts.DAYS, "months": facts.MONTHS[:7], "shapes": "circle square triangle rectangle star hexagon oval".split(),
         "cities": "Paris London Berlin Rome Madrid Tokyo Cairo".split(), "things in a kitchen": "spoon plate cup pot knife bowl fork".split(),
         "sports": "football tennis swimming running rowing cycling skiing".split()}


def name_some(rng):
    kind = rng.choice(sorted(LISTS))
    n = rng.randrange(2, 7)
    ask = say(rng, ("Name {n} {k}.", "Tell me {n} {k}.", "List {n} {k}.", "Give me {n} {k}.", "Can you name {n} {k}?", "{n} {k}", "Write down {n} {k}."),
              n=rng.choice((n, ("two", "three", "four", "five", "six")[n - 2])), k=kind)
    return Turn(ask, f"I name {n} {kind}.", capital(listed(LISTS[kind][:n])) + ".", ("exact",), None)


def day_question(rng):
    i = rng.randrange(7)
    day = facts.DAYS[i]
    kind = rng.randrange(6)
    if kind == 0:
        ask = say(rng, ("What day comes after {d}?", "Which day is after {d}?", "day after {d}", "What is the day after {d}?", "{d} and then?", "If today is {d}, what is tomorrow?",
                        "Today is {d}. What day is tomorrow?"), d=day)
        answer = f"The day after {day} is {facts.DAYS[(i + 1) % 7]}."
    elif kind == 1:
        ask = say(rng, ("What day comes before {d}?", "Which day is before {d}?", "day before {d}", "What is the day before {d}?", "If today is {d}, what was yesterday?",
                        "Today is {d}. What day was yesterday?"), d=day)
        answer = f"The day before {day} is {facts.DAYS[(i + 6) % 7]}."
    elif kind == 2:
        n = rng.randrange(2, 11)
        ask = say(rng, ("What day is {n} days after {d}?", "Today is {d}. What day is it in {n} days?", "If today is {d}, which day is it in {n} days?"), d=day, n=n)
        steps = " ".join(facts.DAYS[(i + k) % 7] for k in range(1, n + 1))
        return Turn(ask, f"{day}, then {steps}.", f"{n} days after {day} is {facts.DAYS[(i + n) % 7]}.", ("exact",), None)
    elif kind == 3:
        ask = say(rng, ("What are the days of the week?", "Name the days of the week.", "List the days of the week.", "days of the week", "Say the weekdays."))
        answer = f"The days of the week are {listed(facts.DAYS)}."
    elif kind == 4:
        ask = say(rng, ("Which day is number {n} of the week?", "What is day number {n} of the week?"), n=i + 1)
        answer = f"Day number {i + 1} of the week is {day}."
    else:
        ask = say(rng, ("Is {d} a weekend day?", "Is {d} on the weekend?", "Is {d} a working day?"), d=day)
        answer = f"{day} is a weekend day." if i > 4 else f"{day} is a working day."
    return Turn(ask, "The week goes Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday.", answer, ("exact",), None)


def month_question(rng):
    i = rng.randrange(12)
    month = facts.MONTHS[i]
    kind = rng.randrange(7)
    think = f"{month} is month number {i + 1}."
    if kind == 0:
        ask = say(rng, ("Which month comes after {m}?", "What month is after {m}?", "month after {m}", "What is the month after {m}?", "{m} and then?"), m=month)
        answer = f"The month after {month} is {facts.MONTHS[(i + 1) % 12]}."
    elif kind == 1:
        ask = say(rng, ("Which month comes before {m}?", "What month is before {m}?", "month before {m}", "What is the month before {m}?"), m=month)
        answer = f"The month before {month} is {facts.MONTHS[(i + 11) % 12]}."
    elif kind == 2:
        ask = say(rng, ("How many days does {m} have?", "How many days are in {m}?", "days in {m}", "How long is {m}?"), m=month)
        answer = f"{month} has {facts.MONTH_DAYS[i]} days" + (", or 29 in a leap year." if i == 1 else ".")
    elif kind == 3:
        ask = say(rng, ("Which month is number {n}?", "What is month number {n}?", "What is the {n}. month?", "month {n}"), n=i + 1)
        answer = f"Month number {i + 1} is {month}."
    elif kind == 4:
        ask = say(rng, ("What number is {m}?", "Which number does the month {m} have?", "{m} is which month of the year?"), m=month)
        answer = f"{month} is month number {i + 1}."
    elif kind == 5:
        ask = say(rng, ("Which season is {m} in?", "In what season is {m}?", "Is {m} in summer or in winter?", "season of {m}"), m=month)
        answer = f"{month} is in {facts.SEASONS[i]}."
    else:
        ask = say(rng, ("What are the months of the year?", "Name the months.", "List the twelve months.", "months of the year", "Say all months."))
        answer = f"The months are {listed(facts.MONTHS)}."
        think = "I list the twelve months."
    return Turn(ask, think, answer, ("exact",), None)


def general(rng):
    wordings, answer, word = rng.choice(facts.GENERAL)
    return Turn(say(rng, wordings.split("/")), "I know this one.", answer, ("has", word), None)


def define(rng):
    """what a thing of everyday life is for"""
    thing, use = rng.choice(USES)
    ask = say(rng, ("What is {x} for?", "What do you do with {x}?", "What is the use of {x}?", "What can I do with {x}?", "why do people use {x}?"), x=a(thing))
    return Turn(ask, f"{capital(a(thing))} is for {use}.", f"You use {a(thing)} for {use}.", ("exact",), None)


USES = facts.table("""
spoon|eating soup
knife|cutting bread
cup|drinking tea
pen|writing letters
key|opening doors
lamp|lighting a room
clock|telling the time
broom|sweeping the floor
umbrella|staying dry in the rain
hammer|hitting nails
needle|sewing clothes
ladder|climbing up high
basket|carrying things
kettle|boiling water
towel|drying your hands
comb|combing your hair
bed|sleeping
chair|sitting
bicycle|riding through the city
boat|crossing the water
telescope|looking at the stars
camera|taking pictures
telephone|talking to people far away
fridge|keeping food cold
oven|baking bread
""")
