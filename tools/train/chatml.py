# SPDX-License-Identifier: Apache-2.0
"""The chat format, twice: fast string building for training, and the Jinja template that ships with the model.

check.py holds the two against each other.
"""
import json
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[2] / "models/starter/chat_template.jinja"
NO_THINKING = "<think>\n\n</think>\n\n"


# What the template's tojson filter gives: Python's json with non-ASCII characters as they are.
tojson = json.JSONEncoder(ensure_ascii=False).encode


def system_text(content, tools):
    if not tools:
        return content
    head = content + "\n\n" if content is not None else ""
    return (head + "# Tools\n\nThese functions can be called, one on each line:\n<tools>\n" + "".join(tojson(t) + "\n" for t in tools) +
            '</tools>\n\nA call is written as:\n<tool_call>\n{"name": NAME, "arguments": {...}}\n</tool_call>')


def reply_text(message):
    """an assistant message without its reasoning"""
    text = message.get("content") or ""
    for call in message.get("tool_calls", ()):
        f = call["function"]
        text += ("\n" if text else "") + f'<tool_call>\n{{"name": "{f["name"]}", "arguments": {tojson(f["arguments"])}}}\n</tool_call>'
    return text


def segments(sample):
    """a conversation as [(text, learn)]: learn marks what the model is to write itself"""
    messages, out = sample.messages, []
    content = messages[0]["content"] if messages[0]["role"] == "system" else None
    if sample.tools or content is not None:
        out.append(("<|im_start|>system\n" + system_text(content, sample.tools) + "<|im_end|>\n", False))
    question = max(i for i, m in enumerate(messages) if m["role"] == "user")
    for i, m in enumerate(messages):
        role = m["role"]
        if role == "user":
            out.append(("<|im_start|>user\n" + m["content"] + "<|im_end|>\n", False))
        elif role == "tool":
            first, last = messages[i - 1]["role"] != "tool", i + 1 == len(messages) or messages[i + 1]["role"] != "tool"
            out.append((("<|im_start|>user" if first else "") + "\n<tool_response>\n" + m["content"] + "\n</tool_response>" +
                        ("<|im_end|>\n" if last else ""), False))
        elif role == "assistant":
            out += reply_segments(sample, i, i > question)
    return out


def reply_segments(sample, i, current):
    m = sample.messages[i]
    text, think = reply_text(m) + "<|im_end|>", m.get("reasoning_content")
    if i not in sample.learn:
        if current and think:
            text = f"<think>\n{think}\n</think>\n\n" + text
        return [("<|im_start|>assistant\n" + text + "\n", False)]
    if sample.thinking:
        return [("<|im_start|>assistant\n", False), (f"<think>\n{think}\n</think>\n\n" + text, True), ("\n", False)]
    return [("<|im_start|>assistant\n" + NO_THINKING, False), (text, True), ("\n", False)]


def environment():
    """Jinja as transformers sets it up for chat templates"""
    import jinja2
    import jinja2.ext
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    env.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)

    def fail(message):
        raise jinja2.exceptions.TemplateError(message)
    env.globals["raise_exception"] = fail
    return env


def prompt(messages, tools=None, **variables):
    """the prompt that the shipped template makes"""
    template = environment().from_string(TEMPLATE.read_text())
    return template.render(messages=messages, tools=tools, add_generation_prompt=True, **variables)
