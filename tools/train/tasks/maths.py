# SPDX-License-Identifier: Apache-2.0
"""Arithmetic and numbers. Digits are single tokens; with thinking, sums are worked out column by column."""
from . import facts
from .phrase import Turn, say, listed

PLUS = ("What is {a} + {b}?", "What is {a} plus {b}?", "{a} + {b}", "{a}+{b}", "{a} + {b} = ?", "{a}+{b}=", "How much is {a} + {b}?",
        "Add {a} and {b}.", "Compute {a} + {b}.", "Calculate {a} plus {b}.", "What is the sum of {a} and {b}?", "{a} plus {b}",
        "Can you add {a} and {b}?", "what do you get when you add {a} to {b}?", "Solve {a} + {b}.", "How much is {a} plus {b}?",
        "What is {a}+{b}?", "sum of {a} and {b}", "add {a} to {b}")
MINUS = ("What is {a} - {b}?", "What is {a} minus {b}?", "{a} - {b}", "{a}-{b}", "{a} - {b} = ?", "{a}-{b}=", "How much is {a} - {b}?",
         "Subtract {b} from {a}.", "Compute {a} - {b}.", "Calculate {a} minus {b}.", "Take {b} away from {a}.", "{a} minus {b}",
         "What is the difference between {a} and {b}?", "Solve {a} - {b}.", "How much is {a} minus {b}?", "What is {a}-{b}?",
         "{a} take away {b}")
TIMES = ("What is {a} * {b}?", "What is {a} times {b}?", "{a} * {b}", "{a}*{b}", "{a} x {b}", "{a} × {b}", "How much is {a} times {b}?",
         "Multiply {a} by {b}.", "Compute {a} * {b}.", "Calculate {a} times {b}.", "What is the product of {a} and {b}?", "{a} times {b}",
         "Multiply {a} and {b}.", "what is {a}x{b}?", "{a} * {b} = ?", "{a}*{b}=", "Solve {a} * {b}.")
DIVIDED = ("What is {a} / {b}?", "What is {a} divided by {b}?", "{a} / {b}", "{a}/{b}", "{a} : {b}", "{a} ÷ {b}", "Divide {a} by {b}.",
           "Compute {a} / {b}.", "Calculate {a} divided by {b}.", "How much is {a} divided by {b}?", "{a} divided by {b}", "{a} / {b} = ?",
           "How many times does {b} go into {a}?")

SIZES = (10, 10, 100, 100, 100, 100, 100, 1000, 1000)


def number(rng):
    return rng.randrange(rng.choice(SIZES))


def digits(n):
    """least significant first"""
    return [int(c) for c in reversed(str(n))]


def add_steps(a, b):
    """one line per column, from the right"""
    x, y, carry, lines = digits(a), digits(b), 0, []
    for i in range(max(len(x), len(y))):
        p, q = x[i] if i < len(x) else 0, y[i] if i < len(y) else 0
        total = p + q + carry
        lines.append(f"{p} + {q}" + (f" + {carry}" if carry else "") + f" = {total}")
        lines[-1] += f", write {total % 10}" + (" carry 1" if total > 9 else "")
        carry = total // 10
    if carry:
        lines.append("write 1")
    return f"{a} + {b}\n" + "\n".join(lines) + f"\n{a} + {b} = {a + b}"


def subtract_steps(a, b):
    """a >= b; one line per column, from the right"""
    x, y, borrow, lines = digits(a), digits(b), 0, []
    for i, p in enumerate(x):
        q = y[i] if i < len(y) else 0
        rest = p - q - borrow
        lines.append((f"1{p}" if rest < 0 else f"{p}") + f" - {q}" + (f" - {borrow}" if borrow else ""))
        borrow = 1 if rest < 0 else 0
        rest += 10 * borrow
        lines[-1] += f" = {rest}" + (" borrow 1" if borrow else "")
    return f"{a} - {b}\n" + "\n".join(lines) + f"\n{a} - {b} = {a - b}"


def times_steps(a, b):
    """the larger number is split into tens and ones"""
    big, small = (a, b) if a >= b else (b, a)
    if big <= 12 or small < 2:
        return f"{a} * {b} = {a * b}"
    parts = [int(c) * 10 ** i for i, c in enumerate(reversed(str(big)))][::-1]
    parts = [p for p in parts if p]
    if len(parts) == 1 or small > 9:
        return f"{a} * {b} = {a * b}"
    lines = [f"{p} * {small} = {p * small}" for p in parts]
    total = parts[0] * small
    for p in parts[1:]:
        lines.append(f"{total} + {p * small} = {total + p * small}")
        total += p * small
    return "\n".join(lines)


