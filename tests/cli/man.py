# SPDX-License-Identifier: Apache-2.0
"""doc/tenon.1 is written by hand; it has to name the commands and options that --help names, and no others."""
import os
import re
import subprocess

from tap import SOURCE, Skip, main, succeed, test

PAGE = os.path.join(SOURCE, "doc", "tenon.1")


def page_lines():
    with open(PAGE) as f:
        return f.read().splitlines()


def options_of_help(text):
    """{'--name': 'its value'} from the options part of a --help."""
    found = {}
    for line in text.split("Options:\n")[1].splitlines():
        match = re.match(r"  (?:-(\S), |    )--(\S+)(?: (\S+))?(?:  |$)", line)
        if match:
            found["--" + match.group(2)] = (match.group(1), match.group(3))
    return found


def options_of_page(lines):
    """The same from .It macros: '.It Fl t , Fl -threads Ar N'."""
    found = {}
    for line in lines:
        match = re.match(r"\.It (?:Fl (\S) , )?Fl -(\S+)(?: Ar (.*))?$", line)
        if match:
            found["--" + match.group(2)] = (match.group(1), match.group(3))
    return found


def sections():
    """{command: the page's lines about it}, and the lines before the first command."""
    text = "\n".join(page_lines())
    before, rest = text.split("\n.Sh COMMANDS\n")
    parts = re.split(r"^\.Ss tenon (\S+).*$", rest.split("\n.Sh ")[0], flags=re.M)
    return dict(zip(parts[1::2], (part.splitlines() for part in parts[2::2]))), before.splitlines()


def command_names():
    body = succeed("--help").decode().split("Commands:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in body.splitlines()]


@test
def commands_are_the_same():
    parts, _ = sections()
    assert sorted(parts) == sorted(command_names()), (sorted(parts), sorted(command_names()))


@test
def global_options_are_the_same():
    _, before = sections()
    assert options_of_page(before) == options_of_help(succeed("--help").decode())


@test
def options_of_every_command_are_the_same():
    parts, before = sections()
    everywhere = {k: v for k, v in options_of_page(before).items() if k != "--version"}
    shared = shared_groups()
    for name in command_names():
        lines = parts[name] + [line for group in shared if group in "\n".join(parts[name]) for line in shared[group]]
        page, program = options_of_page(lines), options_of_help(succeed(name, "--help").decode())
        page.update(everywhere)
        assert page == program, "%s: page %s, program %s" % (name, page, program)


def shared_groups():
    """Options that several commands share stand once, under '.Sh COMPUTING' say; a command refers to them with
    '.Sx COMPUTING'."""
    groups, current = {}, None
    for line in page_lines():
        if line.startswith(".Sh "):
            current = ".Sx " + line[4:]
            groups[current] = []
        elif current:
            groups[current].append(line)
    return {name: lines for name, lines in groups.items() if name not in (".Sx DESCRIPTION", ".Sx COMMANDS")}


@test
def exit_statuses_are_those_of_the_program():
    with open(os.path.join(SOURCE, "runtime", "cli", "command.h")) as f:
        program = re.findall(r"TN_EXIT_\w+ = (\d+)", f.read())
    text = "\n".join(page_lines()).split(".Sh EXIT STATUS")[1].split(".Sh ")[0]
    assert re.findall(r"^\.It (\d+)", text, re.M) == program, program


@test
def the_pages_are_well_formed():
    try:
        pages = [PAGE, os.path.join(SOURCE, "doc", "tenon.conf.5")]
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True)
    except FileNotFoundError:
        raise Skip("no mandoc")
    assert done.returncode == 0, done.stdout.decode()


main()
