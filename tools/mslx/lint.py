#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Complains about .metal files that the simulator would run and a Metal compiler would refuse, or that leave the C-like
part of the language which mslx.py translates. The simulator erases address spaces and runs C++17; this looks at what it
cannot see.

usage: lint.py [--root DIR] [--header FILE.h]... FILE.metal...

Prints "file:line: complaint" and exits 1 when there is one. --header: struct names declared there are types.
"""
import argparse
import os
import re
import sys

from kernels import ADDRESS_SPACES, NUMBERS, POSITIONS, find_functions, find_kernels
from sources import own_header
from tokens import MslError, code, find_close, next_code, tokenize

MAX_BUFFER_INDEX = 30
HEADERS = ('<metal_stdlib>', '"metal/args.h"')

SCALARS = ('bool', 'char', 'uchar', 'short', 'ushort', 'int', 'uint', 'long', 'ulong', 'half', 'float', 'size_t',
           'int8_t', 'uint8_t', 'int16_t', 'uint16_t', 'int32_t', 'uint32_t', 'int64_t', 'uint64_t')
VECTORS = tuple(s + n for s in SCALARS if not s.endswith('_t') for n in '234')

FORBIDDEN = {
    'double': 'Metal has no double',
    'goto': 'Metal has no goto',
    'new': 'Metal has no heap', 'delete': 'Metal has no heap',
    'try': 'Metal has no exceptions', 'catch': 'Metal has no exceptions', 'throw': 'Metal has no exceptions',
    'virtual': 'Metal has no virtual functions', 'dynamic_cast': 'Metal has no run-time types',
    'typeid': 'Metal has no run-time types', 'thread_local': 'Metal has no thread_local',
    'asm': 'no assembly in kernels',
    'std': 'the standard library of Metal is metal::',
    'printf': 'kernels cannot print',
    'template': 'mslx does not translate templates', 'class': 'write struct', 'operator': 'no operators of our own',
}


def forbidden_words(tokens):
    for token in code(tokens):
        if token.kind == 'name' and token.text in FORBIDDEN:
            yield token.line, '%s: %s' % (token.text, FORBIDDEN[token.text])


def numbers(tokens):
    """A literal with a point or an exponent must say that it is no double."""
    for token in code(tokens):
        if token.kind == 'number' and not token.text.startswith(('0x', '0X')):
            if re.search(r'[.eE]', token.text) and not token.text.endswith(('f', 'h')):
                yield token.line, '%s: write %sf' % (token.text, token.text)


def directives(tokens):
    """Only headers that the program can put in place itself, and macros that are constants."""
    for token in tokens:
        if token.kind != 'directive':
            continue
        words = token.text[1:].split()
        if words[0] == 'include' and words[1] not in HEADERS and not own_header(token):
            yield token.line, 'include %s: only %s' % (words[1], ' and '.join(HEADERS))
        elif words[0] == 'define' and '(' in words[1]:
            yield token.line, '%s: write an inline function' % words[1]
        elif words[0] not in ('include', 'define', 'pragma'):
            yield token.line, '#%s: not in kernels' % words[0]


def lambdas(tokens):
    """[ where an array index cannot be: after something that is not a value."""
    previous = None
    for token in code(tokens):
        if token.text == '[' and previous and previous.text not in (')', ']') and previous.kind not in ('name', 'string'):
            yield token.line, 'Metal has no lambdas'
        previous = token


def struct_names(tokens):
    words = code(tokens)
    return {words[i + 1].text for i in range(len(words) - 1) if words[i].text == 'struct'}


def pointers(tokens, types):
    """Every pointer and reference says where it points: an address space before its type."""
    words = code(tokens)
    for i, token in enumerate(words):
        if token.text not in ('*', '&', '&&') or i == 0:
            continue
        before = i - 1
        while words[before].text in ('*', 'const'):
            before -= 1
        if words[before].text not in types:
            continue  # a product or a mask
        start = before
        while start > 0 and (words[start - 1].kind == 'name' and words[start - 1].text != 'return'):
            start -= 1
        if not any(t.text in ADDRESS_SPACES for t in words[start:before]):
            yield token.line, 'a pointer or reference to %s without an address space' % words[before].text


def recursion(tokens):
    """Calls in a circle, of any length."""
    bodies = {name: {t.text for t in tokens[body:end] if t.kind == 'name'} for name, _, body, end in find_functions(tokens)}
    for name, at, _, _ in find_functions(tokens):
        reached, todo = set(), [name]
        while todo:
            for callee in bodies[todo.pop()] & bodies.keys() - reached:
                reached.add(callee)
                todo.append(callee)
        if name in reached:
            yield tokens[at].line, '%s: Metal has no recursion' % name


def threadgroup_variables(tokens):
    """Only kernels may declare them, at the top of their body."""
    kernels = {k.name for k in find_kernels(tokens)}
    for name, _, body, end in find_functions(tokens):
        depth = 0
        for i in range(body, end):
            depth += {'{': 1, '}': -1}.get(tokens[i].text, 0)
            if tokens[i].text != 'threadgroup' or '*' in statement_head(tokens, i):
                continue
            if name not in kernels:
                yield tokens[i].line, '%s: only kernels have threadgroup variables' % name
            elif depth > 1:
                yield tokens[i].line, '%s: threadgroup variables belong at the top of the kernel' % name


def statement_head(tokens, i):
    """Texts from i up to the first of ; = ) [ and so on."""
    head = []
    while tokens[i].text not in (';', '=', ')', '[', ','):
        head.append(tokens[i].text)
        i = next_code(tokens, i)
    return head


def kernel_parameters(tokens):
    for kernel in find_kernels(tokens):
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
        if len(shapes) > 1:
            yield kernel.line, 'kernel %s: positions of different types: %s' % (kernel.name, ', '.join(sorted(shapes)))


def lint(source, headers=''):
    """All complaints about a file as (line, text), in the order of lines. headers: text that declares further structs."""
    tokens = tokenize(source)
    types = set(SCALARS + VECTORS) | {'void'} | struct_names(tokens) | struct_names(tokenize(headers))
    complaints = []
    try:
        for rule in (forbidden_words, numbers, directives, lambdas, recursion, threadgroup_variables, kernel_parameters):
            complaints += rule(tokens)
        complaints += pointers(tokens, types)
    except MslError as error:
        line = re.match(r'line (\d+): (.*)', str(error))
        complaints.append((int(line.group(1)), line.group(2)))
    return sorted(complaints)


def read(root, name):
    with open(os.path.join(root, name), encoding='utf-8') as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description='Complains about .metal files.')
    parser.add_argument('--root', default='.', help='the folder that the files are named from')
    parser.add_argument('--header', action='append', default=[])
    parser.add_argument('files', nargs='+')
    options = parser.parse_args()
    headers = ''.join(read(options.root, name) for name in options.header)
    bad = 0
    for name in options.files:
        for line, text in lint(read(options.root, name), headers):
            print('%s:%d: %s' % (name, line, text))
            bad = 1
    sys.exit(bad)


if __name__ == '__main__':
    main()
