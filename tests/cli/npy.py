# SPDX-License-Identifier: Apache-2.0
"""Reads .npy files of the program's writer as the format's description says, and with numpy where it is installed."""
import ast
import os
import struct
import subprocess
import sys
import tempfile

from tap import BUILD, Skip, main, test

WRITER = os.path.join(BUILD, "tests", "cli", "npy_write")
SHAPES = [(1, 1), (3, 5), (1, 151936), (0, 7), (7, 0), (129, 64)]


def write(folder, rows, cols):
    path = os.path.join(folder, "out.npy")
    subprocess.run([WRITER, path, str(rows), str(cols)], check=True)
    return path


def parse(data):
    assert data[:6] == b"\x93NUMPY" and data[6:8] == b"\x01\x00"
    (length,) = struct.unpack_from("<H", data, 8)
    assert (10 + length) % 64 == 0 and data[10 + length - 1 : 10 + length] == b"\n"
    header = ast.literal_eval(data[10 : 10 + length].decode("latin-1"))
    body = data[10 + length :]
    order = header["descr"][0]
    return header, struct.unpack("%s%df" % (order, len(body) // 4), body)


@test
def files_follow_the_format():
    with tempfile.TemporaryDirectory() as folder:
        for rows, cols in SHAPES:
            with open(write(folder, rows, cols), "rb") as f:
                header, values = parse(f.read())
            assert sorted(header) == ["descr", "fortran_order", "shape"] and header["fortran_order"] is False
            assert header["descr"] in ("<f4", ">f4") and header["shape"] == (rows, cols)
            assert values == tuple(struct.unpack("f", struct.pack("f", i / 4))[0] for i in range(rows * cols))


# Run by a Python that has numpy: checks one file.
NUMPY = """
import sys, numpy
rows, cols = int(sys.argv[2]), int(sys.argv[3])
array = numpy.load(sys.argv[1])
assert array.shape == (rows, cols) and array.dtype == numpy.float32
assert (array.ravel() == numpy.arange(rows * cols, dtype=numpy.float32) / 4).all()
"""


@test
def numpy_reads_them():
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python) and subprocess.run([python, "-c", "import numpy"], capture_output=True).returncode == 0:
            break
    else:
        raise Skip("no numpy")
    with tempfile.TemporaryDirectory() as folder:
        for rows, cols in SHAPES:
            subprocess.run([python, "-c", NUMPY, write(folder, rows, cols), str(rows), str(cols)], check=True)


main()
