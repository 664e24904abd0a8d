#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Complains about address spaces, types and overloads of .metal files by letting clang look at them as C++ for OpenCL,
which has the address spaces and vectors of the Metal Shading Language. Nothing is compiled to anything.

usage: opencl.py [--root DIR] [--clang CLANG] FILE.metal...

Prints clang's complaints under the names and lines of the sources, and pointers and references that have no address space,
which OpenCL would allow. Exits 1 when there is one, 2 when there is no clang that knows C++ for OpenCL.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

from kernels import ADDRESS_SPACES
from language import VECTORS
from sources import Source, SourceError, located
from tokens import MslError, find_close, next_code

CLANGS = ['clang'] + ['clang-%d' % n for n in range(19, 13, -1)]
FLAGS = ['-x', 'clcpp', '-cl-std=CLC++2021', '-cl-no-stdinc', '-fsyntax-only', '-D__METAL_VERSION__=310']
SPACES = dict(zip(ADDRESS_SPACES, ('__global', '__constant', '__local', '__private')))
STDLIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'metal_stdlib.clh')


def find_clang():
    """The first clang that takes C++ for OpenCL, or None."""
    for name in CLANGS:
        if shutil.which(name) and run_clang(name, ['-'], 'kernel void k() {}\n').returncode == 0:
            return name
    return None


def run_clang(clang, arguments, text):
    return subprocess.run([clang] + FLAGS + arguments, input=text, capture_output=True, encoding='utf-8', check=False)


def rewrite(source):
    """The tokens of a source as C++ for OpenCL, in the same lines."""
    tokens, out, i = source.tokens, [], 0
    while i < len(tokens):
        token = tokens[i]
        text = token.text
        if text == '[[':
            i = find_close(tokens, i)
            text = ''
        elif token.kind == 'directive' and '<metal_stdlib>' in text:
            text = ''
        elif token.kind == 'name' and text in SPACES:
            text = ('extern ' if is_function_constant(tokens, i) else '') + SPACES[text]
        elif token.kind == 'name' and (text in VECTORS or text == 'ulong2') and tokens[next_code(tokens, i)].text == '(':
            text = 'metal::make_' + text  # T(a, b) would be a C cast of b
        out.append(text)
        i += 1
    return ''.join(out)


def is_function_constant(tokens, i):
    while tokens[i].text not in (';', '=', ')', ',', '{'):
        if tokens[i].text == 'function_constant':
            return True
        i += 1
    return False


def write_files(folder, source):
    """A .metal file and its headers, rewritten, below a folder."""
    for file in source.all():
        path = os.path.join(folder, file.name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            text = rewrite(file) + ('\n#pragma once\n' if file is not source else '')
        except MslError as error:
            raise SourceError(located(file.name, error)) from error
        with open(path, 'w', encoding='utf-8') as out:
            out.write(text)


DECLARATION = re.compile(r"(?:VarDecl|ParmVarDecl|FieldDecl|FunctionDecl|CStyleCastExpr) 0x")
PLACE = re.compile(r'\b(?:line:(\d+):\d+|col:\d+)|([^\s<>:,]+):(\d+):\d+')


def without_space(tree):
    """"file:line: complaint" for the pointers and references of our sources that point to no address space. tree: clang's
    dump of what it has read, in which a place is named when it differs from the one before."""
    file, line = '', 0
    implicit = None  # the indentation of something that the compiler has made
    for text in tree.split('\n'):
        head, _, rest = text.partition('> ')
        for match in PLACE.finditer(head[head.find('<') + 1:] + ' ' + rest.split("'")[0]):
            file, line = match.group(2) or file, int(match.group(1) or match.group(3) or line)
        indentation = len(text) - len(text.lstrip('|`- '))
        if implicit is not None and indentation > implicit:
            continue
        implicit = indentation if ' implicit ' in rest else None
        if implicit is None and DECLARATION.search(text) and '__generic' in rest and file != STDLIB:
            yield '%s:%d: a pointer or reference without an address space: %s' % (file, line, rest.strip())


def complaints(clang, root, source):
    """What clang says about a file, as lines."""
    with tempfile.TemporaryDirectory() as folder:
        write_files(folder, source)
        arguments = ['-I', folder, '-I', root, '-include', STDLIB, '-Xclang', '-ast-dump', '-fno-color-diagnostics']
        result = run_clang(clang, arguments + [os.path.join(folder, source.name)], '')
        found = sorted(set(without_space(result.stdout)))
        found += [result.stderr] if result.returncode or 'warning:' in result.stderr else []
        return [text.replace(folder + os.sep, '') for text in found]


def main():
    parser = argparse.ArgumentParser(description='Lets clang look at .metal files as C++ for OpenCL.')
    parser.add_argument('--root', default='.', help='the folder that the files are named from')
    parser.add_argument('--clang', default=None)
    parser.add_argument('files', nargs='+')
    options = parser.parse_args()
    clang = options.clang or find_clang()
    if not clang:
        print('no clang that knows C++ for OpenCL (looked for %s)' % ', '.join(CLANGS))
        sys.exit(2)
    bad = 0
    for name in options.files:
        try:
            for text in complaints(clang, options.root, Source(options.root, name)):
                print(text.rstrip())
                bad = 1
        except SourceError as error:
            sys.exit(str(error))
    sys.exit(bad)


if __name__ == '__main__':
    main()
