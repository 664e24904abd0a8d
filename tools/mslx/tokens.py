# SPDX-License-Identifier: Apache-2.0
"""Tokens of the Metal Shading Language, as far as rewriting and checking kernels needs them.

All text of a file is kept, blanks and comments included, so that a rewritten file has the lines of its source.
"""
import re
from typing import NamedTuple

TOKEN = re.compile(r'''
    (?P<blank>     \s+ | //[^\n]* | /\*.*?\*/ )
  | (?P<directive> \#(?:\\\n|[^\n])* )
  | (?P<string>    "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
  | (?P<number>    0[xX][0-9a-fA-F]+[uUlL]* | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[A-Za-z]* )
  | (?P<name>      [A-Za-z_]\w* )
  | (?P<mark>      \[\[ | \]\] | :: | -> | << | >> | <= | >= | == | != | && | \|\| | \+\+ | -- | [-+*/%&|^]= | . )
''', re.X | re.S)

CLOSING = {'(': ')', '[': ']', '{': '}', '[[': ']]'}


class Token(NamedTuple):
    kind: str
    text: str
    line: int


class MslError(Exception):
    """A mistake in a .metal file; the message begins with file:line."""


def tokenize(source):
    """The tokens of source, text for text."""
    tokens, line = [], 1
    for match in TOKEN.finditer(source):
        text = match.group()
        if text == ']]' and not open_attribute(tokens):  # x[y[i]] rather than the end of an attribute
            tokens += [Token('mark', ']', line)] * 2
            continue
        tokens.append(Token(match.lastgroup, text, line))
        line += text.count('\n')
    return tokens


def open_attribute(tokens):
    """Whether the innermost square bracket still open is [[."""
    depth = 0
    for token in reversed(tokens):
        if token.text in (']', ']]'):
            depth += 1
        elif token.text in ('[', '[['):
            if depth == 0:
                return token.text == '[['
            depth -= 1
    return False


def is_code(token):
    """Neither blank nor preprocessor line."""
    return token.kind not in ('blank', 'directive')


def code(tokens):
    return [t for t in tokens if is_code(t)]


def text_of(tokens):
    """Code on one line, one blank between tokens."""
    return ' '.join(t.text for t in code(tokens))


def find_close(tokens, start):
    """Index of the bracket that closes the one at start."""
    stack = []
    for i in range(start, len(tokens)):
        text = tokens[i].text
        if tokens[i].kind != 'mark':
            continue
        if text in CLOSING:
            stack.append(CLOSING[text])
        elif stack and text == stack[-1]:
            stack.pop()
            if not stack:
                return i
    raise MslError('line %d: "%s" is never closed' % (tokens[start].line, tokens[start].text))


def next_code(tokens, i):
    """Index of the first code token after i, or len(tokens)."""
    i += 1
    while i < len(tokens) and not is_code(tokens[i]):
        i += 1
    return i


def split_commas(tokens):
    """Splits at the commas that are in no bracket."""
    parts, start, i = [], 0, 0
    while i < len(tokens):
        if tokens[i].kind == 'mark' and tokens[i].text in CLOSING:
            i = find_close(tokens, i)
        elif tokens[i].text == ',':
            parts.append(tokens[start:i])
            start = i + 1
        i += 1
    parts.append(tokens[start:])
    return [p for p in parts if code(p)]