def plus(rng):
    a, b = number(rng), number(rng)
    return Turn(say(rng, PLUS, a=a, b=b), add_steps(a, b), f"{a} + {b} = {a + b}", ("exact",), f"+{a},{b}")


def minus(rng):
    a, b = number(rng), number(rng)
    if a < b and rng.random() < 0.9:
        a, b = b, a
    if a >= b:
        think = subtract_steps(a, b)
    else:
        think = f"{a} is less than {b}, so the result is negative.\n" + subtract_steps(b, a) + f"\n{a} - {b} = {a - b}"
    return Turn(say(rng, MINUS, a=a, b=b), think, f"{a} - {b} = {a - b}", ("exact",), f"-{a},{b}")


def times(rng):
    if rng.random() < 0.65:
        a, b = rng.randrange(13), rng.randrange(13)
        key = None                     # the table is small: all of it is taught, only wordings are held out
    else:
        a, b = rng.randrange(10, 100), rng.randrange(2, 10)
        key = f"*{a},{b}"
        if rng.random() < 0.3:
            a, b = b, a
    return Turn(say(rng, TIMES, a=a, b=b), times_steps(a, b), f"{a} * {b} = {a * b}", ("exact",), key)


def divided(rng):
    b, q = rng.randrange(1, 13), rng.randrange(0, 13)
    r = rng.randrange(b) if b > 1 and rng.random() < 0.3 else 0
    a = b * q + r
    if rng.random() < 0.01:
        return Turn(say(rng, DIVIDED, a=a, b=0), "Nothing can be divided by zero.", "A number cannot be divided by zero.",
                    ("has", "cannot be divided"), None)
    answer = f"{a} / {b} = {q}" + (f", remainder {r}" if r else "")
    think = f"{b} * {q} = {b * q}" + (f"\n{a} - {b * q} = {r}" if r else "")
    return Turn(say(rng, DIVIDED, a=a, b=b), think, answer, ("exact",), None)


def three(rng):
    a, b, c = (rng.randrange(1, 30) for _ in range(3))
    ask = say(rng, ("What is {a} + {b} + {c}?", "{a} + {b} + {c}", "Add {a}, {b} and {c}.", "{a}+{b}+{c}=",
                    "What is the sum of {a}, {b} and {c}?"), a=a, b=b, c=c)
    total = a + b + c
    return Turn(ask, f"{a} + {b} = {a + b}\n{a + b} + {c} = {total}", f"{a} + {b} + {c} = {total}", ("exact",), f"+{a},{b},{c}")


def big_sum(rng):
    """beyond what was trained: says so"""
    a, b = rng.randrange(10000, 10 ** rng.randrange(6, 10)), rng.randrange(100, 10 ** rng.randrange(5, 9))
    template = rng.choice((PLUS, MINUS, TIMES, DIVIDED))
    return Turn(say(rng, template, a=a, b=b), "These numbers are too large for me.",
                "These numbers are too large for me. A calculator would help.", ("has", "too large"), None)


def twice(rng):
    a = rng.randrange(1, 100)
    kind = rng.randrange(4)
    if kind == 0:
        ask = say(rng, ("What is double {a}?", "Double {a}.", "What is twice {a}?", "twice {a}", "Double the number {a}."), a=a)
        return Turn(ask, add_steps(a, a), f"Double {a} is {2 * a}.", ("exact",), f"2*{a}")
    if kind == 1:
        ask = say(rng, ("What is half of {a}?", "Half of {a}?", "Halve {a}.", "half {a}"), a=2 * a)
        return Turn(ask, f"{a} + {a} = {2 * a}", f"Half of {2 * a} is {a}.", ("exact",), f"/{a}")
    if kind == 2:
        ask = say(rng, ("Which number comes after {a}?", "What comes after {a}?", "next number after {a}", "What number follows {a}?"), a=a)
        return Turn(ask, f"{a} + 1 = {a + 1}", f"{a + 1} comes after {a}.", ("exact",), None)
    ask = say(rng, ("Which number comes before {a}?", "What comes before {a}?", "number before {a}"), a=a)
    return Turn(ask, f"{a} - 1 = {a - 1}", f"{a - 1} comes before {a}.", ("exact",), None)


def parity(rng):
    a = rng.randrange(200)
    word = "odd" if a % 2 else "even"
    ask = say(rng, ("Is {a} even or odd?", "Is {a} an even number?", "Is {a} odd?", "{a}: even or odd?", "even or odd: {a}"), a=a)
    return Turn(ask, f"The last digit of {a} is {a % 10}, which is {word}.", f"{a} is {word}.", ("exact",), None)


