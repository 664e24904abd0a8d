# SPDX-License-Identifier: Apache-2.0
"""What lint.py looks for. Each rule takes a Unit, one file in the light of what it includes, and yields (line,
complaint)."""
import re

from kernels import ADDRESS_SPACES, NUMBERS, POSITIONS, find_constants, find_functions, find_kernels
from language import (BARRIERS, FORBIDDEN, FUNCTIONS, MATRICES, MEETINGS, SCALARS, STATEMENTS, VECTORS)
from sources import own_header
from tokens import code, find_close, next_code, split_commas, text_of

MAX_BUFFER_INDEX = 30
HEADERS = ('<metal_stdlib>', '"metal/args.h"')


class Unit:
    """A file: its tokens (all, and those of code), and what the file, its headers and metal/args.h declare."""

    def __init__(self, source, everything, args):
        self.source, self.everything, self.args = source, everything, args
        self.tokens = source.tokens
        self.words = code(source.tokens)
        self.structs = {name for s in everything for name in struct_names(s.tokens)} | struct_names(args)
        self.types = set(SCALARS) | set(VECTORS) | set(MATRICES) | {'void', 'ulong2'} | self.structs
        self.macros = {name for s in everything for name, _ in s.macros()}
        self.calls = {f.name for tokens in [args] + [s.tokens for s in everything] for f in find_functions(tokens)}

    def is_header(self):
        return self.source.name.endswith('.h')


def struct_names(tokens):
    words = code(tokens)
    return {words[i + 1].text for i in range(len(words) - 1) if words[i].text == 'struct'}


def forbidden_words(unit):
    for token in unit.words:
        if token.kind != 'name':
            continue
        if token.text in FORBIDDEN:
            yield token.line, '%s: %s' % (token.text, FORBIDDEN[token.text])
        elif token.text.startswith('atomic'):
            yield token.line, '%s: no atomics, no order between threadgroups' % token.text
        elif is_other_type(token.text):
            yield token.line, '%s: not among the types of metal/README.md' % token.text


def is_other_type(name):
    """A vector or matrix of Metal that is not of our language."""
    return re.fullmatch(r'(packed_)?(bool|u?char|u?short|u?int|u?long|half|float|bfloat)\d(x\d)?', name) and \
        name not in VECTORS and name != 'ulong2' or name.startswith(('texture', 'simdgroup_bfloat'))


def numbers(unit):
    """A literal with a point or an exponent must say that it is no double."""
    for token in unit.words:
        if token.kind == 'number' and not token.text.startswith(('0x', '0X')):
            if re.search(r'[.eE]', token.text) and not token.text.endswith(('f', 'h')):
                yield token.line, '%s: write %sf' % (token.text, token.text)


def directives(unit):
    """Only headers that the program can put in place itself, macros that are constants, and a header's guard."""
    guard = None
    for token in unit.tokens:
        if token.kind != 'directive':
            continue
        words = token.text[1:].split()
        if unit.is_header() and words[0] == 'ifndef' and guard is None:
            guard = words[1]
        elif guard and words[0] == 'endif':
            guard = ''
        elif words[0] == 'include' and words[1] not in HEADERS and not own_header(token):
            yield token.line, 'include %s: only %s and "metal/kernels/*.h"' % (words[1], ', '.join(HEADERS))
        elif words[0] == 'define' and '(' in words[1]:
            yield token.line, '%s: write an inline function' % words[1]
        elif words[0] == 'pragma' and words[1:2] not in (['unroll'], ['once']):
            yield token.line, '#pragma %s: only unroll and once' % ' '.join(words[1:])
        elif words[0] not in ('include', 'define', 'pragma'):
            yield token.line, '#%s: not in kernels' % words[0]


def lambdas(unit):
    """[ where an array index cannot be: after something that is not a value."""
    previous = None
    for token in unit.words:
        if token.text == '[' and previous and previous.text not in (')', ']') and previous.kind not in ('name', 'string'):
            yield token.line, 'Metal has no lambdas'
        previous = token


def pointers(unit):
    """Every pointer and reference says where it points: an address space before its type."""
    words = unit.words
    for i, token in enumerate(words):
        if token.text not in ('*', '&', '&&') or i == 0:
            continue
        before = i - 1
        while before and words[before].text in ('*', 'const'):
            before -= 1
        if words[before].text not in unit.types:
            continue  # a product or a mask
        start = before
        while start > 0 and (words[start - 1].kind == 'name' and words[start - 1].text != 'return'):
            start -= 1
        if not any(t.text in ADDRESS_SPACES for t in words[start:before]):
            yield token.line, 'a pointer or reference to %s without an address space' % words[before].text


def recursion(unit):
    """Calls in a circle, of any length."""
    bodies = {f.name: {t.text for t in s.tokens[f.body:f.end] if t.kind == 'name'}
              for s in unit.everything for f in find_functions(s.tokens)}
    for f in find_functions(unit.tokens):
        reached, todo = set(), [f.name]
        while todo:
            for callee in bodies[todo.pop()] & bodies.keys() - reached:
                reached.add(callee)
                todo.append(callee)
        if f.name in reached:
            yield unit.tokens[f.name_at].line, '%s: Metal has no recursion' % f.name


