# SPDX-License-Identifier: Apache-2.0
"""tenon modules, and modules as the installed program meets them: real files, no .la, bad ones beside good ones."""
import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from tap import BUILD, TENON, Skip, fails, main, succeed, tenon, test

SAMPLES = os.path.join(BUILD, "tests", "modules", ".libs")
FAMILIES = ["gemma", "llama", "phi3", "qwen3", "qwen3_5"]

# The program scans with itself here, and remembers nothing.
os.environ.pop("TENON_MODULE_SCANNER", None)
os.environ["TENON_MODULE_CACHE"] = "off"


def sample(name):
    path = os.path.join(SAMPLES, name + ".so")
    if not os.path.exists(path):
        raise Skip("the test modules are not built here")
    return path


def listed(path, env=None):
    done = tenon("modules", "--json", env=dict({"TENON_MODULE_PATH": path}, **(env or {})))
    assert done.returncode == 0, done.stderr
    assert done.stderr == b"", done.stderr
    return json.loads(done.stdout)


@test
def every_family_of_the_tree_is_there():
    result = json.loads(succeed("modules", "--json"))
    modules = {m["id"]: m for m in result["modules"]}
    assert set(FAMILIES) <= set(modules), modules
    for name in FAMILIES:
        m = modules[name]
        assert "tenon.family/0" in m["factories"], m
        assert m["abi"] == result["abi"] and m["version"] and m["licence"] == "Apache-2.0", m
        assert m["path"] is None or os.path.basename(m["path"]) == name + ".so", m
    text = succeed("modules").decode()
    assert text == succeed("modules", "list").decode()
    assert text.splitlines()[0].split() == ["MODULE", "VERSION", "LICENCE", "FACTORIES", "FILE"], text
    assert [line.split()[0] for line in text.splitlines()[1 : 1 + len(modules)]] == list(modules), text


def built(what):
    """Whether configure found what that needs."""
    with open(os.path.join(BUILD, "config.h")) as f:
        return "#define HAVE_%s 1\n" % what in f.read()


@test
def modalities_are_there_where_their_libraries_are():
    modules = {m["id"]: m for m in json.loads(succeed("modules", "--json"))["modules"]}
    for name in ("vision", "video"):
        assert (name in modules) == built(name.upper()), (name, modules)
        if name in modules:
            assert modules[name]["factories"] == ["tenon.modality/0"], modules[name]


@test
def inspect_shows_facts_and_options_of_a_file_and_of_an_id():
    path = sample("good")
    text = succeed("modules", "inspect", path).decode()
    for words in ("id         good\n", "version    1.2.3\n", "licence    MIT\n", "window = 4096  (int, 1 to 1048576)",
                  "scale = 1.0  (float, 0.5 to 2)", "mode = low  (enum: low, high)", "tokens that one layer looks back"):
        assert words in text, (words, text)
    facts = json.loads(succeed("modules", "inspect", "--json", path))
    assert facts["path"] == path and [o["name"] for o in facts["options"]] == ["window", "scale", "mode"], facts
    by_id = tenon("modules", "inspect", "good", env={"TENON_MODULE_PATH": path})
    assert by_id.returncode == 0 and by_id.stdout.decode() == text, by_id
    assert succeed("modules", "inspect", "--in-process", path).decode() == text


@test
def exit_statuses_serve_scripts():
    path = sample("good")
    assert succeed("modules", "inspect", path, "--at-least", "1.2")
    assert succeed("modules", "inspect", path, "--at-least", "1.2.3")
    fails(1, "module good is version 1.2.3, older than 1.10", "modules", "inspect", path, "--at-least", "1.10")
    fails(1, 'there is no module "nobody"', "modules", "inspect", "nobody")
    fails(3, "/nowhere.so: cannot be opened: no such file", "modules", "inspect", "/nowhere.so")
    fails(3, "built for module ABI 0.99, this tenon has", "modules", "inspect", sample("bad_minor"))
    fails(3, "built for module ABI 0.99", "modules", "inspect", "bad_minor", env={"TENON_MODULE_PATH": sample("bad_minor")})
    fails(3, "undefined symbol: tn_nobody_has_this", "modules", "inspect", sample("bad_undefined"))
    fails(70, "crashes when it is opened", "modules", "inspect", sample("bad_crash"))
    fails(2, "list or inspect is expected, not lsit", "modules", "lsit")
    fails(2, "inspect takes one ID or FILE", "modules", "inspect")
    fails(2, "--at-least goes with inspect", "modules", "--at-least", "1")