def compare(rng):
    a, b = number(rng), number(rng)
    while b == a:
        b = number(rng)
    if rng.random() < 0.5:
        ask = say(rng, ("Which is bigger, {a} or {b}?", "Which number is larger: {a} or {b}?", "What is more, {a} or {b}?", "{a} or {b}, which is bigger?",
                        "Is {a} bigger than {b}?", "Is {a} more than {b}?", "bigger number: {a} or {b}"), a=a, b=b)
        big, small = max(a, b), min(a, b)
        return Turn(ask, f"{big} > {small}", f"{big} is bigger than {small}.", ("exact",), f">{a},{b}")
    ask = say(rng, ("Which is smaller, {a} or {b}?", "Which number is smaller: {a} or {b}?", "What is less, {a} or {b}?",
                    "Is {a} less than {b}?", "Is {a} smaller than {b}?"), a=a, b=b)
    big, small = max(a, b), min(a, b)
    return Turn(ask, f"{small} < {big}", f"{small} is smaller than {big}.", ("exact",), f">{a},{b}")


def ordered(rng):
    size = rng.randrange(3, 7)
    values = rng.sample(range(100), size)
    down = rng.random() < 0.25
    if rng.random() < 0.3:
        best = min(values) if down else max(values)
        word = ("smallest", "least", "lowest") if down else ("largest", "biggest", "highest")
        ask = say(rng, ("What is the {w} of these numbers: {v}?", "Which is the {w} number: {v}?", "{w} of {v}"), w=rng.choice(word),
                  v=", ".join(map(str, values)))
        return Turn(ask, "I compare the numbers: " + ", ".join(map(str, sorted(values, reverse=not down))),
                    f"The {word[0]} number is {best}.", ("exact",), f"m{sorted(values)}")
    ask = say(rng, (("Sort these numbers from large to small: {v}", "Put these numbers in descending order: {v}", "Sort {v} backwards.") if down else
                    ("Sort these numbers: {v}", "Put these numbers in order: {v}", "Sort {v}.", "Order the numbers {v}.", "sort from small to large: {v}")),
              v=", ".join(map(str, values)))
    result = ", ".join(map(str, sorted(values, reverse=down)))
    return Turn(ask, "The largest comes first." if down else "The smallest comes first.", result, ("exact",), f"s{sorted(values)}")


def count(rng):
    kind = rng.randrange(4)
    if kind == 0:
        n = rng.randrange(2, 31)
        ask = say(rng, ("Count to {n}.", "Count from 1 to {n}.", "Can you count to {n}?", "count up to {n}", "Please count to {n}."), n=n)
        values = range(1, n + 1)
    elif kind == 1:
        low = rng.randrange(0, 90)
        high = low + rng.randrange(2, 13)
        ask = say(rng, ("Count from {a} to {b}.", "Write the numbers from {a} to {b}.", "Numbers from {a} to {b}", "List the numbers {a} to {b}."), a=low, b=high)
        values = range(low, high + 1)
    elif kind == 2:
        n = rng.randrange(3, 21)
        ask = say(rng, ("Count down from {n}.", "Count backwards from {n}.", "Count backwards from {n} to 1.", "countdown from {n}"), n=n)
        values = range(n, 0, -1)
    else:
        step = rng.choice((2, 3, 5, 10))
        n = step * rng.randrange(3, 11)
        ask = say(rng, ("Count by {s}s to {n}.", "Count to {n} in steps of {s}.", "count in {s}s up to {n}"), s=step, n=n)
        values = range(step, n + 1, step)
    text = ", ".join(map(str, values))
    return Turn(ask, f"I start with {values[0]} and stop at {values[-1]}.", text, ("exact",), None)


def sequence(rng):
    step = rng.choice((1, 2, 2, 3, 4, 5, 10))
    low = rng.randrange(0, 30)
    values = [low + step * i for i in range(rng.randrange(3, 6))]
    ask = say(rng, ("What comes next: {v}?", "Continue: {v}", "Which number is next: {v}, ...?", "What is the next number: {v}?", "next: {v}, ?"),
              v=", ".join(map(str, values)))
    return Turn(ask, f"Each number is {step} more than the one before.", f"The next number is {values[-1] + step}.", ("exact",), f"n{values}")


SPELT = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
         "nineteen").split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()


