# SPDX-License-Identifier: Apache-2.0
"""tenon config, the example file, tenon.conf(5) against the list of settings, and configured names as MODEL."""
import json
import os
import re
import tempfile

from tap import BUILD, SOURCE, fails, main, succeed, tenon, test

EXAMPLE = os.path.join(SOURCE, "doc", "examples", "tenon.conf")
PAGE = os.path.join(SOURCE, "doc", "tenon.conf.5")
MODELS = os.path.join(SOURCE, "models")

# This machine's own configuration stays out.
NOWHERE = tempfile.mkdtemp()
os.environ.update(XDG_CONFIG_HOME=NOWHERE, TENON_MODEL_PATH=MODELS)
os.environ.pop("TENON_CONF", None)


class Folder:
    """A folder with files; what is written in them has names relative to it."""

    def __init__(self, **files):
        self.files = files

    def __enter__(self):
        self.held = tempfile.TemporaryDirectory()
        for name, text in self.files.items():
            self.write(name + ".conf", text)
        return self

    def __exit__(self, *_):
        self.held.cleanup()

    def path(self, name):
        return os.path.join(self.held.name, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as f:
            f.write(text)


def shown(*args, env=None):
    """{key: (value, source)} of config show."""
    done = tenon("config", "show", *args, env=env)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    return {m.group(1): m.groups()[1:] for m in (re.match(r"(\S+) = (.*)  # (.*)$", line) for line in lines)}


@test
def show_names_the_source_of_every_value():
    with Folder(tenon="server {\n listen = \"h:1\"\n max_connections = 7 }\nmodel m { path = starter }") as f:
        f.write("conf.d/a.conf", "\nlimits { max_n = 2 }")
        conf = f.path("tenon.conf")
        found = shown("-c", conf, "--listen", "h:2", "--set", "model.m.parallel=3", env={"TENON_LIMITS_MAX_STOP": "4"})
        assert found["server.listen"] == ("h:2", "--listen")
        assert found["server.max_connections"] == ("7", conf + ":3")
        assert found["limits.max_n"] == ("2", f.path("conf.d/a.conf") + ":2")
        assert found["limits.max_stop"] == ("4", "TENON_LIMITS_MAX_STOP")
        assert found["limits.queue_length"] == ("512", "default")
        assert found["model.m.parallel"] == ("3", "--set")
        assert found["model.m.top_p"] == ("(what the checkpoint recommends)", "default")


@test
def show_json_says_the_same():
    with Folder(tenon="server { api_keys = {hush} idle_timeout = 2m }\nmodel m { path = starter }\nmodule x { y = z }") as f:
        conf = f.path("tenon.conf")
        out = succeed("config", "show", "-c", conf, "--json")
        assert b"hush" not in out
        value = json.loads(out)
        assert value["files"] == [conf]
        assert value["server"]["api_keys"] == {"value": ["***"], "from": "file", "name": conf, "line": 1}
        assert value["server"]["idle_timeout"]["value"] == 120
        assert value["server"]["listen"] == {"value": "127.0.0.1:8080", "from": "default"}
        assert value["models"]["m"]["temperature"] == {"value": None, "from": "default"}
        assert value["modules"]["x"]["y"]["value"] == "z"
        text = shown("-c", conf)
        for section in ("server", "cache", "limits", "media"):
            for key in value[section]:
                assert section + "." + key in text, key


@test
def no_file_is_fine():
    assert b"defaults are ok" in succeed("config", "check")
    assert shown()["model.starter.path"] == ('"starter"', "default")


@test
def check_names_every_file():
    with Folder(tenon="model m { path = starter }") as f:
        f.write("conf.d/a.conf", "cache { context = 256 }")
        out = succeed("config", "check", "-c", f.path("tenon.conf")).decode()
        assert out == f.path("tenon.conf") + ": ok\n" + f.path("conf.d/a.conf") + ": ok\n", out


@test
def check_fails_with_the_place():
    cases = [
        ("server {\n listn = x }", ":2: unknown key \"listn\" in server: did you mean \"listen\"?"),
        ("model m {\n path = ./none.gguf }", ":2: model m: "),
        ("\nmodel m { path = no-such-model }", ":2: model m: no-such-model: there is no model of that name in "),
        ("model m { path = starter\n family = lama }", ":2: there is no module \"lama\": did you mean \"llama\"?"),
        ("model m { path = starter\n chat_template = none.jinja }", ":2: model m: there is no template file "),
        ("media {\n roots = {/nowhere/at/all} }", ":2: media.roots: there is no folder /nowhere/at/all"),
        ("\nmodule lama { }", ":2: there is no module \"lama\": did you mean \"llama\"?"),
        ("module llama {\n x = 1 }", ":2: module llama: unknown option \"x\""),
    ]
    for text, says in cases:
        with Folder(tenon=text) as f:
            fails(1, f.path("tenon.conf") + says, "config", "check", "-c", f.path("tenon.conf"))


@test
def check_knows_the_options_of_modules():
    modules = {"TENON_MODULE_PATH": os.path.join(BUILD, "tests", "modules"), "TENON_MODULE_CACHE": "off",
               "TENON_MODULE_TIMEOUT_MS": "300"}
    with Folder(tenon="module good {\n scale = 1.5\n mode = high }") as f:
        done = tenon("config", "check", "-c", f.path("tenon.conf"), env=modules)
        assert done.returncode == 0, done.stderr
        f.write("tenon.conf", "module good {\n scale = 1.5\n mode = middling }")
        done = tenon("config", "check", "-c", f.path("tenon.conf"), env=modules)
        says = f.path("tenon.conf") + ":3: module good: option \"mode\" cannot be \"middling\": one of low|high is expected"
        assert done.returncode == 1 and says in done.stderr.decode(), done.stderr


@test
def files_that_cannot_be_read_are_named():
    fails(1, "/nowhere/x.conf: ", "config", "check", "-c", "/nowhere/x.conf")
    fails(1, "/nowhere/x.conf: ", "config", "check", env={"TENON_CONF": "/nowhere/x.conf"})
    with Folder(tenon="") as f:
        os.mkdir(f.path("conf.d"))
        os.symlink("/nowhere", f.path("conf.d/a.conf"))
        fails(1, f.path("conf.d/a.conf") + ": ", "config", "check", "-c", f.path("tenon.conf"))


@test
def the_command_line_is_checked():
    fails(2, "check, show or keys is expected", "config", "shwo")
    fails(2, "--json goes with show", "config", "check", "--json")
    fails(1, "--set takes KEY=VALUE, not 'x'", "config", "show", "--set", "x")
    fails(1, "--set: unknown key \"lisen\" in server: did you mean \"listen\"?", "config", "show", "--set", "server.lisen=x")


@test
def the_example_is_right():
    assert succeed("config", "check", "-c", EXAMPLE) == (EXAMPLE + ": ok\n").encode()
    with open(EXAMPLE) as f:
        numbered = f.read().splitlines()
    found = shown("-c", EXAMPLE)
    assert found["model.starter.parallel"][0] == "16"
    assert "parallel = 16" in numbered[int(found["model.starter.parallel"][1].rsplit(":", 1)[1]) - 1]


@test
def a_configured_name_is_a_model():
    with Folder(tenon="model mine { path = starter aliases = {other} }\nmodel gone { path = ./gone }") as f:
        env = {"TENON_CONF": f.path("tenon.conf")}
        ids = tenon("tokenize", "starter", stdin=b"Hello").stdout
        for name in ("mine", "other"):
            done = tenon("tokenize", name, stdin=b"Hello", env=env)
            assert done.returncode == 0 and done.stdout == ids, done.stderr
        fails(1, "gone: there is no such directory or file", "tokenize", "gone", env=env)
        fails(1, "there is no file or directory nobody, and tenon.conf has no such model", "tokenize", "nobody", env=env)
        f.write("tenon.conf", "nonsense")
        fails(1, f.path("tenon.conf") + ":1: ", "tokenize", "mine", env=env)
        path = os.path.join(MODELS, "starter", "starter.gguf")
        assert tenon("tokenize", path, stdin=b"Hello", env=env).stdout == ids


@test
def configured_names_are_completed():
    with Folder(tenon="model mine { path = starter }\nmodel other { path = starter }") as f:
        env = {"TENON_CONF": f.path("tenon.conf")}
        assert tenon("complete", "--", "tokenize", "mi", env=env).stdout == b"mine\tconfigured model\n:file\n"
        f.write("tenon.conf", "nonsense")
        assert tenon("complete", "--", "tokenize", "mi", env=env).stdout == b":file\n"


# ---- tenon.conf(5) ----

def keys_of_program():
    """{section: {key: default, or None}} from config keys."""
    text, found = succeed("config", "keys").decode(), {}
    for name, default in re.findall(r"^(\S+)\n    .*?; default(?: (.*)|: .*)\n", text, re.M):
        section, key = name.split(".")[0], name.split(".")[-1]
        found.setdefault(section, {})[key] = default or None
    return found


def keys_of_page():
    with open(PAGE) as f:
        settings = f.read().split("\n.Sh SETTINGS\n")[1].split("\n.Sh ")[0]
    found = {}
    for part in re.split(r"^\.Ss ", settings, flags=re.M)[1:]:
        section, keys = part.split()[0], {}
        for item in re.split(r"^\.It Cm ", part, flags=re.M)[1:]:
            default = re.search(r"^The default is\n\.Cm (\S+) \.$", item, re.M)
            keys[item.split("\n")[0]] = default and default.group(1)
        found[section] = keys
    return found


@test
def the_page_lists_the_settings():
    page, program = keys_of_page(), keys_of_program()
    assert page.pop("module") == {}
    assert page == program, "page %s\nprogram %s" % (page, program)
    assert [list(page[s]) for s in page] == [list(program[s]) for s in page]


main()