@test
def bad_modules_are_named_and_good_ones_work():
    sample("good")
    result = listed(SAMPLES, {"TENON_MODULE_TIMEOUT_MS": "3000"})
    ids = [m["id"] for m in result["modules"]]
    assert "good" in ids and "good_printing" in ids and not any(i.startswith("bad") for i in ids), ids
    names = {os.path.basename(p["path"]): p for p in result["problems"] if p["path"].startswith(SAMPLES)}
    bad = [f for f in os.listdir(SAMPLES) if f.startswith("bad_") and f.endswith(".so")]
    assert len(bad) >= 15 and sorted(names) == sorted(bad), (names, bad)
    for p in names.values():
        assert p["code"] in ("TN_EIO", "TN_EABI", "TN_EMODULE") and p["text"].startswith(p["path"]), p
    text = tenon("modules", env={"TENON_MODULE_PATH": sample("bad_major")}).stdout.decode()
    assert "\nNot used:\n" in text and "bad_major.so: built for module ABI 7.1" in text, text


@test
def la_files_are_never_needed():
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(sample("good"), folder)
        result = listed(folder)
        good = [m for m in result["modules"] if m["id"] == "good"]
        assert [m["path"] for m in good] == [os.path.join(folder, "good.so")], good
        with open(os.path.join(folder, "good.la"), "w") as f:
            f.write("dlname='elsewhere.so'\n")
        assert listed(folder)["modules"] == result["modules"]


@test
def of_two_with_one_id_the_first_on_the_path_is_used():
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        for folder in (a, b):
            shutil.copy(sample("good"), folder)
        result = listed(b + ":" + a)
        assert [m["path"] for m in result["modules"] if m["id"] == "good"] == [os.path.join(b, "good.so")]
        told = [p for p in result["problems"] if p["path"] == os.path.join(a, "good.so")]
        assert len(told) == 1 and told[0]["code"] == "TN_OK" and "which comes first" in told[0]["text"], told


@test
def names_that_are_no_utf8_are_shown_with_question_marks():
    with tempfile.TemporaryDirectory() as folder:
        inside = os.fsdecode(os.path.join(os.fsencode(folder), b"m\xff"))
        try:
            os.mkdir(inside)
        except OSError:
            raise Skip("this file system takes no such name")
        shutil.copy(sample("good"), inside)
        shutil.copy(sample("bad_major"), inside)
        result = listed(folder)
        assert [m["path"] for m in result["modules"] if m["id"] == "good"] == [folder + "/m?/good.so"], result
        told = [p for p in result["problems"] if p["code"] == "TN_EABI"]
        assert told and told[0]["path"] == folder + "/m?/bad_major.so" and "ABI 7.1" in told[0]["text"], told


@test
def the_cache_is_kept_where_xdg_says():
    with tempfile.TemporaryDirectory() as home:
        env = {"TENON_MODULE_PATH": sample("good"), "TENON_MODULE_CACHE": "", "XDG_CACHE_HOME": home}
        first = tenon("modules", env=env)
        with open(os.path.join(home, "tenon", "modules.json")) as f:
            files = json.load(f)["files"]
        assert os.path.realpath(sample("good")) in files, files
        env["TENON_MODULE_SCANNER"] = "/no/such/program"
        again = tenon("modules", env=env)
        assert again.returncode == 0 and again.stdout == first.stdout, again


@test
def a_scan_is_one_line_of_json():
    done = tenon("--scan-module", sample("good_printing"))
    assert done.returncode == 0 and json.loads(done.stdout)["id"] == "good_printing", done
    assert b"something else" in done.stderr, done
    refused = json.loads(tenon("--scan-module", sample("bad_null_id")).stdout)
    assert refused["code"] < 0 and "has no id" in refused["error"], refused


main()