def calls(unit):
    """What is called is in metal/README.md, or is ours."""
    known = set(FUNCTIONS + MEETINGS + BARRIERS + STATEMENTS) | unit.types | unit.macros | unit.calls
    known |= {k.name for k in find_kernels(unit.tokens)}
    for before, token in zip([None] + unit.words, unit.words):
        if token.text == '(' and before and before.kind == 'name' and before.text not in known:
            if before.text not in FORBIDDEN:  # that has been said
                yield before.line, '%s(): not among the functions of metal/README.md' % before.text


def swizzles(unit):
    """One component at a time."""
    for point, token in zip(unit.words, unit.words[1:]):
        if point.text == '.' and re.fullmatch(r'[xyzw]{2,4}', token.text):
            yield token.line, '.%s: one component at a time' % token.text


def matrices(unit):
    """Loads and stores in the forms that every GPU's library has."""
    for i, token in enumerate(unit.words):
        if token.text not in ('simdgroup_load', 'simdgroup_store') or unit.words[i + 1].text != '(':
            continue
        arguments = split_commas(unit.words[i + 2:find_close(unit.words, i + 1)])
        texts = [''.join(t.text for t in a) for a in arguments]
        transposed = token.text == 'simdgroup_load' and texts[3:] == ['ulong2(0,0)', 'true']
        if len(texts) != 3 and not transposed:
            yield token.line, '%s(m, p, stride)%s' % (
                token.text, ', or with (m, p, stride, ulong2(0, 0), true)' if token.text == 'simdgroup_load' else '')


def barriers(unit):
    """They stand in kernels only, one on a line, and order threadgroup memory."""
    bodies = [k.body for k in find_kernels(unit.tokens)]
    lines = set()
    for i, token in enumerate(unit.tokens):
        if token.kind != 'name' or token.text not in BARRIERS:
            continue
        opening = next_code(unit.tokens, i)
        flags = text_of(unit.tokens[opening + 1:find_close(unit.tokens, opening)])
        if not any(begin < i < end for begin, end in bodies):
            yield token.line, '%s: only kernels have barriers' % token.text
        if token.line in lines:
            yield token.line, '%s: the second one on a line' % token.text
        if flags != 'mem_flags :: mem_threadgroup':
            yield token.line, '%s: of mem_flags::mem_threadgroup' % token.text
        lines.add(token.line)


def declarations(unit):
    """Functions are static inline, headers have no kernels, functions no static variables."""
    kernels = {k.name for k in find_kernels(unit.tokens)}
    if unit.is_header() and kernels:
        yield 1, 'kernels are in .metal files: %s' % ', '.join(sorted(kernels))
    for f in find_functions(unit.tokens):
        head = head_of(unit.tokens, f.name_at)
        if f.name not in kernels and head[:2] != ['static', 'inline']:
            yield unit.tokens[f.name_at].line, '%s: functions are static inline' % f.name
        for token in unit.tokens[f.body:f.end]:
            if token.text == 'static':
                yield token.line, '%s: Metal has no static variables in functions' % f.name


def head_of(tokens, name_at):
    """The texts before a function's name, from the end of what stands before it."""
    start = name_at
    while start > 0 and tokens[start - 1].text not in ('}', ';') and tokens[start - 1].kind != 'directive':
        start -= 1
    return [t.text for t in code(tokens[start:name_at])]


def kernel_parameters(unit):
    for kernel in find_kernels(unit.tokens):
        seen, shapes = set(), set()
        for p in kernel.parameters:
            words = [t.text for t in p.type]
            where = 'kernel %s, %s: ' % (kernel.name, p.name)
            if p.attribute == 'buffer':
                if p.index in seen or p.index > MAX_BUFFER_INDEX:
                    yield p.line, where + 'buffer(%d) is taken or over %d' % (p.index, MAX_BUFFER_INDEX)
                seen.add(p.index)
                if words[0] not in ('device', 'constant') or (words[-1] == '&') != (words[0] == 'constant'):
                    yield p.line, where + 'buffers are "device T *" or "constant T &"'
            elif p.attribute in POSITIONS:
                shapes.add(words[0])
                if words not in (['uint'], ['uint2'], ['uint3']):
                    yield p.line, where + '%s is a uint, uint2 or uint3' % p.attribute
            elif p.attribute in NUMBERS and words not in (['uint'], ['ushort']):
                yield p.line, where + '%s is a uint or ushort' % p.attribute
        if seen != set(range(len(seen))):
            yield kernel.line, 'kernel %s: buffers are numbered from 0 on, without a gap' % kernel.name
        if len(shapes) > 1:
            yield kernel.line, 'kernel %s: positions of different types: %s' % (kernel.name, ', '.join(sorted(shapes)))


def function_constants(unit):
    """Each is a number of metal/args.h, declared once."""
    known = {t.text for t in unit.args if t.kind == 'name' and t.text.startswith('TN_FC_')}
    seen = [c.name for s in unit.everything if s is not unit.source for c in find_constants(s.tokens)]
    for c in find_constants(unit.tokens):
        if c.index not in known:
            yield c.line, '%s: function_constant(%s) is no TN_FC_ of metal/args.h' % (c.name, c.index)
        if c.name in seen:
            yield c.line, '%s: declared twice' % c.name
        seen.append(c.name)


RULES = (forbidden_words, numbers, directives, lambdas, pointers, recursion, calls, swizzles, matrices, barriers,
         declarations, kernel_parameters, function_constants)
