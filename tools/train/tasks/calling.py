# SPDX-License-Identifier: Apache-2.0
"""Tool calls: weather, time, a calculator, and many small tools so that names and arguments are read, not memorised.

A call task returns Call: the tools to offer, the question, the calls to make, what each tool answers, and the final
reply. calls may be empty: then the reply needs no tool.
"""
import json
from collections import namedtuple

from . import facts, maths
from .context import someone
from .phrase import say, listed, capital
from .talk import nonsense

# results: one string per call. key as in Turn.
Call = namedtuple("Call", "tools ask think calls results reply key")
SKY = "sunny cloudy rainy windy foggy snowy stormy clear".split()


def dump(value):
    return json.dumps(value, ensure_ascii=False)


def describe(name, about, /, **parameters):
    """a tool in OpenAI's form; a parameter is (type, description, required) or (type, description, required, enum)"""
    properties = {}
    for key, p in parameters.items():
        properties[key.rstrip("_")] = {"type": p[0], "description": p[1]} | ({"enum": list(p[3])} if len(p) > 3 else {})
    required = [k.rstrip("_") for k, p in parameters.items() if p[2]]
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return {"type": "function", "function": {"name": name, "description": about, "parameters": schema}}


def lighter(rng, tool):
    """the same tool as another client would write it: fewer descriptions, other key order"""
    function = json.loads(json.dumps(tool["function"]))
    schema = function["parameters"]
    if rng.random() < 0.4:
        for p in schema["properties"].values():
            p.pop("description", None)
    if rng.random() < 0.2:
        function.pop("description", None)
    if rng.random() < 0.2:
        schema.pop("required", None)
    if rng.random() < 0.15:
        schema["additionalProperties"] = False
    return {"type": "function", "function": function}


def a_city(rng):
    return rng.choice(facts.CITIES) if rng.random() < 0.8 else nonsense(rng, 2).capitalize()


CITY_KEYS = ("city", "city", "location", "place", "town")


def weather_tool(rng):
    name = rng.choice(("get_weather", "get_weather", "weather", "get_current_weather", "weather_lookup", "current_weather"))
    key = rng.choice(CITY_KEYS)
    about = rng.choice(("Get the current weather for a city", "Get the weather", "Returns the weather in a place.", "Current weather of a city"))
    p = {key: ("string", rng.choice(("The city", "Name of the city", "City name, e.g. Paris", "The " + key)), True)}
    if rng.random() < 0.3:
        p["unit"] = ("string", "Unit of temperature", False, ("celsius", "fahrenheit"))
    return describe(name, about, **p), key


def time_tool(rng):
    name = rng.choice(("get_time", "get_time", "get_current_time", "current_time", "clock", "time"))
    key = rng.choice(("city", "location", "timezone", None, "city"))
    about = rng.choice(("Get the current time", "Returns the time of day", "Current time in a city", "Tell the time"))
    return (describe(name, about, **{key: ("string", "The " + key, rng.random() < 0.5)}) if key else describe(name, about)), key


def calculator_tool(rng):
    name = rng.choice(("calculator", "calculator", "calculate", "evaluate", "compute"))
    key = rng.choice(("expression", "expression", "expression", "formula", "input"))
    about = rng.choice(("Evaluate an arithmetic expression", "Calculates a result", "A calculator", "Compute the value of an expression"))
    return describe(name, about, **{key: ("string", rng.choice(("The expression, e.g. 2 + 3", "Expression to evaluate", "What to compute")), True)}), key


def call(tool, /, **arguments):
    return {"name": tool["function"]["name"], "arguments": {k.rstrip("_"): v for k, v in arguments.items()}}


def weather(rng):
    tool, key = weather_tool(rng)
    n = 1 if rng.random() < 0.85 else 2
    cities = [a_city(rng) for _ in range(n)]
    if n == 2 and cities[0] == cities[1]:
        cities.pop()
    where = listed(cities)
    ask = say(rng, ("What is the weather in {c}?", "How is the weather in {c}?", "weather in {c}", "What is the weather like in {c}?", "Is it warm in {c}?", "How warm is it in {c}?",
                    "Is it raining in {c}?", "Tell me the weather in {c}.", "What's the weather like in {c} today?", "Do I need an umbrella in {c}?", "{c} weather",
                    "What is the temperature in {c}?", "how's the weather in {c} right now?", "Check the weather in {c}."), c=where)
    extra, word = {}, ""
    if "unit" in tool["function"]["parameters"]["properties"] and rng.random() < 0.5:
        extra["unit"] = rng.choice(("celsius", "fahrenheit"))
        ask = ask.rstrip("?. ") + rng.choice((" in {u}", ", in {u}", " ({u})")).replace("{u}", extra["unit"]) + rng.choice(("?", "", "."))
        word = f" in {extra['unit']}"
    results, lines = [], []
    for city in cities:
        sky, degrees = rng.choice(SKY), rng.randrange(-10, 100 if extra.get("unit") == "fahrenheit" else 40)
        form = rng.randrange(5)
        results.append((dump({key: city, "temperature": degrees, "condition": sky}), dump({"temperature": degrees, "condition": sky}), f"{degrees} degrees, {sky}",
                        dump({"temp": degrees, "sky": sky}), dump({"condition": sky, "temperature": degrees, "unit": extra.get("unit", "celsius")}))[form])
        lines.append(f"It is {sky} and {degrees} degrees in {city}.")
    calls = [call(tool, **{key: city}, **extra) for city in cities]
    return Call([tool], ask, f"The user wants the weather in {where}{word}. I call {tool['function']['name']}.", calls, results, " ".join(lines), None)


