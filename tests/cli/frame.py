# SPDX-License-Identifier: Apache-2.0
"""The program's frame: help, version, usage errors, exit statuses, output errors, completion."""
import json
import os
import re
import subprocess

from tap import SOURCE, TENON, Skip, fails, main, succeed, tenon, test


def commands():
    text = succeed("--help").decode()
    body = text.split("Commands:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in body.splitlines()]


@test
def version_names_release_commit_abi_and_features():
    lines = succeed("--version").decode().splitlines()
    with open(os.path.join(SOURCE, "configure.ac")) as f:
        release = re.search(r"AC_INIT\(\[tenon\],\[([^]]+)\]", f.read()).group(1)
    assert re.fullmatch(r"tenon %s \(\S+\)" % re.escape(release), lines[0]), lines[0]
    facts = dict(line.split(": ", 1) for line in lines[1:])
    assert re.fullmatch(r"\d+\.\d+", facts["module ABI"]), facts
    assert facts["cpu kernels"].split()[-1] in ("generic", "neon")
    assert facts["preopened modules"] in ("yes", "no")
    assert "line editing" in facts
    assert succeed("-V").decode().splitlines() == lines


@test
def every_command_has_help():
    assert commands()
    for name in commands():
        text = succeed(name, "--help").decode()
        assert text.startswith("Usage: tenon %s [OPTION...]" % name), text
        assert succeed("help", name).decode() == text
        assert all(len(line) <= 132 for line in text.splitlines()), text


@test
def usage_errors_exit_2_and_point_to_help():
    fails(2, "a command is expected")
    fails(2, "unknown command 'zzz'", "zzz")
    fails(2, "unknown command 'hlep'; did you mean 'help'?", "hlep")
    fails(2, "unknown option '--vresion'; did you mean '--version'?", "--vresion")
    fails(2, "unknown option '-x'", "-x")
    fails(2, "--log-level takes error|warn|info|debug|trace, not 'loud'", "--log-level", "loud", "help")
    fails(2, "--log-level needs a value", "help", "--log-level")
    fails(2, "unexpected operand 'more'", "help", "help", "more")
    done = fails(2, "Try 'tenon help --help'.", "help", "--nothing")
    assert done.stdout == b""


@test
def errors_are_json_when_the_log_is():
    for args in (["--log-format", "json", "zzz"], ["help", "--log-format=json", "zzz"]):
        done = tenon(*args)
        line = json.loads(done.stderr)
        assert done.returncode == 2 and line["level"] == "error" and "zzz" in line["text"], line


@test
def a_full_disk_is_an_error_of_the_environment():
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    for args in (["--help"], ["--version"], ["help", "help"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([TENON, *args], stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 3 and b"standard output could not be written" in done.stderr, done
        assert done.stderr.count(b"\n") == 1, done


@test
def a_closed_pipe_is_an_error_and_no_death():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([TENON, "--help"], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert done.returncode == 3 and b"standard output could not be written" in done.stderr, done


@test
def closed_standard_descriptors_are_survived():
    done = subprocess.run(["sh", "-c", '"$0" --help >&-; echo $?', TENON], capture_output=True)
    assert done.stdout == b"3\n", done
    done = subprocess.run(["sh", "-c", '"$0" --version <&- 2>&-', TENON], capture_output=True)
    assert done.returncode == 0 and done.stdout.startswith(b"tenon "), done


def complete(*words):
    return [line.split("\t")[0] for line in succeed("complete", "--", *words).decode().splitlines()]


@test
def completion_follows_the_tables():
    assert complete("") == commands()
    assert complete("hel") == ["help"]
    assert "complete" not in complete("")
    assert "--version" in complete("--")
    assert complete("--log-level", "") == ["error", "warn", "info", "debug", "trace"]
    assert complete("--log-level", "debug", "help", "--log-format", "j") == ["json"]
    assert complete("help", "--log-format=") == ["--log-format=text", "--log-format=json"]
    assert complete("help", "--log-format", "=", "t") == ["text"]
    assert complete("help", "") == commands()
    assert complete("nonsense", "x", "") == complete("")
    for name in commands():
        for option in complete(name, "-"):
            assert option in succeed(name, "--help").decode(), option


@test
def completion_scripts_parse():
    for shell, script in (("bash", "tenon"), ("zsh", "_tenon"), ("fish", "tenon.fish")):
        path = os.path.join(SOURCE, "doc", "completion", script)
        try:
            done = subprocess.run([shell, "-n", path], capture_output=True)
        except FileNotFoundError:
            print("# no %s here: its script was not tried" % shell)
            continue
        assert done.returncode == 0, done.stderr


@test
def bash_completes():
    script = r'''
source "$1"/doc/completion/tenon
COMP_WORDS=("$2" help --log-l); COMP_CWORD=2; _tenon "$2" --log-l; echo "${COMPREPLY[@]}"
COMP_WORDS=("$2" help --log-level = d); COMP_CWORD=4; _tenon "$2" d; echo "${COMPREPLY[@]}"
'''
    try:
        done = subprocess.run(["bash", "-c", script, "bash", SOURCE, TENON], capture_output=True)
    except FileNotFoundError:
        raise Skip("no bash")
    assert done.stdout == b"--log-level\ndebug\n", done


main()
