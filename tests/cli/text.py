# SPDX-License-Identifier: Apache-2.0
"""tokenize, detokenize and render: their forms are contracts that scripts rely on."""
import json
import os
import subprocess
import tempfile

from tap import TENON, Skip, fails, main, succeed, tenon, test, vectors


def lines(values):
    return "".join(json.dumps(v, ensure_ascii=False) + "\n" for v in values).encode()


def unlines(data):
    return [json.loads(line) for line in data.decode().splitlines()]


def tokenizer(name="llama2"):
    return os.path.dirname(vectors("tokenizers", name, "tokenizer.json"))


def temporary(text, suffix=".json"):
    file = tempfile.NamedTemporaryFile("wb", suffix=suffix)
    file.write(text if isinstance(text, bytes) else text.encode())
    file.flush()
    return file


def tokenizers_with_cases():
    root = vectors("tokenizers")
    for name in sorted(os.listdir(root)):
        path = os.path.join(root, name, "cases.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                yield os.path.join(root, name), json.load(f)["cases"]


def compare(what, got, wanted, inputs):
    assert len(got) == len(wanted), "%s: %d lines instead of %d" % (what, len(got), len(wanted))
    for g, w, i in zip(got, wanted, inputs):
        assert g == w, "%s: %r gives %r instead of %r" % (what, i, g, w)


# ---- tokenize ----


@test
def tokenize_gives_the_ids_of_every_vector():
    n = 0
    for folder, cases in tokenizers_with_cases():
        texts = [c["text"] for c in cases]
        got = unlines(succeed("tokenize", folder, "--no-special", "--jsonl", stdin=lines(texts)))
        compare(folder, got, [c["ids"] for c in cases], texts)
        got = unlines(succeed("tokenize", folder, "--jsonl", stdin=lines(texts)))
        compare(folder, got, [c.get("ids_with_special", c["ids"]) for c in cases], texts)
        n += len(cases)
    assert n > 0
    print("# %d texts" % n)


@test
def tokenize_takes_standard_input_byte_for_byte():
    with open(vectors("tokenizers", "llama2", "cases.json"), encoding="utf-8") as f:
        cases = json.load(f)["cases"]
    odd = [c for c in cases if c["text"] != c["text"].strip() or "\x00" in c["text"] or "\r" in c["text"]]
    assert odd
    for case in odd[:20]:
        got = succeed("tokenize", tokenizer(), "--no-special", stdin=case["text"].encode())
        assert json.loads(got) == case["ids"], case["text"]
        assert got.endswith(b"]\n") and b" " not in got and got.count(b"\n") == 1, got


@test
def tokenize_of_nothing_is_an_empty_array():
    assert succeed("tokenize", tokenizer(), "--no-special") == b"[]\n"
    assert succeed("tokenize", tokenizer("qwen3")) == b"[]\n"
    assert succeed("tokenize", tokenizer(), "--jsonl") == b""


@test
def nul_bytes_and_broken_utf8_are_text():
    for text in (b"a\0b", b"\0", b"\xff\xfe", b"a\xe2\x82", b"\xed\xa0\x80"):
        ids = json.loads(succeed("tokenize", tokenizer("qwen3"), stdin=text))
        back = succeed("detokenize", tokenizer("qwen3"), "--ids", ",".join(map(str, ids)))
        assert back.decode() == text.decode(errors="replace"), (text, back)
    ids = unlines(succeed("tokenize", tokenizer("qwen3"), "--jsonl", stdin=b'"a\\u0000b"\n'))
    back = succeed("detokenize", tokenizer("qwen3"), "--jsonl", stdin=lines(ids))
    assert unlines(back) == ["a\0b"] and b"\\u0000" in back, back


@test
def a_line_that_is_no_string_ends_the_run():
    done = fails(1, "line 2: expected a JSON string", "tokenize", tokenizer(), "--jsonl", stdin=b'"a"\n3\n"b"\n')
    assert len(unlines(done.stdout)) == 1
    fails(1, "line 1", "tokenize", tokenizer(), "--jsonl", stdin=b'"a\n')
    fails(1, "line 1", "tokenize", tokenizer(), "--jsonl", stdin=b'\n')
    assert len(unlines(succeed("tokenize", tokenizer(), "--jsonl", stdin=b'"a"\n"b"'))) == 2


@test
def answers_come_line_by_line():
    with subprocess.Popen([TENON, "tokenize", tokenizer(), "--jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        for _ in range(3):
            p.stdin.write(b'"hello"\n')
            p.stdin.flush()
            assert json.loads(p.stdout.readline())
        p.stdin.close()
        assert p.wait(timeout=60) == 0


@test
def a_gguf_file_is_a_tokenizer_too():
    gguf = vectors("gguf", "llama2")
    path = os.path.join(gguf, sorted(n for n in os.listdir(gguf) if n.endswith(".gguf"))[0])
    texts = ["Hello there", "  two  spaces ", "\u00e9\u4e2d\U0001f600"]
    a = succeed("tokenize", path, "--jsonl", stdin=lines(texts))
    assert unlines(succeed("detokenize", path, "--skip-special", "--jsonl", stdin=a)) == texts


# ---- detokenize ----


@test
def detokenize_gives_the_text_of_every_vector():
    n = 0
    for folder, cases in tokenizers_with_cases():
        ids = [c["ids"] for c in cases]
        got = unlines(succeed("detokenize", folder, "--jsonl", stdin=lines(ids)))
        compare(folder, got, [c.get("decoded", c["text"]) for c in cases], ids)
        got = unlines(succeed("detokenize", folder, "--skip-special", "--jsonl", stdin=lines(ids)))
        compare(folder, got, [c.get("decoded_skip_special", c["text"]) for c in cases], ids)
        n += len(cases)
    assert n > 0


@test
def detokenize_prints_exactly_the_text():
    ids = json.loads(succeed("tokenize", tokenizer("qwen3"), stdin=b" a b\n"))
    assert succeed("detokenize", tokenizer("qwen3"), "--ids", ",".join(map(str, ids))) == b" a b\n"
    with temporary(json.dumps(ids)) as file:
        assert succeed("detokenize", tokenizer("qwen3"), "--ids", file.name) == b" a b\n"
    assert succeed("detokenize", tokenizer("qwen3"), "--ids", "") == b""


@test
def wrong_ids_are_named():
    model = tokenizer()
    fails(2, "either --ids or --jsonl", "detokenize", model)
    fails(2, "either --ids or --jsonl", "detokenize", model, "--ids", "1", "--jsonl")
    fails(1, "number 2 is '-1'", "detokenize", model, "--ids", "1,-1")
    fails(1, "number 3 is ''", "detokenize", model, "--ids", "1,2,")
    fails(1, "line 1: input: element 1", "detokenize", model, "--jsonl", stdin=b'[1,"2"]\n')
    with temporary("[1,") as file:
        fails(1, file.name, "detokenize", model, "--ids", file.name)


# ---- models ----


@test
def a_model_that_is_not_there_is_named():
    fails(1, "./no/such/model", "tokenize", "./no/such/model")
    fails(1, "no-such-model", "tokenize", "no-such-model", env={"TENON_MODEL_PATH": "/nowhere"})
    fails(2, "operands expected", "tokenize")
    with tempfile.TemporaryDirectory() as empty:
        fails(1, "tokenizer.json", "tokenize", empty)


@test
def names_are_looked_up_on_the_model_path():
    folder = tokenizer("qwen3")
    env = {"TENON_MODEL_PATH": "/nowhere:" + os.path.dirname(folder)}
    done = tenon("tokenize", "qwen3", env=env)
    assert done.returncode == 0 and done.stdout == b"[]\n", done


@test
def damaged_tokenizers_are_refused():
    with open(os.path.join(tokenizer(), "tokenizer.json"), "rb") as f:
        good = f.read()
    for bad in (b"", b"{}", b"[]", b"\0" * 100, good[: len(good) // 2], b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 16):
        with temporary(bad) as file:
            fails(1, os.path.basename(file.name), "tokenize", file.name)


# ---- render ----

TEMPLATE = """{{ bos_token }}{% for m in messages %}
[{{ m.role }}] {{ m['content'] }}
{% endfor %}
{% if add_generation_prompt %}[assistant]{% endif %}"""
VARS = {
    "messages": [{"role": "user", "content": "h\u00e9 <b> \U0001f600"}, {"role": "user", "content": "a\0b"}],
    "bos_token": "<s>",
    "add_generation_prompt": True,
}
RENDERED = "<s>[user] h\u00e9 <b> \U0001f600\n[user] a\0b\n[assistant]"


@test
def render_prints_exactly_the_text():
    with temporary(TEMPLATE, ".jinja") as template, temporary(json.dumps(VARS)) as variables:
        assert succeed("render", "--template", template.name, "--vars", variables.name) == RENDERED.encode()
        assert succeed("render", "--template", template.name, "--vars", "-", stdin=lines([VARS])) == RENDERED.encode()
    with temporary("x\n\n", ".jinja") as template:
        assert succeed("render", "--template", template.name, "--vars", "-", stdin=b"{}") == b"x\n"


@test
def parts_of_media_are_rendered_and_not_opened():
    # As the templates of Qwen-VL, Gemma 4 and Llama 4 look at parts.
    text = """{% set n = namespace(images=0) %}{% for m in messages %}[{{ m.role }}]{% if m.content is string %}{{ m.content }}{% else %}
{%- for c in m.content %}{% if c.type == 'image' or 'image' in c or 'image_url' in c %}{% set n.images = n.images + 1 %}<image {{ n.images }}>
{%- elif c['type'] == 'video' or 'video' in c %}<video>{% elif 'text' in c %}{{ c.text }}{% endif %}{% endfor %}{% endif %}{% endfor %}"""
    parts = [{"type": "image"}, {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "http://192.0.2.1/x"}},
             {"type": "video"}, {"type": "image", "image": "/nowhere/x.png"}, {"type": "video", "video": ["/nowhere"]}]
    variables = {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "b"}]}
    with temporary(text, ".jinja") as template:
        got = succeed("render", "--template", template.name, "--vars", "-", stdin=json.dumps(variables).encode())
        assert got == b"[user]<image 1>a<image 2><video><image 3><video>[assistant]b", got


@test
def now_is_what_the_clock_says():
    with temporary("{{ strftime_now('%d %b %Y %H:%M') }}{{ now is defined }}", ".jinja") as template:
        got = succeed("render", "--template", template.name, "--vars", "-", stdin=b'{"now":"2025-07-04T12:34:56"}')
        assert got == b"04 Jul 2025 12:34False", got


@test
def numbers_print_as_python_prints_them():
    with temporary("{{ x }} {{ y }} {{ z }} {{ a | tojson }}", ".jinja") as template:
        variables = b'{"x": 0.1, "y": 1.0, "z": 1e100, "a": [0.3, 12345678901234567, null]}'
        got = succeed("render", "--template", template.name, "--vars", "-", stdin=variables)
        assert got == b"0.1 1.0 1e+100 [0.3, 12345678901234567, null]", got


@test
def a_template_that_raises_exits_1_with_its_message():
    with temporary("{{ raise_exception('roles must alternate') }}", ".jinja") as template:
        done = fails(1, "roles must alternate", "render", "--template", template.name, "--vars", "-", stdin=b"{}")
        assert done.stdout == b""
    with temporary("{% if %}", ".jinja") as template:
        fails(1, template.name, "render", "--template", template.name, "--vars", "-", stdin=b"{}")
    with temporary("{% for i in range(10**9) %}{% for j in range(10**9) %}{% endfor %}{% endfor %}", ".jinja") as template:
        fails(1, "", "render", "--template", template.name, "--vars", "-", stdin=b"{}")


@test
def render_answers_every_line():
    source = "{% if not x is defined %}{{ raise_exception('no x') }}{% endif %}{{ x }}"
    with temporary(source, ".jinja") as template:
        given = b'{"x":"1"}\n{}\nnonsense\n[]\n{"x":"a\\u0000b"}\n'
        out = unlines(succeed("render", "--template", template.name, "--jsonl", stdin=given))
    assert out[0] == {"text": "1"} and out[1] == {"error": "no x"} and out[4] == {"text": "a\0b"}, out
    assert list(out[2]) == ["error"] and list(out[3]) == ["error"] and len(out) == 5, out


@test
def render_wants_one_template_and_one_source_of_variables():
    fails(2, "either MODEL or --template", "render", "--vars", "x")
    fails(2, "either MODEL or --template", "render", "m", "--template", "t", "--vars", "x")
    fails(2, "either --vars or --jsonl", "render", "--template", "t")
    fails(1, "no.jinja", "render", "--template", "no.jinja", "--vars", "x")


@test
def a_model_brings_its_template_and_special_tokens():
    with open(os.path.join(tokenizer(), "tokenizer.json"), "rb") as f:
        data = f.read()
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "tokenizer.json"), "wb") as f:
            f.write(data)
        fails(1, "no chat template", "render", folder, "--vars", "-", stdin=b"{}")
        with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
            json.dump({"bos_token": "<s>", "chat_template": "{{ bos_token }}|{{ eos_token is defined }}"}, f)
        assert succeed("render", folder, "--vars", "-", stdin=b"{}") == b"<s>|False"
        assert succeed("render", folder, "--vars", "-", stdin=b'{"bos_token":"B"}') == b"B|False"


