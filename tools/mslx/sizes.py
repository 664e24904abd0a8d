# SPDX-License-Identifier: Apache-2.0
"""Rules of lint.py about sizes: arrays have constant ones, and threadgroup memory has an end."""
import re

from kernels import find_functions, find_kernels, is_threadgroup_variable, threadgroup_variable
from language import SCALARS, VECTORS
from tokens import MslError, code, find_close, next_code, tokenize

MAX_THREADGROUP_BYTES = 32 * 1024
NOT_CONSTANT = ': its size is no constant expression of numbers and enums'
BYTES = {**SCALARS, **VECTORS}


def evaluate(tokens, values):
    """The value of a constant expression, or None where it is none. values: {name: number}."""
    parts = []
    words = code(tokens)
    while words:
        token = words.pop(0)
        if token.text == 'sizeof' and len(words) > 2 and words[1].text in BYTES:
            parts.append(str(BYTES[words[1].text]))
            words = words[3:]
        elif token.kind == 'number':
            parts.append(token.text.rstrip('uUlL'))
        elif token.kind == 'name' and values.get(token.text) is not None:
            parts.append('(%d)' % values[token.text])
        elif token.text in ('+', '-', '*', '%', '(', ')', '<<', '>>', '/'):
            parts.append('//' if token.text == '/' else token.text)
        elif token.text not in ('uint', 'int'):  # uint(n)
            return None
    try:
        value = eval(''.join(parts), {'__builtins__': {}})  # nothing but numbers and arithmetic
    except (SyntaxError, ZeroDivisionError, TypeError):
        return None
    return value if isinstance(value, int) else None


def enum_values(tokens, values):
    """Adds the constants of the enums in tokens."""
    words = code(tokens)
    for i, token in enumerate(words):
        if token.text != 'enum':
            continue
        opening = next(j for j in range(i, len(words)) if words[j].text in ('{', ';'))
        if words[opening].text == ';':
            continue
        value, j, close = -1, opening + 1, find_close(words, opening)
        while j < close:
            name, end = words[j].text, j
            while end < close and words[end].text != ',':
                end += 1
            value = evaluate(words[j + 2:end], values) if words[j + 1].text == '=' else value + 1
            values[name] = value
            j = end + 1


def constant_values(unit):
    """{name: number} of enums, macros and `const uint` variables whose value is written there."""
    values = {}
    for tokens in [unit.args] + [s.tokens for s in unit.everything]:
        enum_values(tokens, values)
        words = code(tokens)
        for token in tokens:
            match = re.match(r'#\s*define\s+(\w+)\s+(.+)', token.text) if token.kind == 'directive' else None
            if match:
                add(values, match.group(1), tokenize(match.group(2)))
        for i, token in enumerate(words):
            if token.text == 'const' and [t.text for t in words[i + 1:i + 4:2]] in (['uint', '='], ['int', '=']):
                end = next((j for j in range(i, len(words)) if words[j].text in (',', ';')), len(words))
                add(values, words[i + 2].text, words[i + 4:end])
    return {name: value for name, value in values.items() if value is not None}


def add(values, name, tokens):
    value = evaluate(tokens, values)
    values[name] = value if value is not None and values.get(name, value) == value else None


def brackets_of(words, i):
    """The contents of the square brackets from words[i] on, each as tokens."""
    found = []
    while i < len(words) and words[i].text == '[':
        close = find_close(words, i)
        found.append(words[i + 1:close])
        i = close + 1
    return found


def array_sizes(unit):
    """Arrays in functions: sizes that are known when a kernel is compiled."""
    values = constant_values(unit)
    for f in find_functions(unit.tokens):
        words = code(unit.tokens[f.body:f.end])
        for i in range(len(words) - 2):
            if words[i].text in unit.types and words[i + 1].kind == 'name' and words[i + 2].text == '[':
                for size in brackets_of(words, i + 2):
                    if size and evaluate(size, values) is None:
                        yield words[i].line, words[i + 1].text + NOT_CONSTANT


def threadgroup_memory(unit):
    """Declared by kernels only, at the top of their body, of scalars and vectors, 32 KiB in sum."""
    kernels = {k.name: k for k in find_kernels(unit.tokens)}
    values = constant_values(unit)
    for f in find_functions(unit.tokens):
        depth, total = 0, 0
        for i in range(f.body, f.end):
            depth += {'{': 1, '}': -1}.get(unit.tokens[i].text, 0)
            if unit.tokens[i].text != 'threadgroup' or not is_threadgroup_variable(unit.tokens, i):
                continue
            if f.name not in kernels:
                yield unit.tokens[i].line, '%s: only kernels have threadgroup variables' % f.name
            elif depth > 1:
                yield unit.tokens[i].line, '%s: threadgroup variables belong at the top of the kernel' % f.name
            bytes_, problem = variable_bytes(unit, i, values)
            if problem:
                yield unit.tokens[i].line, problem
            total += (bytes_ + 15) // 16 * 16
        if total > MAX_THREADGROUP_BYTES:
            yield unit.tokens[f.name_at].line, '%s: %d bytes of threadgroup memory, %d are allowed' % (
                f.name, total, MAX_THREADGROUP_BYTES)


def variable_bytes(unit, i, values):
    """The size of the threadgroup variable declared at i, and what is wrong with it or None."""
    element, name, brackets, _ = threadgroup_variable(unit.tokens, i)
    element = element[-1].text
    if element not in BYTES:
        return 0, '%s: threadgroup variables are of scalars and vectors, not %s' % (name.text, element)
    bytes_ = BYTES[element]
    for size in brackets_of(brackets, 0):
        n = evaluate(size, values)
        if n is None or n < 1:
            return 0, name.text + NOT_CONSTANT
        bytes_ *= n
    return bytes_, None


RULES = (array_sizes, threadgroup_memory)
