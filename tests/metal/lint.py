#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The kernels pass the lint; kernels with one mistake each do not, and get the right complaint. Also, mslx refuses what
it cannot translate with a line number instead of writing nonsense."""
import glob
import os
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.environ.get('TN_SRCDIR', '.')
sys.path.insert(0, os.path.join(ROOT, 'tools', 'mslx'))

from lint import lint, read  # noqa: E402
from mslx import Library  # noqa: E402
from sources import Source, SourceError  # noqa: E402

ARGS = read(ROOT, 'metal/args.h')

KERNEL = '''#include <metal_stdlib>
using namespace metal;
struct args { uint n; };
%s
kernel void k(device const float *x [[buffer(0)]], constant args &a [[buffer(1)]],
              uint3 at [[threadgroup_position_in_grid]], uint tid [[thread_index_in_threadgroup]]%s)
{
    %s
}
'''

# (before the kernel, further parameters, body, a word of the complaint or '' for none)
CASES = [
    ('', '', 'threadgroup float s[4]; s[tid] = x[tid * a.n];', ''),
    ('', '', 'device const float *row = x + at.y * a.n; float y = row[0] * row[1];', ''),
    ('static inline float f(device const float *p, thread float &y) { return y * p[0] * *p; }', '', '', ''),
    ('', '', 'uint m = a.n & 3u; bool b = tid == 0 && m * m > 2;', ''),
    ('', '', 'double y = 1.0f;', 'double'),
    ('', '', 'float y = 1.0;', '1.0f'),
    ('', '', 'float y = 1e-5;', '1e-5f'),
    ('', '', 'goto end; end: ;', 'goto'),
    ('', '', 'float *p = x;', 'address space'),
    ('', '', 'float y = *(const float *)x;', 'address space'),
    ('static inline float f(float *p) { return p[0]; }', '', '', 'address space'),
    ('static inline float f(args &p) { return p.n; }', '', '', 'address space'),
    ('static inline void *f(device void *p) { return p; }', '', '', 'address space'),
    ('#include <math.h>', '', '', 'include'),
    ('#define SQUARE(x) ((x) * (x))', '', '', 'inline function'),
    ('#ifdef WIDE', '', '', '#ifdef'),
    ('static inline uint f(uint n) { return n ? f(n - 1) : 0; }', '', '', 'recursion'),
    ('static inline uint g(uint n); static inline uint f(uint n) { return g(n); } '
     'static inline uint g(uint n) { return f(n); }', '', '', 'recursion'),
    ('static inline float f() { threadgroup float s[4]; return s[0]; }', '', '', 'only kernels'),
    ('', '', 'if (tid == 0) { threadgroup float s[4]; s[0] = 0.0f; }', 'top of the kernel'),
    ('', '', 'threadgroup float s[TN_SIMD_WIDTH * 256]; s[tid] = 0.0f;', ''),
    ('', '', 'threadgroup float s[TN_SIMD_WIDTH * 256]; threadgroup half t[1]; s[tid] = 0.0f;', '32784 bytes'),
    ('#define N (1 << 12)', '', 'threadgroup half3 s[2][N]; s[0][tid] = half3(0.0h);', '65536 bytes'),
    ('', '', 'threadgroup float s[a.n]; s[tid] = 0.0f;', 'no constant expression'),
    ('', '', 'threadgroup args s[4]; s[0].n = 0;', 'scalars and vectors'),
    ('', '', 'const uint n = 4; float y[n * sizeof(half4)]; y[0] = 0.0f;', ''),
    ('', '', 'float y[a.n]; y[0] = 0.0f;', 'no constant expression'),
    ('constant uint N [[function_constant(TN_FC_ROWS)]];', '', 'float y[N]; y[0] = 0.0f;', 'no constant expression'),
    ('constant uint N [[function_constant(TN_FC_ROWS)]];', '', 'if (N == 4) return;', ''),
    ('constant uint N [[function_constant(1)]];', '', '', 'no TN_FC_'),
    ('constant uint N [[function_constant(TN_FC_OTHER)]];', '', '', 'no TN_FC_'),
    ('constant int N [[function_constant(TN_FC_ROWS)]];', '', '', 'constant uint NAME'),
    ('constant uint N [[function_constant(TN_FC_ROWS)]]; constant uint N [[function_constant(TN_FC_ROWS)]];', '', '',
     'twice'),
    ('', '', 'float4 y = float4(1.0f); y.x = y.w;', ''),
    ('', '', 'float4 y = float4(1.0f); float2 z = y.xy;', 'one component'),
    ('', '', 'bfloat y = bfloat(1.0f);', 'bfloat'),
    ('', '', 'long y = 1;', 'ulong'),
    ('', '', 'uint64_t y = 1;', 'uint'),
    ('', '', 'ulong2 y = ulong2(0, 0);', ''),
    ('', '', 'ulong4 y = ulong4(0);', 'types of metal/README.md'),
    ('', '', 'packed_float3 y;', 'types of metal/README.md'),
    ('', '', 'float4x4 y;', 'types of metal/README.md'),
    ('', '', 'device atomic_uint *y = (device atomic_uint *)x;', 'atomics'),
    ('', '', 'float y = INFINITY;', 'finite'),
    ('', '', 'float y = pow(x[0], 2.0f) + precise::exp(x[1]);', 'pow()'),
    ('', '', 'float y = simd_prefix_inclusive_sum(x[0]);', 'simd_prefix_inclusive_sum()'),
    ('', '', 'float y = metal::max(x[0], float(tid)) + as_type<float>(a.n);', ''),
    ('', '', 'simdgroup_float8x8 m; simdgroup_load(m, x, a.n); simdgroup_load(m, x, 8, ulong2(0, 0), true);', ''),
    ('', '', 'simdgroup_float8x8 m; simdgroup_load(m, x, 8, ulong2(0, 0), false);', 'true)'),
    ('', '', 'simdgroup_float8x8 m; simdgroup_load(m, x);', 'true)'),
    ('', '', 'simdgroup_half8x8 m; threadgroup half t[64]; simdgroup_store(m, t, 8, ulong2(0, 0), true);', 'stride)'),
    ('', '', 'threadgroup_barrier(mem_flags::mem_threadgroup);', ''),
    ('', '', 'threadgroup_barrier(mem_flags::mem_device);', 'mem_threadgroup'),
    ('', '', 'simdgroup_barrier(mem_flags::mem_none);', 'mem_threadgroup'),
    ('', '', 'threadgroup_barrier(mem_flags::mem_threadgroup); simdgroup_barrier(mem_flags::mem_threadgroup);',
     'second one'),
    ('static inline void f() { threadgroup_barrier(mem_flags::mem_threadgroup); }', '', '', 'only kernels have barriers'),
    ('inline void f() { }', '', '', 'static inline'),
    ('static inline uint f() { static uint n = 0; return n; }', '', '', 'no static variables'),
    ('#pragma unroll', '', '', ''),
    ('#pragma omp for', '', '', 'pragma'),
    ('', '', 'auto f = [&](uint i) { return i; };', 'lambda'),
    ('', '', 'float y = std::max(1.0f, 2.0f);', 'metal::'),
    ('template <class T> T id(T x) { return x; }', '', '', 'template'),
    ('', ', device float *y [[buffer(0)]]', '', 'taken'),
    ('', ', device float *y [[buffer(31)]]', '', 'over 30'),
    ('', ', float y [[buffer(2)]]', '', 'buffers are'),
    ('', ', device float &y [[buffer(2)]]', '', 'buffers are'),
    ('', ', constant args *b [[buffer(2)]]', '', 'buffers are'),
    ('', ', device float *y [[buffer(3)]]', '', 'without a gap'),
    ('', ', uint gid [[thread_position_in_grid]]', '', 'different types'),
    ('', ', int lane [[thread_index_in_simdgroup]]', '', 'uint or ushort'),
    ('', ', uint lane [[thread_index_in_quadgroup]]', '', 'not supported'),
    ('', ', uint lane', '', 'attribute'),
]

# Files that include or stand beside one another: ({name: text}, a word of the complaint or '').
GUARDED = '#ifndef H\n#define H\n#include <metal_stdlib>\n%s\n#endif\n'
PLAIN = 'kernel void %s(device float *x [[buffer(0)]]) { x[0] = 0.0f; }\n'
USES = '#include "metal/kernels/h.h"\nkernel void k(device float *x [[buffer(0)]]) { x[0] = f(x); }\n'
ROWS = 'constant uint %s [[function_constant(TN_FC_%s)]];\n'
FILES = [
    ({'h.h': GUARDED % 'static inline float f(device float *p) { return p[0]; }', 'a.metal': USES}, ''),
    ({'h.h': GUARDED % 'static inline float f(float *p) { return p[0]; }', 'a.metal': USES}, 'address space'),
    ({'h.h': '#ifdef H\n#endif\n', 'a.metal': USES}, '#ifdef'),
    ({'h.h': GUARDED % (PLAIN % 'f'), 'a.metal': USES}, 'kernels are in .metal files'),
    ({'h.h': GUARDED % 'static inline float f(device float *p) { return g(p); }', 'a.metal': USES}, 'g()'),
    ({'a.metal': PLAIN % 'k', 'b.metal': PLAIN % 'l'}, ''),
    ({'a.metal': PLAIN % 'k', 'b.metal': PLAIN % 'k'}, 'is in metal/kernels/a.metal too'),
    ({'a.metal': ROWS % ('N', 'ROWS'), 'b.metal': ROWS % ('N', 'ROWS')}, ''),
    ({'a.metal': ROWS % ('N', 'ROWS'), 'b.metal': ROWS % ('M', 'ROWS')}, 'is called N elsewhere'),
    ({'a.metal': ROWS % ('N', 'ROWS'), 'b.metal': ROWS % ('N', 'BITS')}, 'elsewhere TN_FC_ROWS'),
]

# What mslx itself refuses: (source, a word of the message).
REFUSED = [
    ('kernel float k() { return 1.0f; }', 'kernel void'),
    ('kernel void k();', 'no body'),
    ('kernel void k(device float *x [[buffer(0)]]) { threadgroup s; }', 'threadgroup type name'),
    ('kernel void k(device float *x [[buffer(N)]]) { }', 'buffer(number)'),
    ('kernel void k(device float *x [[buffer(0)]]) { if (x) { }', 'never closed'),
]


def check(number, name, problem):
    print('%s %d - %s' % ('not ok' if problem else 'ok', number, name))
    if problem:
        print('# %s' % problem)
    return bool(problem)


def texts_of(complaints):
    return '; '.join('%s:%d: %s' % c for c in complaints)


def own_files_pass():
    files = sorted(glob.glob(os.path.join(ROOT, 'metal', 'kernels', '*.metal')))
    kernels = [Source(ROOT, os.path.relpath(f, ROOT)) for f in files]
    language = [Source(ROOT, 'tests/metal/language.metal')]
    return texts_of(lint(kernels, ARGS) + lint(language, ARGS)) if files else 'no kernels found'


def said(complaints, word):
    """What is wrong with complaints of which one should have `word`, or none at all."""
    if not word:
        return texts_of(complaints)
    return '' if any(word in text for _, _, text in complaints) else 'said: %s' % texts_of(complaints)


def lint_case(before, parameters, body, word):
    return said(lint([Source('', 'test.metal', KERNEL % (before, parameters, body))], ARGS), word)


def files_case(files, word):
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, 'metal', 'kernels'))
        for name, text in files.items():
            with open(os.path.join(root, 'metal', 'kernels', name), 'w', encoding='utf-8') as file:
                file.write(text)
        return said(lint([Source(root, 'metal/kernels/' + n) for n in files if n.endswith('.metal')], ARGS), word)


def refused_case(source, word):
    try:
        Library().add_file(Source('', 'test.metal', '\n' + source))
    except SourceError as error:
        return '' if word in str(error) and str(error).startswith('test.metal:2: ') else 'said: %s' % error
    return 'translated'


def main():
    cases = [('the kernels of metal/kernels', own_files_pass, ())]
    cases += [(' '.join(filter(None, c[:3])) or 'plain', lint_case, c) for c in CASES]
    cases += [('files: %s' % (word or 'fine'), files_case, (files, word)) for files, word in FILES]
    cases += [('refused: ' + c[0], refused_case, c) for c in REFUSED]
    print('1..%d' % len(cases))
    failed = [check(i + 1, name.replace('#', ''), run(*arguments)) for i, (name, run, arguments) in enumerate(cases)]
    sys.exit(1 if any(failed) else 0)


if __name__ == '__main__':
    main()