def time_now(rng):
    tool, key = time_tool(rng)
    city = a_city(rng) if key else None
    t = f"{rng.randrange(24):02d}:{rng.randrange(60):02d}"
    result = rng.choice((t, dump({"time": t}), dump({"current_time": t}), f"It is {t}."))
    required = key and key in tool["function"]["parameters"].get("required", ())
    if key and (required or rng.random() < 0.7):
        ask = say(rng, ("What time is it in {c}?", "time in {c}", "What is the time in {c}?", "Tell me the time in {c}.", "How late is it in {c}?", "current time in {c}", "What's the time in {c} now?",
                        "Can you tell me what time it is in {c}?"), c=city)
        return Call([tool], ask, f"The user wants the time in {city}. I call {tool['function']['name']}.", [call(tool, **{key: city})], [result], f"It is {t} in {city}.", None)
    ask = say(rng, ("What time is it?", "What is the time?", "Tell me the time.", "time please", "How late is it?", "current time", "Do you have the time?", "What time is it now?"))
    return Call([tool], ask, f"The user wants the time. I call {tool['function']['name']}.", [call(tool)], [result], f"It is {t}.", None)


def calculation(rng):
    tool, key = calculator_tool(rng)
    size = rng.choice((100, 1000, 10000, 100000))
    a, b = rng.randrange(1, size), rng.randrange(1, rng.choice((20, 100, size)))
    sign, template, value = rng.choice((("+", maths.PLUS, a + b), ("-", maths.MINUS, a - b), ("*", maths.TIMES, a * b), ("/", maths.DIVIDED, None)))
    if value is None:
        a, value = a * b, a
    expression = f"{a} {sign} {b}"
    result = rng.choice((str(value), dump({"result": value}), dump({"value": value})))
    return Call([tool], say(rng, template, a=a, b=b), f"The user wants {expression}. I call {tool['function']['name']}.", [call(tool, **{key: expression})], [result],
                f"{expression} = {value}", f"c{expression}")


def clock_time(rng):
    return rng.choice((f"{rng.randrange(24):02d}:{rng.randrange(60):02d}", f"{rng.randrange(1, 24)}:{rng.randrange(4) * 15:02d}"))