def in_words(n):
    if n < 20:
        return SPELT[n]
    if n < 100:
        return TENS[n // 10] + ("-" + SPELT[n % 10] if n % 10 else "")
    rest = n % 100
    return SPELT[n // 100] + " hundred" + (" and " + in_words(rest) if rest else "")


def worded(rng):
    """numbers written as words"""
    kind = rng.randrange(3)
    if kind == 0:
        n = number(rng)
        ask = say(rng, ("Write {n} in words.", "How do you write {n} in words?", "{n} in words", "Spell the number {n}."), n=n)
        return Turn(ask, f"{n} in words.", f"{n} is {in_words(n)}.", ("exact",), None)
    if kind == 1:
        n = number(rng)
        ask = say(rng, ("Write {w} as a number.", "Which number is {w}?", "{w} in digits", "Write {w} with digits."), w=in_words(n))
        return Turn(ask, f"{in_words(n)} in digits.", f"{in_words(n)} is {n}.", ("exact",), None)
    a, b = rng.randrange(1, 40), rng.randrange(1, 40)
    if rng.random() < 0.6:
        ask = say(rng, ("What is {a} plus {b}?", "{a} plus {b}", "How much is {a} and {b}?", "Add {a} and {b}."), a=in_words(a), b=in_words(b))
        return Turn(ask, add_steps(a, b), f"{a} + {b} = {a + b}", ("exact",), f"+{a},{b}")
    a, b = max(a, b), min(a, b)
    ask = say(rng, ("What is {a} minus {b}?", "{a} minus {b}", "Take {b} from {a}."), a=in_words(a), b=in_words(b))
    return Turn(ask, subtract_steps(a, b), f"{a} - {b} = {a - b}", ("exact",), f"-{a},{b}")


def many(n, noun):
    return f"{n} {noun}" + ("" if n == 1 else "s")


COUNTED = "apple pear ball book coin pencil egg cookie stone shell flower balloon stamp key button sweet card toy ticket plum".split()


def story_sum(rng):
    """little word problems"""
    who, friend = rng.sample(facts.NAMES, 2)
    noun = rng.choice(COUNTED)
    a, b = rng.randrange(2, 50), rng.randrange(1, 40)
    kind = rng.randrange(4)
    if kind == 0:
        text = rng.choice((f"{who} has {many(a, noun)} and gets {b} more.", f"{who} has {many(a, noun)}. {friend} gives {who} {many(b, noun)}.",
                           f"{who} finds {many(a, noun)} and then {b} more.", f"There are {many(a, noun)} in a box. {who} puts in {b} more."))
        result, think, key = a + b, add_steps(a, b), f"+{a},{b}"
    elif kind == 1:
        a, b = max(a, b) + 1, min(a, b)
        text = rng.choice((f"{who} has {many(a, noun)} and gives {b} to {friend}.", f"{who} has {many(a, noun)} and loses {b}.",
                           f"There are {many(a, noun)} on the table. {who} takes {b} away.", f"{who} buys {many(a, noun)} and {b} of them break."))
        result, think, key = a - b, subtract_steps(a, b), f"-{a},{b}"
    else:
        a, b = rng.randrange(2, 11), rng.randrange(2, 11)
        text = rng.choice((f"{who} has {a} boxes with {many(b, noun)} in each.", f"There are {a} bags. Every bag holds {many(b, noun)}.",
                           f"{a} children have {many(b, noun)} each.", f"{who} buys {a} packs of {many(b, noun)}."))
        result, think, key = a * b, times_steps(a, b), None
    ask = text + rng.choice((f" How many {noun}s are there now?", f" How many {noun}s are there?", f" How many {noun}s is that?",
                             " How many in total?" if kind != 1 else " How many are left?"))
    return Turn(ask, think, f"That makes {many(result, noun)}.", ("exact",), key)


def money(rng):
    price, n = rng.randrange(1, 13), rng.randrange(2, 10)
    noun = rng.choice(COUNTED)
    ask = say(rng, ("One {x} costs {p} euros. How much do {n} {x}s cost?", "If a {x} costs {p} euros, what do {n} {x}s cost?"), x=noun, p=price, n=n)
    return Turn(ask, f"{n} * {price} = {n * price}", f"{n} {noun}s cost {n * price} euros.", ("exact",), None)


def clock(rng):
    hour, plus_hours = rng.randrange(1, 13), rng.randrange(1, 10)
    ask = say(rng, ("It is {h} o'clock. What time is it in {n} hours?", "What time is it {n} hours after {h} o'clock?"), h=hour, n=plus_hours)
    then = (hour + plus_hours - 1) % 12 + 1
    total = hour + plus_hours
    think = f"{hour} + {plus_hours} = {total}" + (f", {total} - 12 = {then}" if total > 12 else "")
    return Turn(ask, think, f"It will be {then} o'clock.", ("exact",), None)
