# SPDX-License-Identifier: Apache-2.0
"""The part of the Metal Shading Language that kernels are written in, as metal/README.md has it: its words."""

SCALARS = {'bool': 1, 'char': 1, 'uchar': 1, 'short': 2, 'ushort': 2, 'int': 4, 'uint': 4, 'ulong': 8, 'half': 2,
           'float': 4}  # bytes
ELEMENTS = ('float', 'half', 'uint', 'int', 'ushort', 'short', 'uchar', 'char')  # of vectors
VECTORS = {'%s%d' % (e, n): (4 if n == 3 else n) * SCALARS[e] for e in ELEMENTS for n in (2, 3, 4)}
MATRICES = ('simdgroup_float8x8', 'simdgroup_half8x8')

FUNCTIONS = ('abs', 'min', 'max', 'clamp', 'floor', 'ceil', 'rint', 'round', 'fma', 'select', 'popcount', 'exp', 'exp2',
             'log', 'log2', 'sin', 'cos', 'tanh', 'sqrt', 'rsqrt', 'dot', 'as_type')
MEETINGS = ('simd_sum', 'simd_max', 'simd_min', 'simd_shuffle', 'simd_shuffle_xor', 'simd_shuffle_down', 'simd_broadcast',
            'simdgroup_load', 'simdgroup_store', 'make_filled_simdgroup_matrix', 'simdgroup_multiply_accumulate')
BARRIERS = ('threadgroup_barrier', 'simdgroup_barrier')

# Words followed by ( that call nothing.
STATEMENTS = ('if', 'for', 'while', 'switch', 'return', 'sizeof', 'case', 'function_constant', 'buffer')

FORBIDDEN = {
    'double': 'Metal has no double',
    'bfloat': 'older GPUs have no bfloat',
    'goto': 'Metal has no goto',
    'new': 'Metal has no heap', 'delete': 'Metal has no heap',
    'try': 'Metal has no exceptions', 'catch': 'Metal has no exceptions', 'throw': 'Metal has no exceptions',
    'virtual': 'Metal has no virtual functions', 'dynamic_cast': 'Metal has no run-time types',
    'typeid': 'Metal has no run-time types', 'thread_local': 'Metal has no thread_local',
    'asm': 'no assembly in kernels',
    'std': 'the standard library of Metal is metal::',
    'printf': 'kernels cannot print',
    'template': 'no templates: a function constant chooses', 'typename': 'no templates: a function constant chooses',
    'class': 'write struct', 'operator': 'no operators of our own', 'union': 'as_type<> looks at bits',
    'INFINITY': 'a large finite number stands for it', 'NAN': 'fast arithmetic knows no NaN',
    'long': 'write ulong, or an int', 'unsigned': 'write uint', 'signed': 'write int or char',
    'size_t': 'write uint or ulong',
    'bfloat16': 'older GPUs have no bfloat', 'volatile': 'barriers order memory', 'extern': 'functions are static inline',
    'thread_elements': 'which lane holds what is nobody\'s business',
}
for _bits in (8, 16, 32, 64):
    for _sign in ('int%d_t', 'uint%d_t'):
        FORBIDDEN[_sign % _bits] = 'write char, uchar, short, ushort, int, uint or ulong'