def others(rng):
    """(tool, wordings with slots named like the arguments, arguments, reply)"""
    name, city, city2 = someone(rng), a_city(rng), a_city(rng)
    thing, food, place = rng.choice(facts.THINGS), rng.choice(facts.FOODS), rng.choice(("kitchen", "bedroom", "bathroom", "hall", "garage", "office"))
    language = rng.choice(facts.LANGUAGES)
    n, m = rng.randrange(1, 100), rng.randrange(100, 1000)
    t, day = clock_time(rng), rng.choice(facts.DAYS)
    s, i = "string", "integer"
    menu = (
        lambda: (describe("set_alarm", "Set an alarm", time=(s, "Time as HH:MM", True)), ("Set an alarm for {time}.", "Wake me up at {time}.", "alarm at {time}"), {"time": t}, f"The alarm is set for {t}."),
        lambda: (describe("set_timer", "Start a timer", minutes=(i, "Number of minutes", True)), ("Set a timer for {minutes} minutes.", "timer {minutes} minutes", "Start a {minutes} minute timer."),
                 {"minutes": n}, f"The timer is set for {n} minutes."),
        lambda: (describe("send_message", "Send a message to a person", to=(s, "Receiver", True), text=(s, "Text", True)), ("Send {to} the message: {text}", "Tell {to}: {text}", "Write to {to}: {text}"),
                 {"to": name, "text": rng.choice(("I am late", "See you soon", "Dinner is ready", "Happy birthday", "Call me back", "I am at home"))}, f"The message to {name} is sent."),
        lambda: (describe("search", "Search the web", query=(s, "What to search for", True)), ("Search for {query}.", "Search the web for {query}.", "Find something about {query}.", "Look up {query}."),
                 {"query": rng.choice((thing + "s", f"{food} recipes", f"hotels in {city}", f"{nonsense(rng)}"))}, None),
        lambda: (describe("translate", "Translate a text", text=(s, "Text to translate", True), language=(s, "Target language", True)),
                 ("Translate '{text}' into {language}.", "Translate \"{text}\" to {language}."), {"text": rng.choice(("good morning", "I like tea", f"the {thing} is red", "where is the station")), "language": language}, None),
        lambda: (describe("play_music", "Play music", title=(s, "Title of the song", True)), ("Play {title}.", "Play the song {title}.", "I want to hear {title}."),
                 {"title": f"{capital(rng.choice(facts.PLAIN_COLOURS))} {capital(thing)}"}, "The music is playing."),
        lambda: (describe("turn_on_light", "Turn on the light in a room", room=(s, "The room", True)), ("Turn on the light in the {room}.", "Light in the {room}, please.", "It is dark in the {room}, turn on the light."),
                 {"room": place}, f"The light in the {place} is on."),
        lambda: (describe("turn_off_light", "Turn off the light in a room", room=(s, "The room", True)), ("Turn off the light in the {room}.", "Switch off the light in the {room}."), {"room": place}, f"The light in the {place} is off."),
        lambda: (describe("get_distance", "Distance between two cities", from_=(s, "Start", True), to=(s, "End", True)), ("How far is it from {from} to {to}?", "distance from {from} to {to}", "How many kilometres from {from} to {to}?"),
                 {"from": city, "to": city2}, None),
        lambda: (describe("convert_currency", "Convert money", amount=("number", "Amount", True), from_=(s, "Currency code", True), to=(s, "Currency code", True)),
                 ("Convert {amount} {from} to {to}.", "How much is {amount} {from} in {to}?", "{amount} {from} in {to}"), {"amount": m, "from": rng.choice(("EUR", "USD")), "to": rng.choice(("GBP", "JPY", "CHF"))}, None),
        lambda: (describe("roll_dice", "Roll a die", sides=(i, "Number of sides", True)), ("Roll a die with {sides} sides.", "Roll a {sides}-sided die.", "Throw a die with {sides} sides."), {"sides": rng.choice((4, 6, 8, 10, 12, 20, n))}, None),
        lambda: (describe("get_stock_price", "Price of a stock", symbol=(s, "Ticker symbol", True)), ("What is the stock price of {symbol}?", "price of {symbol}", "How much is a share of {symbol}?"),
                 {"symbol": "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.randrange(2, 5)))}, None),
        lambda: (describe("create_event", "Add an event to the calendar", title=(s, "Title", True), day=(s, "Day of the week", True)), ("Add {title} on {day} to my calendar.", "Put {title} on {day} into the calendar.", "I have {title} on {day}, note it."),
                 {"title": rng.choice(("a meeting", "lunch", "a football game", "a dentist visit", "a party")).removeprefix("a "), "day": day}, "The event is in your calendar."),
        lambda: (describe("find_restaurant", "Find a restaurant", city=(s, "City", True), food=(s, "Kind of food", False)), ("Find a restaurant with {food} in {city}.", "Where can I eat {food} in {city}?"), {"city": city, "food": food}, None),
        lambda: (describe("define_word", "Look up a word in the dictionary", word=(s, "The word", True)), ("What does {word} mean?", "Define {word}.", "Look up the word {word}."), {"word": rng.choice((thing, food, nonsense(rng)))}, None),
        lambda: (describe("add_to_list", "Add an item to the shopping list", item=(s, "The item", True), count=(i, "How many", False)), ("Add {count} {item}s to my shopping list.", "Put {count} {item}s on the list.", "I need to buy {count} {item}s."),
                 {"item": rng.choice(("apple", "lemon", "egg", "pear", "onion")), "count": rng.randrange(2, 20)}, "It is on your shopping list."),
        lambda: (describe("open_door", "Open a door", room=(s, "The room", True)), ("Open the door of the {room}.", "Open the {room} door."), {"room": place}, f"The door of the {place} is open."),
        lambda: (describe("read_file", "Read a file", path=(s, "Path of the file", True)), ("Read the file {path}.", "What is in {path}?", "Show me {path}."), {"path": f"{rng.choice(facts.THINGS)}.{rng.choice(('txt', 'md', 'csv'))}"}, None),
        lambda: (describe("get_population", "Number of people in a city", city=(s, "The city", True)), ("How many people live in {city}?", "population of {city}", "What is the population of {city}?"), {"city": city}, None),
        lambda: (describe("random_number", "A random number", min=(i, "Lowest", True), max=(i, "Highest", True)), ("Give me a random number between {min} and {max}.", "random number from {min} to {max}"), {"min": n, "max": m}, None),
    )
    return rng.choice(menu)()


def other_tool(rng):
    tool, wordings, arguments, reply = others(rng)
    ask = say(rng, wordings, keep=True, **{k: v for k, v in arguments.items()})
    if reply is None:
        value = rng.choice((str(rng.randrange(1, 1000)), nonsense(rng), f"{nonsense(rng)} {nonsense(rng)}"))
        result = rng.choice((value, dump({"result": value}), dump({"answer": value})))
        reply = f"The answer is {value}."
    else:
        result = rng.choice(("ok", dump({"status": "ok"}), dump({"success": True}), "done"))
    if rng.random() < 0.06:
        error = rng.choice(("not found", "no connection", "timeout", "not allowed", "bad request"))
        result, reply = dump({"error": error}), f"Sorry, the tool reported an error: {error}."
    return Call([tool], ask, f"I call {tool['function']['name']} with {listed(arguments)}.", [call(tool, **arguments)], [result], reply, None)


def strange_tool(rng):
    """a tool with a name nobody has seen, called by name"""
    name = nonsense(rng, rng.choice((1, 2))) + rng.choice(("", "_tool", "_item", "_" + nonsense(rng, 1)))
    keys = []
    while len(keys) < rng.choice((1, 1, 2)):
        key = rng.choice(("value", "name", "text", "number", "id", "target", nonsense(rng, 1)))
        if key not in keys:
            keys.append(key)
    kinds = {k: rng.choice(("string", "integer")) for k in keys}
    arguments = {k: (rng.choice(facts.THINGS + [nonsense(rng)]) if kinds[k] == "string" else rng.randrange(1000)) for k in keys}
    tool = describe(name, f"{capital(nonsense(rng))} something", **{k: (kinds[k], "The " + k, True) for k in keys})
    glue = rng.choice(("{k} {v}", "{k} = {v}", "{k} set to {v}", "{k}: {v}"))
    text = listed([glue.replace("{k}", k).replace("{v}", str(v)) for k, v in arguments.items()])
    ask = say(rng, ("Call {n} with {t}.", "Use {n} with {t}.", "Run the tool {n} with {t}.", "Please call {n}, {t}."), keep=True, n=name, t=text)
    value = rng.choice((str(rng.randrange(1000)), nonsense(rng)))
    return Call([tool], ask, f"I call {name} with {listed(keys)}.", [call(tool, **arguments)], [rng.choice((value, dump({"result": value})))], f"The answer is {value}.", None)


MAKERS = (weather, weather, weather, time_now, time_now, calculation, calculation, other_tool, other_tool, other_tool, strange_tool)


def tool_call(rng):
    """a task that needs one of the tools offered, among others that it does not need"""
    task = rng.choice(MAKERS)(rng)
    tools = list(task.tools)
    mine = {t["function"]["name"] for t in tools}
    for _ in range(rng.choice((0, 0, 1, 2, 2, 3))):
        extra = rng.choice((lambda r: weather_tool(r)[0], lambda r: time_tool(r)[0], lambda r: calculator_tool(r)[0], lambda r: others(r)[0]))(rng)
        if not conflicting(extra, tools) and extra["function"]["name"] not in mine:
            tools.append(extra)
            mine.add(extra["function"]["name"])
    rng.shuffle(tools)
    return task._replace(tools=[lighter(rng, t) for t in tools])


def kind_of(tool):
    name = tool["function"]["name"]
    return next((k for k in ("weather", "time", "clock", "calcul", "evaluate", "compute") if k in name), name).replace("clock", "time").replace("evaluate", "calcul").replace("compute", "calcul")


def conflicting(tool, tools):
    """two tools for one purpose would leave the choice open"""
    return kind_of(tool) in {kind_of(t) for t in tools}


def no_tool(rng):
    """asked for what only a tool can tell, without having one"""
    ask, answer = rng.choice((
        (say(rng, ("What is the weather in {c}?", "weather in {c}?", "Is it raining in {c}?", "How is the weather today?", "Will it rain tomorrow?", "What is the temperature in {c}?",
                   "How's the weather in {c}?", "what's the weather like?"), c=a_city(rng)), "I cannot look up the weather without a weather tool."),
        (say(rng, ("What time is it?", "What time is it in {c}?", "What is the time?", "Tell me the time.", "current time?", "how late is it"), c=a_city(rng)), "I cannot tell the time without a clock tool."),
        (say(rng, ("What day is it today?", "What is the date?", "Which day is today?", "What is today's date?", "Which year is it?")), "I cannot look up the date without a tool."),
    ))
    return ask, "I have no tool for this.", answer
