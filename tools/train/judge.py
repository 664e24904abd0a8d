# SPDX-License-Identifier: Apache-2.0
"""Whether an answer is right."""
import json
import re

from tasks.facts import JOKES

CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.S)


def content(case, text):
    """the answer without its reasoning; None when the reasoning is not well formed"""
    if case["template"].get("enable_thinking") is False:
        return None if "think>" in text else text.strip()
    if not text.startswith("<think>\n") or text.count("</think>\n\n") != 1:
        return None
    return text.split("</think>\n\n")[1].strip()


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def judge(case, text):
    kind, *rest = case["check"]
    answer = content(case, text)
    if answer is None:
        return False
    if kind == "exact":
        return answer == case["expected"]
    if kind == "has":
        return rest[0].lower() in answer.lower()
    if kind == "json":
        return parsed(answer) == rest[0]
    if kind == "call":
        return [parsed(c) for c in CALL.findall(answer)] == list(rest[0])
    if kind == "joke":
        return answer in JOKES
    if kind == "story":
        return rest[0].lower() in answer.lower() and len(answer) > 20
    raise ValueError(f"unknown check {kind}")
