#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cuda: turns .metal files into CUDA C++ for NVIDIA's run-time compiler.

usage: cuda.py [--root DIR] [--texts DIR] [-o OUT.c] --library FILE.cuh FILE.metal...

-o: a C file for runtime/device/cuda/texts.h: the translated files and headers as strings, and for each kernel the file
that it is in, its parameters and the function constants that it needs. --texts: instead or besides, the translated files
below this folder, under their names, for looking at and for other compilers. --library: what stands for <metal_stdlib>.

Each .metal file stays one text, in which a kernel is there where the macro TN_KERNEL_name is defined: NVRTC makes one at a
time, with its function constants (tn::constant in the library) given. Address spaces and attributes are taken out. Lines
keep their numbers (#line). The sources keep to the part of the language that lint.py demands.
"""
import argparse
import os
import sys

from kernels import ADDRESS_SPACES, find_constants, is_threadgroup_variable, words_reached
from sources import Source, SourceError, located
from tokens import MslError, find_close, is_code, next_code, text_of

STDLIB = 'metal_stdlib'
ARGS = 'metal/args.h'

# Scalars of kernel parameters as C knows them.
C_TYPES = {'uint': 'uint32_t', 'int': 'int32_t', 'ulong': 'uint64_t', 'float': 'float'}

# Kernels for which metal_stdlib.cuh says how registers are shared out.
BOUNDED = ('linear_rows',)


class Rewriter:
    """CUDA C++ for the tokens of one file."""

    def __init__(self, source):
        self.source, self.tokens = source, source.tokens
        starts = [i for i, t in enumerate(self.tokens) if t.kind == 'name' and t.text == 'kernel']
        self.kernels = dict(zip(starts, source.kernels()))
        found = {(c.name, c.line): c for c in find_constants(self.tokens)}
        self.constants = {i: found[key] for i, key in self.declared() if key in found}

    def declared(self):
        """Of each `constant type name`: index of `constant`, name and line."""
        for i, token in enumerate(self.tokens):
            if token.text == 'constant':
                name = self.tokens[next_code(self.tokens, next_code(self.tokens, i))]
                yield i, (name.text, name.line)

    def file(self):
        try:
            return self.range(0, len(self.tokens))
        except MslError as error:
            raise SourceError(located(self.source.name, error)) from error

    def range(self, start, end, depth=0):
        """The tokens from start to before end; depth: of brackets open there."""
        out, i = [], start
        while i < end:
            token = self.tokens[i]
            if token.kind == 'mark':
                depth += {'(': 1, '{': 1, ')': -1, '}': -1}.get(token.text, 0)
            text, i = self.token(i, depth)
            out.append(text)
        return ''.join(out)

    def token(self, i, depth):
        """CUDA C++ for what begins at i, and the index of what follows."""
        token = self.tokens[i]
        if i in self.kernels:
            return self.kernel(i, self.kernels[i])
        if token.text == '[[':
            return '', find_close(self.tokens, i) + 1
        if token.kind == 'number':
            return number(token.text), i + 1
        if token.kind != 'name':
            return token.text, i + 1
        if token.text == 'threadgroup' and is_threadgroup_variable(self.tokens, i):
            return 'alignas(16) __shared__', i + 1
        if token.text == 'constant':
            return self.constant(i, depth)
        if token.text == 'inline':
            return '__forceinline__', i + 1
        return '' if token.text in ADDRESS_SPACES else token.text, i + 1

    def constant(self, i, depth):
        """A function constant, a table or number of the file, or the qualifier of a pointer or reference."""
        constant = self.constants.get(i)
        if constant:
            end = next(j for j in range(i, len(self.tokens)) if self.tokens[j].text == ';')
            text = 'static constexpr uint %s = tn::constant<%s>::value' % (constant.name, constant.index)
            return text + self.lines(i, end), end
        following = next_code(self.tokens, i)
        end = next(j for j in range(i, len(self.tokens)) if self.tokens[j].text in (';', '=', ')', ',', '{'))
        names = [t.text for t in self.tokens[i:end] if is_code(t)]
        const = '' if 'const' in names else 'const'
        if depth or '*' in names or '&' in names or self.tokens[end].text not in (';', '='):
            return const, i + 1
        before = [t.text for t in self.tokens[max(0, i - 4):i] if is_code(t)]
        static = '' if before[-1:] == ['static'] else 'static '
        return '%s__device__ %s' % (static, const), i + 1 if const else following

    def kernel(self, i, kernel):
        """The kernel whose `kernel` is at i: there where TN_KERNEL_name is defined."""
        opening, closing = kernel.body
        attributes = [p for p in kernel.parameters if p.attribute != 'buffer']
        locals_ = ''.join(' %s %s = tn::%s();' % (p.scalar_type(), p.name, p.attribute) for p in attributes)
        bounds = ' __launch_bounds__(TN_BOUNDS_%s)' % kernel.name if kernel.name in BOUNDED else ''
        return '\n#ifdef TN_KERNEL_%s\n#line %d\nextern "C" __global__%s void %s(%s)%s{%s%s}\n#endif\n#line %d\n' % (
            kernel.name, self.tokens[i].line, bounds, kernel.name, self.parameters(kernel), self.lines(i, opening), locals_,
            self.range(opening + 1, closing, 1), self.tokens[closing].line), closing + 1

    def parameters(self, kernel):
        """In the order of their buffer indices, in which a launch names them."""
        return ', '.join('const __grid_constant__ %s %s' % (value_type(p), p.name) if p.is_reference() else
                         ' '.join([t.text for t in p.type if t.text not in ADDRESS_SPACES] + [p.name])
                         for p in buffers(self.source, kernel))

    def lines(self, start, end):
        """As many line breaks as there are from token start to token end."""
        return '\n' * (self.tokens[end].line - self.tokens[start].line)


def buffers(source, kernel):
    """A kernel's buffers by index; there is one for each index from 0 on."""
    found = sorted((p for p in kernel.parameters if p.attribute == 'buffer'), key=lambda p: p.index)
    if [p.index for p in found] != list(range(len(found))):
        raise SourceError('%s:%d: kernel %s: buffers are numbered from 0 on, with no gap' % (
            source.name, kernel.line, kernel.name))
    return found


def value_type(parameter):
    """The type of what `constant T &` refers to."""
    return ' '.join(t.text for t in parameter.type if t.text not in ADDRESS_SPACES + ('const', '&'))


def number(text):
    """Halves have no suffix in C++."""
    return 'half(%sf)' % text[:-1] if text.endswith('h') and not text.startswith('0x') else text


def header_text(source):
    """A header, included once."""
    return '#pragma once\n#line 1 "%s"\n%s' % (source.name, Rewriter(source).file())


class Output:
    """The C file: texts and tables."""

    def __init__(self, library):
        with open(library, encoding='utf-8') as file:
            self.headers = {STDLIB: file.read()}
        self.files, self.rows, self.names = {}, [], {}

    def add_args(self, root):
        with open(os.path.join(root, ARGS), encoding='utf-8') as file:
            self.headers[ARGS] = file.read()

    def add_file(self, source):
        for header in source.headers:
            self.headers.setdefault(header.name, header_text(header))
        words, constants = source.words(), source.constants()
        for kernel in source.parsed(lambda _: source.kernels()):
            if kernel.name in self.names:
                raise SourceError('%s:%d: kernel %s is in %s too' % (source.name, kernel.line, kernel.name,
                                                                    self.names[kernel.name]))
            self.names[kernel.name] = source.name
            used = words_reached(words, [kernel.name])
            mask = ' | '.join(['UINT64_C(1) << %s' % c.index for c in constants if c.name in used]) or '0'
            sizes = [self.size(p) for p in buffers(source, kernel)]
            self.rows.append('    {"%s", &tn_cuda_files[%d], %s, %d, {%s}},\n' % (
                kernel.name, len(self.files), mask, len(sizes), ', '.join(sizes or ['0'])))
        self.files[source.name] = Rewriter(source).file()

    @staticmethod
    def size(parameter):
        """C for the bytes of a parameter passed by value, 0 of a pointer."""
        if not parameter.is_reference():
            return '0'
        name = value_type(parameter)
        return 'sizeof(%s)' % C_TYPES.get(name, name)

    def c(self):
        parts = ['/* SPDX-License-Identifier: Apache-2.0 */\n'
                 '/* Made from metal/kernels and runtime/device/cuda by tools/mslx/cuda.py. */\n'
                 '#include "device/cuda/texts.h"\n\n#include "metal/args.h"\n\n']
        for kind, texts in (('headers', self.headers), ('files', self.files)):
            for i, (name, text) in enumerate(texts.items()):
                parts.append('static const char %s_%d[] = /* %s */\n%s;\n\n' % (kind, i, name, literal(text)))
            rows = ''.join('    {"%s", %s_%d},\n' % (name, kind, i) for i, name in enumerate(texts))
            parts.append('const tn_cuda_text tn_cuda_%s[] = {\n%s    {0},\n};\n\n' % (kind, rows))
        parts.append('const tn_cuda_entry tn_cuda_entries[] = {\n%s    {0},\n};\n' % ''.join(self.rows))
        return ''.join(parts)

    def write_texts(self, folder):
        for name, text in {**self.headers, **self.files}.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'w', encoding='utf-8') as file:
                file.write(text)


def literal(text):
    """Text as a C string, a line of it on each line."""
    escaped = text.replace('\\', '\\\\').replace('"', '\\"').replace('??', '?\\?')
    return '\n'.join('    "%s\\n"' % line for line in escaped.split('\n'))


def parse_arguments():
    parser = argparse.ArgumentParser(description='Translates .metal files to CUDA C++.')
    parser.add_argument('--root', default='.', help='the folder that the files are named from')
    parser.add_argument('--library', required=True, help='the stand-in for <metal_stdlib>')
    parser.add_argument('--texts', help='a folder for the translated files')
    parser.add_argument('-o', dest='out', help='the C file')
    parser.add_argument('files', nargs='+')
    return parser.parse_args()


def main():
    options = parse_arguments()
    output = Output(os.path.join(options.root, options.library))
    output.add_args(options.root)
    try:
        for name in options.files:
            output.add_file(Source(options.root, name))
    except SourceError as error:
        sys.exit(str(error))
    if options.texts:
        output.write_texts(options.texts)
    if options.out:
        with open(options.out, 'w', encoding='utf-8') as file:
            file.write(output.c())


if __name__ == '__main__':
    main()
