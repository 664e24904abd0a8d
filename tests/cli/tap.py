# SPDX-License-Identifier: Apache-2.0
"""TAP for the script tests: each function decorated with @test is one test; main() runs them all.

A test fails by any exception, passes by returning, and skips by raising Skip("why")."""
import os
import subprocess
import sys
import traceback

BUILD = os.environ.get("TN_BUILDDIR", os.path.join(os.getcwd()))
SOURCE = os.environ.get("TN_SRCDIR", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
TENON = os.environ.get("TENON", os.path.join(BUILD, "tenon"))

_tests = []


class Skip(Exception):
    pass


def test(function):
    _tests.append(function)
    return function


def vectors(*parts):
    """A path in the test vectors: the full set where TENON_VECTORS says or beside the repository, else the copy in it."""
    root = os.environ.get("TENON_VECTORS")
    beside = os.path.join(SOURCE, "..", "shared", "fixtures")
    if not root:
        root = beside if os.path.isdir(beside) else os.path.join(SOURCE, "tests", "vectors")
    path = os.path.join(root, *parts)
    if not os.path.exists(path):
        raise Skip("no " + "/".join(parts) + " in the test vectors")
    return path


def tenon(*args, stdin=b"", env=None):
    """Runs the program; the result has returncode, stdout and stderr (bytes)."""
    full = dict(os.environ, **(env or {}))
    return subprocess.run([TENON, *args], input=stdin, capture_output=True, env=full, timeout=120)


def succeed(*args, stdin=b""):
    """Standard output of a run that has to succeed without a word on standard error."""
    done = tenon(*args, stdin=stdin)
    assert done.returncode == 0, "exit %d: %s" % (done.returncode, done.stderr.decode(errors="replace"))
    assert done.stderr == b"", done.stderr
    return done.stdout


def fails(status, says, *args, stdin=b"", env=None):
    """A run that has to end with this exit status and say this on standard error, in one line (usage: two)."""
    done = tenon(*args, stdin=stdin, env=env)
    text = done.stderr.decode(errors="replace")
    assert done.returncode == status, "exit %d instead of %d: %s" % (done.returncode, status, text)
    assert says in text, "%r is not in %r" % (says, text)
    assert text.count("\n") == (2 if status == 2 else 1), text
    return done


def main():
    failed = 0
    print("1..%d" % len(_tests))
    for number, function in enumerate(_tests, 1):
        name = function.__name__.replace("_", " ")
        try:
            function()
            print("ok %d - %s" % (number, name))
        except Skip as why:
            print("ok %d - %s # SKIP %s" % (number, name, why))
        except Exception:
            failed += 1
            print("not ok %d - %s" % (number, name))
            print("# " + traceback.format_exc().replace("\n", "\n# "))
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
