# SPDX-License-Identifier: Apache-2.0
"""JSON on request: objects from key-value lists, from sentences, from facts, and arrays."""
import json

from . import facts, knowledge, maths
from .phrase import Turn, say, listed
from .context import someone
from .talk import nonsense

KEYS = "name age city colour size price count title animal food day month country number place friend job hobby weight height".split()
JOBS = "teacher doctor baker farmer pilot painter cook gardener dentist carpenter musician nurse sailor".split()


def dump(value):
    return json.dumps(value, ensure_ascii=False)


def value_for(rng, key):
    if key in ("age", "size", "price", "count", "number", "weight", "height"):
        return rng.randrange(1, 200)
    pool = {"name": None, "friend": None, "city": facts.CITIES, "place": facts.PLACES, "colour": facts.PLAIN_COLOURS, "animal": [r[0] for r in facts.ANIMALS],
            "food": facts.FOODS, "day": facts.DAYS, "month": facts.MONTHS, "country": [r[0] for r in facts.COUNTRIES if " " not in r[0]], "job": JOBS}.get(key, facts.THINGS)
    return someone(rng) if pool is None else rng.choice(pool)


def wanted(value, think):
    return think, dump(value), ("json", value)


def from_pairs(rng):
    keys = rng.sample(KEYS, rng.randrange(1, 5))
    if rng.random() < 0.2:
        keys[-1] = nonsense(rng, 1)
    value = {k: value_for(rng, k) for k in keys}
    glue = rng.choice(("{k} {v}", "{k} is {v}", "{k}: {v}", "{k} = {v}", "the {k} {v}"))
    pairs = [glue.replace("{k}", k).replace("{v}", str(v)) for k, v in value.items()]
    text = rng.choice((listed(pairs), ", ".join(pairs)))
    ask = say(rng, ("Give me a JSON object with {t}.", "Write JSON with {t}.", "Make a JSON object: {t}", "JSON: {t}", "Convert to JSON: {t}", "Turn this into JSON: {t}",
                    "Return a JSON object with {t}.", "As JSON, please: {t}", "Please write {t} as JSON.", "json with {t}"), keep=True, t=text)
    think, answer, check = wanted(value, "The keys are " + listed(keys) + ".")
    return Turn(ask, think, answer, check, None)


def from_sentence(rng):
    name, age, city, job = someone(rng), rng.randrange(2, 99), rng.choice(facts.CITIES), rng.choice(JOBS)
    colour, thing = rng.choice(facts.PLAIN_COLOURS), rng.choice(facts.THINGS)
    count, food = rng.randrange(2, 50), rng.choice(facts.FOODS)
    text, value = rng.choice((
        (f"{name} is {age} years old and lives in {city}.", {"name": name, "age": age, "city": city}),
        (f"{name} from {city} is {age} years old.", {"name": name, "age": age, "city": city}),
        (f"{name} is a {job} in {city}.", {"name": name, "job": job, "city": city}),
        (f"{name} works as a {job} and is {age}.", {"name": name, "job": job, "age": age}),
        (f"The {thing} is {colour} and costs {count} euros.", {"thing": thing, "colour": colour, "price": count}),
        (f"A {colour} {thing} costs {count} euros.", {"thing": thing, "colour": colour, "price": count}),
        (f"{name} buys {count} portions of {food}.", {"name": name, "food": food, "count": count}),
    ))
    keys = list(value)
    if rng.random() < 0.3:
        keys = rng.sample(keys, rng.randrange(1, 4))
        value = {k: value[k] for k in keys}
    ask = say(rng, ("Extract {k} as JSON: {t}", "Read this and return JSON with the keys {k}: {t}", "{t} Give me {k} as JSON.", "From this text, make JSON with {k}: {t}",
                    "Extract JSON ({k}) from: {t}"), keep=True, k=listed(keys), t=text)
    think, answer, check = wanted(value, "The text gives " + listed(keys) + ".")
    return Turn(ask, think, answer, check, None)


def from_fact(rng):
    kind = rng.randrange(4)
    if kind == 0:
        country, city = rng.choice(facts.COUNTRIES)[:2]
        ask = say(rng, ("What is the capital of {c}? Answer as JSON.", "Give me the capital of {c} as JSON.", "Return JSON with the country {c} and its capital.",
                        "JSON with country and capital of {c}", "Reply in JSON: capital of {c}"), c=country)
        name = country.removeprefix("the ")
        return Turn(ask, *wanted({"country": name, "capital": city}, f"The capital of {country} is {city}."), None)
    if kind == 1:
        a, b = maths.number(rng), maths.number(rng)
        ask = say(rng, ("What is {a} + {b}? Answer as JSON.", "Add {a} and {b} and reply in JSON.", "Return {a} + {b} as JSON.", "{a} + {b} as JSON"), a=a, b=b)
        think, answer, check = wanted({"result": a + b}, maths.add_steps(a, b))
        return Turn(ask, think, answer, check, f"+{a},{b}")
    if kind == 2:
        n = rng.randrange(200)
        ask = say(rng, ("Is {n} even? Answer as JSON.", "Return JSON: is {n} even?", "Is {n} an even number? Reply in JSON."), n=n)
        return Turn(ask, *wanted({"number": n, "even": n % 2 == 0}, f"The last digit of {n} is {n % 10}."), None)
    row = rng.choice(facts.ANIMALS)
    ask = say(rng, ("Describe a {x} as JSON.", "Give me JSON about the {x}.", "JSON about a {x}, please.", "Return the legs and the class of a {x} as JSON."), x=row[0])
    return Turn(ask, *wanted({"animal": row[0], "class": row[1], "legs": int(row[4])}, f"A {row[0]} is a {row[1]} with {row[4]} legs."), None)


def array(rng):
    kind = rng.choice(sorted(knowledge.LISTS))
    n = rng.randrange(2, 7)
    if rng.random() < 0.5:
        ask = say(rng, ("List {n} {k} as a JSON array.", "Give me a JSON array of {n} {k}.", "JSON array with {n} {k}", "Return {n} {k} as JSON.", "Name {n} {k} as a JSON list."),
                  n=rng.choice((n, ("two", "three", "four", "five", "six")[n - 2])), k=kind)
        return Turn(ask, *wanted(knowledge.LISTS[kind][:n], f"I list {n} {kind}."), None)
    items = rng.sample(facts.THINGS + facts.FOODS, n) if rng.random() < 0.6 else [rng.randrange(100) for _ in range(n)]
    ask = say(rng, ("Make a JSON array of {t}.", "Turn this list into JSON: {t}", "Write {t} as a JSON array.", "JSON array: {t}"), t=", ".join(map(str, items)))
    return Turn(ask, *wanted(items, f"The list has {n} items."), None)


def nested(rng):
    name, age = someone(rng), rng.randrange(2, 99)
    pets = rng.sample("cat dog rabbit mouse parrot horse duck turtle".split(), rng.randrange(1, 4))
    ask = say(rng, ("{n} is {a} and has these pets: {p}. Write that as JSON.", "JSON for {n}, age {a}, pets: {p}", "Make JSON: name {n}, age {a}, pets {p}"), keep=True,
              n=name, a=age, p=", ".join(pets))
    return Turn(ask, *wanted({"name": name, "age": age, "pets": pets}, "The pets are a list."), None)


TASKS = (from_pairs, from_pairs, from_sentence, from_sentence, from_fact, array, nested)


def any_json(rng):
    return rng.choice(TASKS)(rng)
