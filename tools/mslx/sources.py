# SPDX-License-Identifier: Apache-2.0
"""A .metal file together with the headers of metal/kernels that it includes."""
import os
import re

from kernels import find_constants, find_functions, find_kernels
from tokens import MslError, tokenize

OWN_HEADER = re.compile(r'#\s*include\s+"(metal/kernels/[^"]+\.h)"')


class SourceError(Exception):
    """A mistake in a .metal file or header; the message begins with file:line."""


def own_header(token):
    """The header of ours that a directive includes, or None."""
    match = OWN_HEADER.match(token.text) if token.kind == 'directive' else None
    return match.group(1) if match else None


class Source:
    """One file: its name, text and tokens; headers: those it includes and those they include, each once, in the order in
    which a compiler meets them."""

    def __init__(self, root, name, text=None, seen=None):
        self.name = name
        if text is None:
            with open(os.path.join(root, name), encoding='utf-8') as file:
                text = file.read()
        self.text = text
        self.tokens = tokenize(text)
        self.headers = []
        seen = {} if seen is None else seen
        for token in self.tokens:
            header = own_header(token)
            if header and header not in seen:
                seen[header] = None
                try:
                    included = Source(root, header, None, seen)
                except OSError as error:
                    raise SourceError('%s:%d: %s: %s' % (name, token.line, header, error.strerror)) from error
                self.headers += included.headers + [included]

    def all(self):
        """The headers, then the file itself."""
        return self.headers + [self]

    def kernels(self):
        return find_kernels(self.tokens)

    def constants(self):
        """The function constants of the file and its headers."""
        return [c for source in self.all() for c in source.parsed(find_constants)]

    def words(self):
        """{name: the names in it} of every function and macro of the file and its headers."""
        found = {}
        for source in self.all():
            for f in source.parsed(find_functions):
                found.setdefault(f.name, set()).update(t.text for t in source.tokens[f.body:f.end] if t.kind == 'name')
            for name, text in source.macros():
                found.setdefault(name, set()).update(re.findall(r'[A-Za-z_]\w*', text))
        return found

    def macros(self):
        """(name, text) of each #define."""
        matches = (re.match(r'#\s*define\s+(\w+)(.*)', t.text, re.S) for t in self.tokens if t.kind == 'directive')
        return [m.groups() for m in matches if m]

    def parsed(self, find):
        """find(tokens), whose errors get this file's name."""
        try:
            return find(self.tokens)
        except MslError as error:
            raise SourceError(located(self.name, error)) from error


def located(name, error):
    """"line 7: text" of a file as "file:7: text"."""
    line, text = re.match(r'line (\d+): (.*)', str(error), re.S).groups()
    return '%s:%s: %s' % (name, line, text)
