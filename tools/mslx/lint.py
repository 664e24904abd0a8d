#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Complains about .metal files that the simulator would run and a Metal compiler would refuse, or that leave the part of
the language that metal/README.md describes. The simulator erases address spaces and runs C++17; this looks at what it
cannot see.

usage: lint.py [--root DIR] FILE.metal...

Looks at the headers of metal/kernels that the files include too, and at how the files agree with one another. Prints
"file:line: complaint" and exits 1 when there is one.
"""
import argparse
import os
import re
import sys

import rules
import sizes
from sources import Source, SourceError
from tokens import MslError, tokenize

ARGS = 'metal/args.h'


def lint_file(unit):
    """All complaints about one file as (file, line, text)."""
    found = []
    for rule in rules.RULES + sizes.RULES:
        try:
            found += rule(unit)
        except MslError as error:
            line, text = re.match(r'line (\d+): (.*)', str(error), re.S).groups()
            found.append((int(line), text))
    return {(unit.source.name, line, text) for line, text in found}


def lint(sources, args):
    """All complaints about .metal files and their headers, sorted. args: the text of metal/args.h."""
    found = set()
    for source in sources:
        for file in source.all():
            try:
                found |= lint_file(rules.Unit(file, source.all(), tokenize(args)))
            except MslError as error:
                line, text = re.match(r'line (\d+): (.*)', str(error), re.S).groups()
                found.add((file.name, int(line), text))
    return sorted(found | set(disagreements(sources)))


def disagreements(sources):
    """Kernels of one name in two files; function constants that have another name or number in another file."""
    kernels, names, indices = {}, {}, {}
    for source in sources:
        try:
            for k in source.kernels():
                if kernels.setdefault(k.name, source.name) != source.name:
                    yield source.name, k.line, 'kernel %s is in %s too' % (k.name, kernels[k.name])
            for c in source.constants():
                if names.setdefault(c.index, c.name) != c.name:
                    yield source.name, c.line, '%s: function_constant(%s) is called %s elsewhere' % (
                        c.name, c.index, names[c.index])
                if indices.setdefault(c.name, c.index) != c.index:
                    yield source.name, c.line, '%s: function_constant(%s), elsewhere %s' % (c.name, c.index, indices[c.name])
        except (MslError, SourceError):
            pass  # said by the rules


def read(root, name):
    with open(os.path.join(root, name), encoding='utf-8') as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description='Complains about .metal files.')
    parser.add_argument('--root', default='.', help='the folder that the files are named from')
    parser.add_argument('files', nargs='+')
    options = parser.parse_args()
    try:
        complaints = lint([Source(options.root, name) for name in options.files], read(options.root, ARGS))
    except SourceError as error:
        sys.exit(str(error))
    for complaint in complaints:
        print('%s:%d: %s' % complaint)
    sys.exit(1 if complaints else 0)


if __name__ == '__main__':
    main()
