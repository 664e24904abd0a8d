#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mslx: turns .metal files into one C++ file for the Metal simulator of tests/metal/sim. For tests only.

usage: mslx.py [--root DIR] [--without-barriers] --library NAME -o OUT.cpp FILE.metal...

The output has every function of the sources, with address spaces and attributes taken out, and for each kernel an entry
that fetches its arguments and a table of them; NAME is the sim_library that lists the kernels. Lines keep their numbers (#line). The sources keep to the C-like part of
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


class Library:
    """The kernels of an output file: C++ for their entries, and the rows of the table that lists them."""

    def __init__(self):
        self.entries, self.rows = [], []

    def add(self, kernel, name, function):
        """A kernel under a name: an entry that fetches its arguments, a table of them, a row."""
        parameters = [self.parameter(p) for p in kernel.parameters if p.attribute == 'buffer']
        unique = function.replace('::', '_')
        arguments = ',\n        '.join(argument(p) for p in kernel.parameters)
        self.entries.append('''
static void entry_%s(const sim::arguments &args) {
    (void)args;
    %s(
        %s);
}
static const sim::parameter parameters_%s[] = {%s};
''' % (unique, function, arguments, unique, ', '.join(parameters)))
        self.rows.append('    {"%s", entry_%s, parameters_%s, %d},\n' % (name, unique, unique, len(parameters)))

    @staticmethod
    def parameter(p):
        if p.is_reference():
            return '{sim::parameter_reference, %d, sizeof(%s)}' % (p.index, p.host_type())
        return '{sim::parameter_pointer, %d, 0}' % p.index

    def cpp(self, name):
        """The table, to be looked up by name."""
        return '''#line 1 "entries of %(name)s"
%(entries)s
static const sim_kernel kernels[] = {
%(rows)s};
extern "C" const sim_library %(name)s;
const sim_library %(name)s = {kernels, %(count)d};
''' % dict(name=name, entries=''.join(self.entries), rows=''.join(self.rows), count=len(self.rows))


def numbered(body, name):
    """Text whose lines the compiler counts as those of the source."""
    return '#line 1 "%s"\n%s\n' % (name, body)


def translate(source, name, library):
    """C++ for a whole file."""
    tokens = tokenize(source)
    for kernel in find_kernels(tokens):
        library.add(kernel, kernel.name, kernel.name)
    return numbered(rewrite(tokens), name)


def barriers_of(tokens, kernel):
    """Indices of the barriers of a kernel."""
    return [i for i in range(*kernel.body) if tokens[i].text == 'threadgroup_barrier']


def without_barriers(source, name, library):
    """C++ for each kernel of a file without each of its barriers in turn, in a namespace of its own."""
    tokens, out = tokenize(source), []
    for kernel in find_kernels(tokens):
        for i in barriers_of(tokens, kernel):
            end = find_close(tokens, next_code(tokens, i))
            mutant = [Token('blank', '', t.line) if i <= j <= end else t for j, t in enumerate(tokens)]
            space = '%s_%d' % (kernel.name, tokens[i].line)
            library.add(kernel, '%s@%d' % (kernel.name, tokens[i].line), '%s::%s' % (space, kernel.name))
            out.append('namespace %s {\n%s}\n' % (space, numbered(rewrite(mutant), name)))
    return ''.join(out)


def parse_arguments():
    parser = argparse.ArgumentParser(description='Translates .metal files to C++ for the simulator.')
    parser.add_argument('--root', default='.', help='the folder that the files are named from')
    parser.add_argument('--without-barriers', action='store_true', help='kernels with a barrier left out')
    parser.add_argument('--library', required=True, help='the name of the table of kernels')
    parser.add_argument('-o', dest='out', required=True)
    parser.add_argument('files', nargs='+')
    return parser.parse_args()


def main():
    options = parse_arguments()
    work = without_barriers if options.without_barriers else translate
    library = Library()
    parts = ['#include <metal_stdlib>\n#include "metal/args.h"\n']
    for name in options.files:
        with open(os.path.join(options.root, name), encoding='utf-8') as file:
            source = file.read()
        try:
            parts.append(work(source, name, library))
        except MslError as error:
            sys.exit('%s: %s' % (name, error))
    parts.append(library.cpp(options.library))
    with open(options.out, 'w', encoding='utf-8') as file:
        file.write(''.join(parts))


if __name__ == '__main__':
    main()
