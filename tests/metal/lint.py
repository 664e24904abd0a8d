#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The kernels pass the lint; kernels with one mistake each do not, and get the right complaint. Also, mslx refuses what
it cannot translate with a line number instead of writing nonsense."""
import glob
import os
import sys

sys.dont_write_bytecode = True
ROOT = os.environ.get('TN_SRCDIR', '.')
sys.path.insert(0, os.path.join(ROOT, 'tools', 'mslx'))

from lint import lint, read  # noqa: E402
from mslx import Library  # noqa: E402
from sources import Source, SourceError  # noqa: E402

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
    ('inline float f(device const float *p, thread float &y) { return y * p[0] * *p; }', '', '', ''),
    ('', '', 'uint m = a.n & 3u; bool b = tid == 0 && m * m > 2;', ''),
    ('', '', 'double y = 1.0f;', 'double'),
    ('', '', 'float y = 1.0;', '1.0f'),
    ('', '', 'float y = 1e-5;', '1e-5f'),
    ('', '', 'goto end; end: ;', 'goto'),
    ('', '', 'float *p = x;', 'address space'),
    ('', '', 'float y = *(const float *)x;', 'address space'),
    ('inline float f(float *p) { return p[0]; }', '', '', 'address space'),
    ('inline float f(args &p) { return p.n; }', '', '', 'address space'),
    ('inline void *f(device void *p) { return p; }', '', '', 'address space'),
    ('#include <math.h>', '', '', 'include'),
    ('#define SQUARE(x) ((x) * (x))', '', '', 'inline function'),
    ('#ifdef WIDE', '', '', '#ifdef'),
    ('inline uint f(uint n) { return n ? f(n - 1) : 0; }', '', '', 'recursion'),
    ('inline uint g(uint n); inline uint f(uint n) { return g(n); } inline uint g(uint n) { return f(n); }', '', '',
     'recursion'),
    ('inline float f() { threadgroup float s[4]; return s[0]; }', '', '', 'only kernels'),
    ('', '', 'if (tid == 0) { threadgroup float s[4]; s[0] = 0.0f; }', 'top of the kernel'),
    ('', '', 'auto f = [&](uint i) { return i; };', 'lambda'),
    ('', '', 'float y = std::max(1.0f, 2.0f);', 'metal::'),
    ('template <class T> T id(T x) { return x; }', '', '', 'template'),
    ('', ', device float *y [[buffer(0)]]', '', 'taken'),
    ('', ', device float *y [[buffer(31)]]', '', 'over 30'),
    ('', ', float y [[buffer(2)]]', '', 'buffers are'),
    ('', ', device float &y [[buffer(2)]]', '', 'buffers are'),
    ('', ', constant args *b [[buffer(2)]]', '', 'buffers are'),
    ('', ', uint gid [[thread_position_in_grid]]', '', 'different types'),
    ('', ', int lane [[thread_index_in_simdgroup]]', '', 'uint or ushort'),
    ('', ', uint lane [[thread_index_in_quadgroup]]', '', 'not supported'),
    ('', ', uint lane', '', 'attribute'),
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


def kernels_pass():
    headers = read(ROOT, 'metal/args.h')
    files = sorted(glob.glob(os.path.join(ROOT, 'metal', 'kernels', '*.metal')))
    bad = ['%s:%d: %s' % (os.path.basename(f), line, text) for f in files for line, text in lint(read('', f), headers)]
    return '; '.join(bad) if bad else '' if files else 'no kernels found'


def lint_case(before, parameters, body, word):
    complaints = lint(KERNEL % (before, parameters, body))
    if not word:
        return '; '.join(text for _, text in complaints)
    return '' if any(word in text for _, text in complaints) else 'said: %s' % complaints


def refused_case(source, word):
    try:
        Library().add_file(Source('', 'test.metal', '\n' + source))
    except SourceError as error:
        return '' if word in str(error) and str(error).startswith('test.metal:2: ') else 'said: %s' % error
    return 'translated'


def main():
    print('1..%d' % (1 + len(CASES) + len(REFUSED)))
    failed = check(1, 'the kernels of metal/kernels', kernels_pass())
    for i, case in enumerate(CASES):
        failed += check(2 + i, ' '.join(filter(None, case[:3])).replace('#', '') or 'plain', lint_case(*case))
    for i, case in enumerate(REFUSED):
        failed += check(2 + len(CASES) + i, 'refused: ' + case[0].replace('#', ''), refused_case(*case))
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
