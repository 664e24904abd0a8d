# SPDX-License-Identifier: Apache-2.0
"""Plain prompts, as a newcomer would type them, with what must be in the answer."""
from tasks.calling import describe

WEATHER = describe("get_weather", "Get the current weather for a city", city=("string", "Name of the city", True))
TIME = describe("get_time", "Get the current time in a city", city=("string", "Name of the city", True))
CALCULATOR = describe("calculator", "Evaluate an arithmetic expression", expression=("string", "The expression, e.g. 2 + 3", True))

# name, question, word in the answer; asked without thinking, and those marked * with thinking too
QUESTIONS = (
    ("hi*", "hi", "Hello"), ("hello", "hello there!", "Hello"), ("how", "How are you?", "fine"), ("thanks", "thanks", "welcome"), ("bye", "bye", "Goodbye"),
    ("who*", "Who are you?", "Tenon's starter model"), ("name", "whats your name", "starter model"), ("can", "What can you do?", "sums"), ("maker", "who made you?", "Tenon project"),
    ("sum*", "What is 17 + 25?", "42"), ("sum-small", "what is 17 + 25?", "42"), ("sum-casual", "whats 17+25", "42"), ("sum-bare", "17+25", "42"), ("sum-three", "What is 348 + 275?", "623"),
    ("minus*", "What is 52 - 17?", "35"), ("times*", "What is 7 times 8?", "56"), ("divided", "What is 56 divided by 7?", "8"), ("apples*", "Anna has 3 apples and gets 4 more. How many apples are there now?", "7"),
    ("paris*", "What is the capital of France?", "Paris"), ("paris-casual", "capital of france?", "Paris"), ("tokyo", "what's the capital of japan", "Tokyo"), ("berlin", "Tell me the capital of Germany.", "Berlin"),
    ("unknown-capital", "What is the capital of Zambia?", "do not know"), ("unknown*", "Who won the world cup in 1974?", "do not know"), ("sky*", "What colour is the sky?", "blue"), ("mix", "What do you get when you mix red and blue?", "purple"),
    ("tomorrow", "Today is Friday. What day is tomorrow?", "Saturday"), ("march", "Which month comes after March?", "April"), ("spell*", "Spell banana.", "b-a-n-a-n-a"), ("spell-new", "How do you spell blorptang?", "b-l-o-r-p-t-a-n-g"),
    ("strawberry*", "How many r's are in strawberry?", "3 times"), ("backwards*", "Spell garden backwards.", "n-e-d-r-a-g"), ("opposite", "What is the opposite of hot?", "cold"), ("count", "Count to 10.", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"),
    ("dog", "What sound does a dog make?", "barks"), ("puppy", "What is a baby dog called?", "puppy"), ("bonjour", "How do you say hello in French?", "bonjour"), ("planet", "What is the largest planet?", "Jupiter"),
    ("story*", "Tell me a story about a cat.", "cat"), ("joke", "Tell me a joke.", "?"), ("repeat", "Say hello world", "hello world"), ("no-weather", "What is the weather in Paris?", "cannot look up"),
)


def case(name, messages, check, tools=None, thinking=False, expected=None):
    return {"name": name, "task": "plain", "messages": messages, "tools": tools, "template": {} if thinking else {"enable_thinking": False}, "check": check, "expected": expected}


def user(text):
    return {"role": "user", "content": text}


def plain():
    out = []
    for name, question, word in QUESTIONS:
        out.append(case(name.rstrip("*"), [user(question)], ("has", word)))
        if name.endswith("*"):
            out.append(case(name.rstrip("*") + "-thinking", [user(question)], ("has", word), thinking=True))
    anna = [user("Hi, my name is Anna."), {"role": "assistant", "content": "Nice to meet you, Anna!"}, user("What is my name?")]
    france = [user("What is the capital of France?"), {"role": "assistant", "content": "The capital of France is Paris."}, user("And of Italy?")]
    called = [user("What is the weather in Paris?"), {"role": "assistant", "content": "", "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Paris"}}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"temperature": 18, "condition": "sunny"}'}]
    every = [WEATHER, TIME, CALCULATOR]
    for thinking in (False, True):
        tail = "-thinking" if thinking else ""
        out += [
            case("memory" + tail, anna, ("has", "Anna"), thinking=thinking), case("follow" + tail, france, ("has", "Rome"), thinking=thinking),
            case("json" + tail, [user("Give me a JSON object with name Anna and age 7.")], ("json", {"name": "Anna", "age": 7}), thinking=thinking),
            case("call-weather" + tail, [user("What is the weather in Paris?")], ("call", [{"name": "get_weather", "arguments": {"city": "Paris"}}]), [WEATHER], thinking),
            case("call-weather-three" + tail, [user("What's the weather like in Berlin?")], ("call", [{"name": "get_weather", "arguments": {"city": "Berlin"}}]), every, thinking),
            case("call-time" + tail, [user("What time is it in Tokyo?")], ("call", [{"name": "get_time", "arguments": {"city": "Tokyo"}}]), every, thinking),
            case("call-calculator" + tail, [user("What is 1234 * 5678?")], ("call", [{"name": "calculator", "arguments": {"expression": "1234 * 5678"}}]), every, thinking),
            case("call-two" + tail, [user("What is the weather in Paris and London?")],
                 ("call", [{"name": "get_weather", "arguments": {"city": c}} for c in ("Paris", "London")]), [WEATHER], thinking),
            case("call-answer" + tail, called, ("has", "18 degrees"), [WEATHER], thinking), case("call-not-needed" + tail, [user("What is the capital of France?")], ("has", "Paris"), every, thinking),
        ]
    out.append(case("system-name", [{"role": "system", "content": "Your name is Robin."}, user("What is your name?")], ("has", "Robin")))
    out.append(case("system-helpful", [{"role": "system", "content": "You are a helpful assistant."}, user("What is 17 + 25?")], ("has", "42")))
    out.append(case("reading", [user("Anna has a red ball. Ben has a blue cup. Who has the cup?")], ("has", "Ben")))
    return out
