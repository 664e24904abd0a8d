#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mslx: turns .metal files into one C++ file for the Metal simulator of tests/metal/sim. For tests only.

usage: mslx.py [--root DIR] [--without-barriers] -o OUT.cpp FILE.metal...

The output has every function of the sources, with address spaces and attributes taken out, and for each kernel an entry
that fetches its arguments and a table of them. Lines keep their numbers (#line). The sources keep to the C-like part of
the language that lint.py demands: no templates, no function constants, threadgroup memory declared in the kernel.

--without-barriers: instead, every kernel once for each of its barriers with that barrier left out, named
"kernel@LINE" after the line of the barrier. A test uses them to see that the simulator notices.
"""
import argparse
import os
import sys

from kernels import ADDRESS_SPACES, find_kernels
from tokens import CLOSING, MslError, Token, find_close, next_code, text_of, tokenize


def is_variable(tokens, i):
    """Whether `threadgroup` at i begins a variable rather than qualifies a pointer or reference."""
    while tokens[i].text not in (';', ')', '=', ','):
        if tokens[i].text in ('*', '&'):
            return False
        i = next_code(tokens, i)
    return tokens[i].text == ';'


def threadgroup_variable(tokens, start, slot):
    """C++ for the declaration at start, `threadgroup float name[4][8];`, and the index of its semicolon."""
    end = start
    while tokens[end].text != ';':
        end = find_close(tokens, end) + 1 if tokens[end].text in CLOSING else end + 1
    declaration = [t for t in tokens[start + 1:end] if t.kind != 'blank']
    first_bracket = next((i for i, t in enumerate(declaration) if t.text == '['), len(declaration))
    if first_bracket < 2:
        raise MslError('line %d: expected "threadgroup type name[...];"' % tokens[start].line)
    element, name = declaration[:first_bracket - 1], declaration[first_bracket - 1].text
    cpp = 'auto &%s = sim::threadgroup_variable<%s %s>(%d)' % (
        name, text_of(element), text_of(declaration[first_bracket:]), slot)
    return cpp + '\n' * (tokens[end].line - tokens[start].line), end


def rewrite(tokens):
    """The tokens as C++ text."""
    out, i, depth, slot = [], 0, 0, 0
    while i < len(tokens):
        token = tokens[i]
        text = token.text
        if text in '{}' and token.kind == 'mark':
            depth += 1 if text == '{' else -1
            slot = slot if depth else 0
        if token.kind == 'name' and text == 'threadgroup' and is_variable(tokens, i):
            text, i = threadgroup_variable(tokens, i, slot)
            i -= 1  # the semicolon stays
            slot += 1
        elif token.kind == 'name' and text == 'kernel':
            text = 'static'
        elif token.kind == 'name' and text == 'constant':
            text = 'const'
        elif token.kind == 'name' and text in ADDRESS_SPACES:
            text = ''
        elif text == '[[':
            i = find_close(tokens, i)
            text = ''
        out.append(text)
        i += 1
    return ''.join(out)


def argument(parameter):
    """C++ that fetches a parameter's value in a kernel's entry."""
    if parameter.attribute != 'buffer':
        return 'sim::attribute_as<%s>::from(sim::%s())' % (parameter.scalar_type(), parameter.attribute)
    accessor = 'reference' if parameter.is_reference() else 'pointer'
    return 'args.%s<%s>(%d)' % (accessor, parameter.host_type(), parameter.index)


def entry(kernel, name, function):
    """C++ that registers a kernel under a name: its entry, its table of arguments, the registration."""
    rows = []
    for p in kernel.parameters:
        if p.attribute == 'buffer':
            kind, size = ('reference', 'sizeof(%s)' % p.host_type()) if p.is_reference() else ('pointer', '0')
            rows.append('{sim::parameter_%s, %d, %s}' % (kind, p.index, size))
    unique = function.replace('::', '_')
    arguments = ',\n        '.join(argument(p) for p in kernel.parameters)
    return '''
static void entry_%(unique)s(const sim::arguments &args) {
    (void)args;
    %(function)s(
        %(arguments)s);
}
static const sim::parameter parameters_%(unique)s[] = {%(rows)s};
static const sim_kernel kernel_%(unique)s("%(name)s", entry_%(unique)s, parameters_%(unique)s, %(count)d);
''' % dict(unique=unique, function=function, name=name, arguments=arguments, rows=', '.join(rows), count=len(rows))


def numbered(body, name):
    """Text whose lines the compiler counts as those of the source."""
    return '#line 1 "%s"\n%s\n' % (name, body)


def translate(source, name):
    """C++ for a whole file."""
    tokens = tokenize(source)
    entries = ''.join(entry(k, k.name, k.name) for k in find_kernels(tokens))
    return numbered(rewrite(tokens), name) + '#line 1 "entries of %s"\n' % name + entries


def barriers_of(tokens, kernel):
    """Indices of the barriers of a kernel."""
    return [i for i in range(*kernel.body) if tokens[i].text == 'threadgroup_barrier']


def without_barriers(source, name):
    """C++ for each kernel of a file without each of its barriers in turn, in a namespace of its own."""
    tokens, out = tokenize(source), []
    for kernel in find_kernels(tokens):
        for i in barriers_of(tokens, kernel):
            end = find_close(tokens, next_code(tokens, i))
            mutant = [Token('blank', '', t.line) if i <= j <= end else t for j, t in enumerate(tokens)]
            space = '%s_%d' % (kernel.name, tokens[i].line)
            out.append('namespace %s {\n%s}\n' % (space, numbered(rewrite(mutant), name)))
            out.append(entry(kernel, '%s@%d' % (kernel.name, tokens[i].line), '%s::%s' % (space, kernel.name)))
    return ''.join(out)


def parse_arguments():
    parser = argparse.ArgumentParser(description='Translates .metal files to C++ for the simulator.')
    parser.add_argument('--root', default='.', help='the folder that the files are named from')
    parser.add_argument('--without-barriers', action='store_true', help='kernels with a barrier left out')
    parser.add_argument('-o', dest='out', required=True)
    parser.add_argument('files', nargs='+')
    return parser.parse_args()


def main():
    options = parse_arguments()
    work = without_barriers if options.without_barriers else translate
    parts = ['#include <metal_stdlib>\n#include "metal/args.h"\n']
    for name in options.files:
        with open(os.path.join(options.root, name), encoding='utf-8') as file:
            source = file.read()
        try:
            parts.append(work(source, name))
        except MslError as error:
            sys.exit('%s: %s' % (name, error))
    with open(options.out, 'w', encoding='utf-8') as file:
        file.write(''.join(parts))


if __name__ == '__main__':
    main()