@test
def published_templates_render_as_recorded():
    root = vectors("templates")
    with open(os.path.join(root, "conversations.json"), encoding="utf-8") as f:
        shared = json.load(f)
    n = 0
    for name in sorted(os.listdir(root)):
        if not name.endswith(".json") or name == "conversations.json":
            continue
        with open(os.path.join(root, name), encoding="utf-8") as f:
            recorded = json.load(f)
        variables = [variables_of(case, recorded, shared) for case in recorded["cases"]]
        template = os.path.join(root, recorded["template"])
        out = unlines(succeed("render", "--template", template, "--jsonl", stdin=lines(variables)))
        for case, got in zip(recorded["cases"], out):
            right = "error" in got if "error" in case else got.get("text") == case["expected"]
            assert right, "%s, %s, %s: %r" % (name, case["conversation"], case["variant"], got)
        n += len(out)
    print("# %d cases" % n)


def variables_of(case, recorded, shared):
    variant = shared["variants"][case["variant"]]
    found = {key: recorded[key] for key in ("bos_token", "eos_token", "now")}
    found["messages"] = shared["conversations"][case["conversation"]]
    found["tools"] = variant["tools"] and [shared["tools"][name] for name in variant["tools"]]
    found.update(variant["arguments"])
    return found


main()
