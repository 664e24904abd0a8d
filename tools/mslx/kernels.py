# SPDX-License-Identifier: Apache-2.0
"""What a .metal file declares: kernels with their parameters and attributes, functions, function constants, threadgroup
variables."""
from typing import NamedTuple, Optional

from tokens import CLOSING, MslError, code, find_close, is_code, next_code, split_commas, text_of

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


class FunctionConstant(NamedTuple):
    """constant uint NAME [[function_constant(INDEX)]];"""
    name: str
    index: str  # an expression: a name of metal/args.h
    line: int


class Function(NamedTuple):
    name: str
    name_at: int  # indices of its name, of its body's { and }
    body: int
    end: int


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


def find_functions(tokens):
    """All functions that have a body, kernels included, in the order of the file."""
    i, found = 0, []
    while i < len(tokens):
        if tokens[i].text == '(' and tokens[i].kind == 'mark':
            close = find_close(tokens, i)
            body = next_code(tokens, close)
            if body < len(tokens) and tokens[body].text == '{':
                name = max(j for j in range(i) if tokens[j].kind == 'name')
                found.append(Function(tokens[name].text, name, body, find_close(tokens, body)))
                i = found[-1].end
            else:
                i = close
        i += 1
    return found


def find_constants(tokens):
    """All function constants, in the order of the file."""
    found = []
    for i, token in enumerate(tokens):
        if token.kind != 'name' or token.text != 'function_constant':
            continue
        opening = next_code(tokens, i)
        before = [j for j in range(i) if is_code(tokens[j])][-4:]
        if [tokens[j].text for j in before[:2]] != ['constant', 'uint'] or tokens[before[3]].text != '[[':
            raise MslError('line %d: expected "constant uint NAME [[function_constant(INDEX)]];"' % token.line)
        index = text_of(tokens[opening + 1:find_close(tokens, opening)])
        found.append(FunctionConstant(tokens[before[2]].text, index, token.line))
    return found


def is_threadgroup_variable(tokens, i):
    """Whether `threadgroup` at i begins a variable rather than qualifies a pointer or reference."""
    i = next_code(tokens, i)
    while i < len(tokens) and (tokens[i].kind == 'name' or tokens[i].text == '::'):
        i = next_code(tokens, i)
    return i < len(tokens) and tokens[i].text not in '*&'


def threadgroup_variable(tokens, start):
    """Of the declaration at start, `threadgroup float name[4][8];`: its type, name and brackets as tokens, and the index
    of its semicolon."""
    end = start
    while tokens[end].text not in (';', ',', '=', ')', '{', '}'):
        end = find_close(tokens, end) + 1 if tokens[end].text in CLOSING else end + 1
    declaration = code(tokens[start + 1:end])
    first_bracket = next((i for i, t in enumerate(declaration) if t.text == '['), len(declaration))
    if tokens[end].text != ';' or first_bracket < 2:
        raise MslError('line %d: expected "threadgroup type name[...];", one a declaration' % tokens[start].line)
    return declaration[:first_bracket - 1], declaration[first_bracket - 1], declaration[first_bracket:], end


def words_reached(functions, start):
    """All names in `start`, and in the functions that it names, and so on. functions: {name: set of names in its body}."""
    reached, todo = set(start), list(start)
    while todo:
        for word in functions.get(todo.pop(), ()):
            if word not in reached:
                reached.add(word)
                todo.append(word)
    return reached
