# SPDX-License-Identifier: Apache-2.0
"""The kernel functions of a .metal file: names, parameters, attributes."""
from typing import NamedTuple, Optional

from tokens import MslError, code, find_close, next_code, split_commas

ADDRESS_SPACES = ('device', 'constant', 'threadgroup', 'thread')

# Attributes by which a thread learns where it is: their values are positions and sizes (x, y, z) or plain numbers.
POSITIONS = ('thread_position_in_grid', 'threadgroup_position_in_grid', 'threadgroups_per_grid',
             'thread_position_in_threadgroup', 'threads_per_threadgroup')
NUMBERS = ('thread_index_in_threadgroup', 'thread_index_in_simdgroup', 'simdgroup_index_in_threadgroup',
           'simdgroups_per_threadgroup')


class Parameter(NamedTuple):
    name: str
    type: list        # its code tokens: address space, type, * or &
    attribute: str    # 'buffer', or one of POSITIONS or NUMBERS
    index: Optional[int]  # of a buffer
    line: int

    def is_reference(self):
        return self.type[-1].text == '&'

    def host_type(self):
        """The type that a pointer or reference refers to, without address space."""
        words = ['const' if t.text == 'constant' else t.text for t in self.type
                 if t.text not in ('device', 'thread', 'threadgroup') and t.text not in '*&']
        return ' '.join(words)

    def scalar_type(self):
        return ' '.join(t.text for t in self.type)


class Kernel(NamedTuple):
    name: str
    parameters: list
    line: int
    body: tuple  # indices of { and } of its body


def find_kernels(tokens):
    """All kernels, in the order of the file."""
    return [parse_kernel(tokens, i) for i, t in enumerate(tokens) if t.kind == 'name' and t.text == 'kernel']


def parse_kernel(tokens, start):
    """The kernel whose `kernel` is tokens[start]: kernel void name(parameters) { body }."""
    at = next_code(tokens, start)
    name = next_code(tokens, at)
    opening = next_code(tokens, name)
    if tokens[at].text != 'void' or tokens[opening].text != '(':
        raise MslError('line %d: expected "kernel void name(...)"' % tokens[start].line)
    closing = find_close(tokens, opening)
    body = next_code(tokens, closing)
    if tokens[body].text != '{':
        raise MslError('line %d: kernel %s has no body' % (tokens[start].line, tokens[name].text))
    parameters = [parse_parameter(p) for p in split_commas(tokens[opening + 1:closing])]
    return Kernel(tokens[name].text, parameters, tokens[start].line, (body, find_close(tokens, body)))


def parse_parameter(tokens):
    """type name [[attribute]] or type name [[buffer(n)]]."""
    tokens = code(tokens)
    line = tokens[0].line
    opening = next((i for i, t in enumerate(tokens) if t.text == '[['), None)
    if opening is None or opening < 2 or tokens[-1].text != ']]':
        raise MslError('line %d: a kernel parameter needs a type, a name and one [[attribute]]' % line)
    attribute = [t.text for t in tokens[opening + 1:-1]]
    index = None
    if attribute[0] == 'buffer':
        if len(attribute) != 4 or not attribute[2].isdigit():
            raise MslError('line %d: expected [[buffer(number)]]' % line)
        index = int(attribute[2])
    elif len(attribute) != 1 or attribute[0] not in POSITIONS + NUMBERS:
        raise MslError('line %d: attribute [[%s]] is not supported' % (line, ' '.join(attribute)))
    return Parameter(tokens[opening - 1].text, tokens[:opening - 1], attribute[0], index, line)
