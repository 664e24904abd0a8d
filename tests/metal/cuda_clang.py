# SPDX-License-Identifier: Apache-2.0
"""Every kernel as CUDA C++ through clang, to PTX: a second opinion on the translation, and one that needs nothing of
NVIDIA's. Skipped where no clang makes code for NVIDIA's GPUs."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.environ.get('TN_SRCDIR', '.')
HERE = os.path.join(ROOT, 'tests', 'metal')
# A set of function constants that all kernels can take, by number; every other is 1.
CONSTANTS = {0: 12, 1: 4, 2: 4, 3: 32, 4: 1, 5: 1, 6: 128, 8: 4}

WRAPPER = '''#include "%s"
#pragma clang force_cuda_host_device begin
#include "%s"
#pragma clang force_cuda_host_device end
'''


def find_clang():
    """A clang that makes PTX, or None."""
    for name in [os.environ.get('TN_CLANG'), 'clang'] + ['clang-%d' % n for n in range(22, 13, -1)]:
        path = shutil.which(name) if name else None
        if path and 'nvptx64' in subprocess.run([path, '--print-targets'], capture_output=True, text=True,
                                                check=False).stdout:
            return path
    return None


def translate(folder):
    """All kernels below folder."""
    kernels = os.path.join(ROOT, 'metal', 'kernels')
    names = ['metal/kernels/' + name for name in sorted(os.listdir(kernels)) if name.endswith('.metal')]
    command = [sys.executable, '-B', os.path.join(ROOT, 'tools', 'mslx', 'cuda.py'), '--root', ROOT, '--library',
               'runtime/device/cuda/metal_stdlib.cuh', '--texts', folder]
    subprocess.run(command + names + ['tests/metal/language.metal'], check=True)
    return names + ['tests/metal/language.metal']


def compile_kernel(clang, folder, name, kernel):
    """What clang says, '' when it makes PTX with that kernel in it."""
    wrapper, out = os.path.join(folder, 'wrapper.cu'), os.path.join(folder, 'out.s')
    with open(wrapper, 'w', encoding='utf-8') as file:
        file.write(WRAPPER % (os.path.abspath(os.path.join(HERE, 'cuda_clang.h')), name))
    constants = ''.join('TN_CONSTANT(%d,%du)' % (i, CONSTANTS.get(i, 1)) for i in range(16))
    ran = subprocess.run([clang, '-x', 'cuda', '--cuda-device-only', '-nocudainc', '-nocudalib', '--cuda-gpu-arch=sm_80',
                          '-Xclang', '-target-feature', '-Xclang', '+ptx70', '-std=c++17', '-O1', '-S',
                          '-Wno-unknown-cuda-version', '-I', folder, '-D', 'TN_KERNEL_' + kernel,
                          '-D', 'TN_CONSTANTS=' + constants, '-o', out, wrapper], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        return ran.stderr
    with open(out, encoding='utf-8') as file:
        return '' if re.search(r'\.entry %s\(' % kernel, file.read()) else 'no entry %s in the PTX' % kernel


def main():
    clang = find_clang()
    if not clang:
        print('1..0 # SKIP no clang that makes code for NVIDIA GPUs (TN_CLANG may name one)')
        return
    with tempfile.TemporaryDirectory() as folder:
        wanted = []
        for name in translate(folder):
            with open(os.path.join(folder, name), encoding='utf-8') as file:
                wanted += [(name, kernel) for kernel in re.findall(r'^#ifdef TN_KERNEL_(\w+)$', file.read(), re.M)]
        print('1..%d' % len(wanted))
        for i, (name, kernel) in enumerate(wanted):
            problem = compile_kernel(clang, folder, name, kernel)
            for line in problem.splitlines():
                print('# ' + line)
            print('%sok %d - %s' % ('not ' if problem else '', i + 1, kernel), flush=True)


if __name__ == '__main__':
    main()
