#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mslx: turns .metal files into one C++ file for the Metal simulator of tests/metal/sim. For tests only.

usage: mslx.py [--root DIR] --library NAME [--without-barriers NAME] -o OUT.cpp FILE.metal...

The output has every function of the sources, with address spaces and attributes taken out, each .metal file in a namespace
of its own with the headers of metal/kernels that it includes; for each kernel an entry that fetches its arguments; and
tables of arguments, function constants and kernels. --library: the name of the sim_library that lists the kernels. Lines
keep their numbers (#line). The sources keep to the part of the language that lint.py demands.

--without-barriers: the name of a second sim_library, which has every kernel once for each of its barriers with that barrier
left out, named "kernel@LINE" after the line of the barrier. A test uses them to see that the simulator notices.
"""
import argparse
import os
import re
import sys

from kernels import ADDRESS_SPACES, is_threadgroup_variable, threadgroup_variable, words_reached
from sources import Source, SourceError, located, own_header
from tokens import MslError, find_close, next_code, text_of

BARRIERS = ('threadgroup_barrier', 'simdgroup_barrier')


def rewrite_variable(tokens, start, slot):
    """C++ for the threadgroup variable declared at start, and the index of its semicolon."""
    element, name, brackets, end = threadgroup_variable(tokens, start)
    cpp = 'auto &%s = sim::threadgroup_variable<%s %s>(%d)' % (name.text, text_of(element), text_of(brackets), slot)
    return cpp + '\n' * (tokens[end].line - tokens[start].line), end


def rewrite_constant(tokens, start, depth):
    """C++ for `constant` at start: const, of which no file need use all, or a function constant, which a dispatch sets."""
    end = start
    while end < len(tokens) and tokens[end].text not in (';', '=', ')', ',', '{'):
        end += 1
    if any(t.text == 'function_constant' for t in tokens[start:end]):
        return '[[maybe_unused]] static'
    if tokens[next_code(tokens, start)].text == 'const':
        return ''
    is_variable = depth == 0 and tokens[end].text in (';', '=')
    return '[[maybe_unused]] static const' if is_variable else 'const'


def rewrite_name(tokens, i, depth):
    """C++ for a name."""
    text = tokens[i].text
    if text == 'kernel':
        return '[[maybe_unused]] static'
    if text == 'static' and depth == 0:
        following = tokens[next_code(tokens, i)].text
        return '' if following == 'constant' else '[[maybe_unused]] static'
    if text == 'constant':
        return rewrite_constant(tokens, i, depth)
    return '' if text in ADDRESS_SPACES else text


def rewrite_number(text):
    """C++ for a number: halves have no suffix there."""
    return 'half(%sf)' % text[:-1] if text.endswith('h') and not text.startswith('0x') else text


def rewrite_directive(source, token, headers):
    """C++ for a preprocessor line: our headers, the first time that they are met, where they are included; what all
    kernels include stands at the top of the output, and pragmas are for GPUs."""
    header = own_header(token)
    if header:
        text = rewrite_file(headers.pop(header), headers) if header in headers else ''
        return '%s#line %d "%s"' % (text, token.line + 1, source.name)
    return '' if re.match(r'#\s*(include|pragma)\b', token.text) else token.text


def rewrite(source, headers):
    """The tokens of a source as C++ text. headers: those that are still to be included, {name: source}."""
    tokens, out, i, depth, parentheses, slot = source.tokens, [], 0, 0, 0, 0
    while i < len(tokens):
        token = tokens[i]
        text = token.text
        if token.kind == 'mark':
            parentheses += {'(': 1, ')': -1}.get(text, 0)
            depth += {'{': 1, '}': -1}.get(text, 0)
            slot = slot if depth else 0
        if text == 'threadgroup' and token.kind == 'name' and is_threadgroup_variable(tokens, i):
            text, i = rewrite_variable(tokens, i, slot)
            i -= 1  # the semicolon stays
            slot += 1
        elif token.kind == 'name':
            text = rewrite_name(tokens, i, depth + parentheses)
        elif token.kind == 'number':
            text = rewrite_number(text)
        elif token.kind == 'directive':
            text = rewrite_directive(source, token, headers)
        elif text == '[[':
            i = find_close(tokens, i)
            text = ''
        out.append(text)
        i += 1
    return ''.join(out)


def rewrite_file(source, headers):
    """C++ for a file, whose lines the compiler counts as those of the source."""
    try:
        return '#line 1 "%s"\n%s\n' % (source.name, rewrite(source, headers))
    except MslError as error:
        raise SourceError(located(source.name, error)) from error


def namespace_of(name):
    return 'file_' + re.sub(r'\W', '_', os.path.splitext(os.path.basename(name))[0])


class Library:
    """The kernels of an output file: C++ for the files that have them, for their entries and for the tables."""

    def __init__(self):
        self.parts, self.entries, self.rows, self.mutants, self.names = [], [], [], [], {}

    def add_file(self, source):
        """A .metal file with its headers."""
        space = namespace_of(source.name)
        body = rewrite_file(source, {h.name: h for h in source.headers})
        macros = sorted({name for s in source.all() for name, _ in s.macros()})
        entries, words = [], source.words()
        for kernel in source.parsed(lambda _: source.kernels()):
            self.add_kernel(source, kernel, space, entries, words)
        self.parts.append('namespace %s {\n%s#line 1 "entries of %s"\n%s%s}\n' % (
            space, body, source.name, ''.join(entries), ''.join('#undef %s\n' % m for m in macros)))

    def add_kernel(self, source, kernel, space, entries, words):
        """A kernel: an entry that fetches its arguments, tables of them and of its function constants, a row."""
        if kernel.name in self.names:
            raise SourceError('%s:%d: kernel %s is in %s too' % (source.name, kernel.line, kernel.name,
                                                                self.names[kernel.name]))
        self.names[kernel.name] = source.name
        buffers = [self.parameter(p) for p in kernel.parameters if p.attribute == 'buffer']
        used = words_reached(words, [kernel.name])
        constants = ['{"%s", %s, %s, &%s}' % (c.name, c.index, 'true' if c.name in used else 'false', c.name)
                     for c in source.constants()]
        entries.append(ENTRY % dict(name=kernel.name, arguments=',\n        '.join(map(entry_argument, kernel.parameters)),
                                    parameters=table('sim::parameter', 'parameters_' + kernel.name, buffers),
                                    constants=table('sim::constant', 'constants_' + kernel.name, constants)))
        row = ('    {"%%s", %(s)s::entry_%(k)s, %(s)s::parameters_%(k)s, %(n)d, %(s)s::constants_%(k)s, %(c)d, %%d},\n'
               % dict(s=space, k=kernel.name, n=len(buffers), c=len(constants)))
        self.rows.append(row % (kernel.name, 0))
        lines = sorted({t.line for t in source.tokens[slice(*kernel.body)] if t.text in BARRIERS})
        self.mutants += [row % ('%s@%d' % (kernel.name, line), line) for line in lines]

    @staticmethod
    def parameter(p):
        kind, host_type = 'reference' if p.is_reference() else 'pointer', p.host_type()
        writes = 'false' if p.is_reference() or 'const' in host_type.split() else 'true'
        return '{sim::parameter_%s, %d, sizeof(%s), alignof(%s), %s}' % (kind, p.index, host_type, host_type, writes)

    def cpp(self, name, mutants):
        """The whole output."""
        out = ['#include <metal_stdlib>\n#include "metal/args.h"\n'] + self.parts
        for library, rows in ((name, self.rows), (mutants, self.mutants)):
            if library:
                out.append(LIBRARY % dict(name=library, rows=''.join(rows), count=len(rows)))
        return ''.join(out)


ENTRY = '''
static void entry_%(name)s(const sim::arguments &args) {
    (void)args;
    %(name)s(
        %(arguments)s);
}
%(parameters)s%(constants)s'''

LIBRARY = '''#line 1 "table %(name)s"
static const sim_kernel rows_of_%(name)s[] = {
%(rows)s    {},
};
extern "C" const sim_library %(name)s;
const sim_library %(name)s = {rows_of_%(name)s, %(count)d};
'''


def table(kind, name, rows):
    """C++ for a table that may be empty."""
    return 'static const %s %s[] = {%s};\n' % (kind, name, ', '.join(rows + ['{}']))


def entry_argument(parameter):
    """C++ that fetches a parameter's value in a kernel's entry."""
    if parameter.attribute != 'buffer':
        return 'sim::attribute_as<%s>::from(sim::%s())' % (parameter.scalar_type(), parameter.attribute)
    accessor = 'reference' if parameter.is_reference() else 'pointer'
    return 'args.%s<%s>(%d)' % (accessor, parameter.host_type(), parameter.index)


def parse_arguments():
    parser = argparse.ArgumentParser(description='Translates .metal files to C++ for the simulator.')
    parser.add_argument('--root', default='.', help='the folder that the files are named from')
    parser.add_argument('--library', required=True, help='the name of the table of kernels')
    parser.add_argument('--without-barriers', help='the name of the table of kernels with a barrier left out')
    parser.add_argument('-o', dest='out', required=True)
    parser.add_argument('files', nargs='+')
    return parser.parse_args()


def main():
    options = parse_arguments()
    library = Library()
    try:
        for name in options.files:
            library.add_file(Source(options.root, name))
    except SourceError as error:
        sys.exit(str(error))
    with open(options.out, 'w', encoding='utf-8') as file:
        file.write(library.cpp(options.library, options.without_barriers))


if __name__ == '__main__':
    main()
