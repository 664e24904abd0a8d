#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang, which knows the address spaces of C++ for OpenCL, has no complaint about the kernels; about kernels with one mistake
each it has the right one."""
import glob
import os
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.environ.get('TN_SRCDIR', '.')
sys.path.insert(0, os.path.join(ROOT, 'tools', 'mslx'))

from opencl import CLANGS, complaints, find_clang  # noqa: E402
from sources import Source  # noqa: E402

KERNEL = '''#include <metal_stdlib>
#include "metal/args.h"
#include "metal/kernels/h.h"
using namespace metal;
constant uint ROWS [[function_constant(TN_FC_ROWS)]];
constant float TABLE[2] = {0.5f, 1.0f};
%s
kernel void k(device float *x [[buffer(0)]], device const half *h [[buffer(1)]], constant tn_element_args &a [[buffer(2)]],
              uint3 at [[threadgroup_position_in_grid]], uint tid [[thread_index_in_threadgroup]])
{
    threadgroup float s[4];
    float y[3] = {0.0f};
    %s
}
'''
HEADER = '''#ifndef H
#define H
#include <metal_stdlib>
using namespace metal;
struct part { device const float *from; float4 v; };
static inline float first(threadgroup const float *p) { return p[0]; }
static inline float first(device const float *p) { return p[0]; }
static inline float last(thread const float *p, uint n) { return p[n - 1]; }
#endif
'''

# (before the kernel, body, a word of the complaint or '' for none)
CASES = [
    ('', 's[tid] = first(s) + first(x) + last(y, 3) + TABLE[ROWS];', ''),
    ('', 'part p; p.from = x; p.v = float4(1.0f, 2.0f, 3.0f, 4.0f) * a.f; part q = p; x[0] = q.v.w;', ''),
    ('', 'tn_metal_token t = ((device const tn_metal_token *)x)[tid]; x[0] = float(t.id);', ''),
    ('', 'simdgroup_half8x8 m; simdgroup_load(m, h, 8); simdgroup_float8x8 n = make_filled_simdgroup_matrix<float, 8, 8>(0.0f); '
     'simdgroup_multiply_accumulate(n, m, m, n); simdgroup_store(n, s, 8);', ''),
    ('', 'x[0] = last(x, 3);', "no matching function for call to 'last'"),
    ('static inline void put(threadgroup float *p) { p[0] = 0.0f; }', 'put(x);', "no matching function for call to 'put'"),
    ('static inline void put(device float *p) { p[0] = 0.0f; }', 'put(s);', "no matching function for call to 'put'"),
    ('static inline void put(thread float &p) { p = 0.0f; }', 'put(s[0]);', "no matching function for call to 'put'"),
    ('', 'threadgroup float *p = x;', 'cannot initialize'),
    ('', 'device const float *p = &a.f;', 'cannot initialize'),
    ('', 'device float *p = (device float *)s;', "C-style cast from '__local float *'"),
    ('', 'x[0] = first(TABLE);', "no matching function for call to 'first'"),
    ('', 'a.f = 1.0f;', 'read-only'),
    ('', 'float *p = y; p[0] = 1.0f;', 'without an address space'),
    ('', 'x[0] = *(const float *)x;', 'without an address space'),
    ('static inline float f(float *p) { return p[0]; }', '', 'without an address space'),
    ('static inline float f(const float &p) { return p; }', '', 'without an address space'),
    ('struct wrong { float *p; };', '', 'without an address space'),
    ('', 'half4 v = half4(1.0h) + float4(1.0f);', 'implicit conversions between vector types'),
    ('', 'float2 v = float4(1.0f);', 'cannot initialize'),
    ('', 'float3 v = float3(1.0f, 2.0f);', 'make_float3'),
    ('', 'x[0] = max(1.0f, 2u);', "no matching function for call to 'max'"),
    ('', 'x[0] = as_type<float>(ushort(3));', 'sizes of'),
    ('', 'simdgroup_float8x8 m; simdgroup_load(m, h, 8);', "no matching function for call to 'simdgroup_load'"),
    ('', 'simdgroup_half8x8 m; simdgroup_multiply_accumulate(m, m, m, m);', 'simdgroup_multiply_accumulate'),
    ('', 'ROWS = 3;', 'read-only'),
    ('', 'x[0] = nowhere;', "'nowhere'"),
]


def case(clang, before, body, word):
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, 'metal', 'kernels'))
        for name, text in (('h.h', HEADER), ('k.metal', KERNEL % (before, body))):
            with open(os.path.join(root, 'metal', 'kernels', name), 'w', encoding='utf-8') as file:
                file.write(text)
        said = ' '.join(complaints(clang, ROOT, Source(root, 'metal/kernels/k.metal')))
    if not word:
        return said
    return '' if word in said and 'metal/kernels/k.metal:' in said else 'said: %s' % said


def own_files(clang):
    files = sorted(glob.glob(os.path.join(ROOT, 'metal', 'kernels', '*.metal')))
    names = [os.path.relpath(f, ROOT) for f in files] + ['tests/metal/language.metal']
    return ' '.join(text for n in names for text in complaints(clang, ROOT, Source(ROOT, n))) if files else 'no kernels'


def main():
    clang = find_clang()
    if not clang:
        print('1..0 # SKIP no clang that knows C++ for OpenCL (looked for %s)' % ', '.join(CLANGS))
        return
    print('# %s\n1..%d' % (clang, 1 + len(CASES)))
    failed = False
    problems = [('the kernels of metal/kernels', own_files(clang))]
    problems += [(' '.join(filter(None, c[:2])), case(clang, *c)) for c in CASES]
    for i, (name, problem) in enumerate(problems):
        print('%s %d - %s' % ('not ok' if problem else 'ok', i + 1, name))
        if problem:
            print('# ' + problem.replace('\n', '\n# '))
            failed = True
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
