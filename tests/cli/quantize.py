# SPDX-License-Identifier: Apache-2.0
"""quantize and perplexity: files that are the same model, types where they belong, nothing left behind by a failure."""
import array
import json
import math
import os
import resource
import shutil
import struct
import subprocess
import tempfile

from tap import SOURCE, TENON, fails, main, succeed, tenon, test, vectors

STARTER = os.path.join(SOURCE, "models", "starter", "starter.gguf")
IDS = ",".join(str(3 + i * 7 % 500) for i in range(120))
TYPES = ["Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q4_0", "BF16", "F16", "F32"]
NAMES = {0: "F32", 1: "F16", 2: "Q4_0", 8: "Q8_0", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 30: "BF16"}


class Gguf:
    """keys: {key: value}; types: {tensor: name of its type}; data: {tensor: (offset, where)}"""
    SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def __init__(self, path):
        with open(path, "rb") as f:
            self.raw, self.at = f.read(), 8
        assert self.raw[:4] == b"GGUF" and struct.unpack_from("<I", self.raw, 4)[0] == 3
        n_tensors, n_keys = self.scalar("Q"), self.scalar("Q")
        self.keys, self.types, offsets = {}, {}, {}
        for _ in range(n_keys):
            key = self.text()
            self.keys[key] = self.value(self.scalar("I"))
        for _ in range(n_tensors):
            name = self.text()
            for _ in range(self.scalar("I")):
                self.scalar("Q")
            self.types[name] = NAMES[self.scalar("I")]
            offsets[name] = self.scalar("Q")
        base = self.at + -self.at % 32
        assert all(offset % 32 == 0 for offset in offsets.values())
        assert base % 32 == 0 and len(self.raw) % 32 == 0
        ends = sorted(offsets.values())[1:] + [len(self.raw) - base]
        self.data = {name: self.raw[base + offsets[name]:base + end]
                     for name, end in zip(sorted(offsets, key=offsets.get), ends)}

    def scalar(self, code):
        v, = struct.unpack_from("<" + code, self.raw, self.at)
        self.at += struct.calcsize("<" + code)
        return v

    def text(self):
        n = self.scalar("Q")
        self.at += n
        return self.raw[self.at - n:self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            of, n = self.scalar("I"), self.scalar("Q")
            return [self.value(of) for _ in range(n)]
        return self.scalar(self.SCALARS[kind])


class Folder:
    """A temporary folder; path() names a file in it."""
    def __enter__(self):
        self.tmp = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *what):
        self.tmp.cleanup()

    def path(self, name):
        return os.path.join(self.tmp.name, name)

    def names(self):
        return sorted(os.listdir(self.tmp.name))


def quantize(model, out, kind, *args):
    """The report; a warning on standard error is fine where weights lose twice."""
    done = tenon("quantize", model, out, "--type", kind, "--json", *args)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b"" or b"lost twice" in done.stderr, done.stderr
    return json.loads(done.stdout)


def logits(model, *args):
    with Folder() as folder:
        out = folder.path("o.npy")
        succeed("logits", model, "--ids", IDS, "--all", "--compute", "f32", "--out", out, *args)
        with open(out, "rb") as f:
            data = f.read()
    values = array.array("f")
    values.frombytes(data[10 + struct.unpack_from("<H", data, 8)[0]:])
    return values


def most(a, b):
    assert len(a) == len(b)
    return max(abs(x - y) for x, y in zip(a, b))


# ---- directories ----


def becomes(model, kind, limit):
    """A directory and the file made of it give the same logits to within limit, and the same tokens."""
    source = vectors("models", model)
    text = "It's 12345 na\u00efve \u4f60\u597d  words,\n\n\tand <|im_end|></s> more.".encode()
    with Folder() as folder:
        out = folder.path("out.gguf")
        quantize(source, out, kind)
        assert folder.names() == ["out.gguf"]
        off = most(logits(source), logits(out))
        assert off <= limit, (model, off)
        assert succeed("tokenize", source, stdin=text) == succeed("tokenize", out, stdin=text)
        return Gguf(out)


@test
def bf16_weights_keep_every_bit():
    """Where rows stay in order: the same products are summed in the same order."""
    for model in ("qwen2", "qwen3", "gemma2", "gemma3"):
        becomes(model, "BF16", 0)


@test
def heads_in_pairs_change_only_the_order_of_sums():
    """llama files have the rows of q and k in another order; that is all, but for F32 rope divisors."""
    for model in ("llama3", "mistral"):
        becomes(model, "BF16", 1e-4)
    becomes("llama2", "F32", 1e-4)


@test
def longrope_tables_survive():
    file = becomes("phi3", "BF16", 1e-3)
    assert {"rope_factors_long.weight", "rope_factors_short.weight"} <= set(file.types)


@test
def bf16_of_f32_weights_is_close():
    """To what the references of these models allow for bfloat16: a cosine of 0.998."""
    source = vectors("models", "llama2")
    a = logits(source)
    with Folder() as folder:
        quantize(source, folder.path("o.gguf"), "BF16")
        b = logits(folder.path("o.gguf"))
    assert a != b
    n = len(a) // 120
    for i in range(0, len(a), n):
        x, y = a[i:i + n], b[i:i + n]
        dot = sum(p * q for p, q in zip(x, y))
        assert dot / math.sqrt(sum(p * p for p in x) * sum(q * q for q in y)) > 0.998, i // n


@test
def metadata_are_those_that_readers_ask_for():
    keys = becomes("llama3", "BF16", 1e-4).keys
    want = {"general.architecture": "llama", "general.file_type": 32, "llama.block_count": 4,
            "llama.embedding_length": 64, "llama.feed_forward_length": 128, "llama.attention.head_count": 4,
            "llama.attention.head_count_kv": 2, "llama.attention.key_length": 16, "llama.context_length": 2048,
            "llama.rope.freq_base": 500000.0, "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe",
            "tokenizer.ggml.bos_token_id": 600, "tokenizer.ggml.add_bos_token": True,
            "general.sampling.top_k": 20}
    for key, value in want.items():
        assert keys.get(key) == value, (key, keys.get(key))
    assert len(keys["tokenizer.ggml.tokens"]) == len(keys["tokenizer.ggml.token_type"]) == 617
    keys = becomes("gemma3", "BF16", 0).keys
    assert keys["tokenizer.ggml.model"] == "llama" and keys["tokenizer.ggml.add_space_prefix"] is False
    assert keys["gemma3.attention.sliding_window"] == 24 and keys["gemma3.rope.scaling.factor"] == 8.0


@test
def newer_configurations_say_the_same():
    """config_v5.json is the same model in the words of transformers 5."""
    for model in ("llama3", "qwen2", "gemma3", "phi3"):
        with Folder() as folder:
            shutil.copytree(vectors("models", model), folder.path("model"))
            quantize(folder.path("model"), folder.path("a.gguf"), "BF16")
            target = folder.path("model/config.json")
            os.chmod(target, 0o644)
            shutil.copyfile(vectors("models", model, "config_v5.json"), target)
            quantize(folder.path("model"), folder.path("b.gguf"), "BF16")
            a, b = Gguf(folder.path("a.gguf")), Gguf(folder.path("b.gguf"))
            assert a.keys == b.keys and a.data == b.data, model


# ---- types ----


@test
def every_type_loads_and_generates():
    for source, args in ((vectors("models", "qwen3"), []), (STARTER, ["--requantize"])):
        for kind in TYPES:
            with Folder() as folder:
                report = quantize(source, folder.path("o.gguf"), kind, *args)
                assert report["file_bytes"] == os.path.getsize(folder.path("o.gguf"))
                answer = json.loads(succeed("generate", folder.path("o.gguf"), "--ids", "10,20,30", "-n", "8", "--greedy",
                                            "--ignore-eos", "--json"))
                assert len(answer["ids"]) == 8


@test
def mixes_give_more_to_the_matrices_that_count():
    with Folder() as folder:
        out = folder.path("o.gguf")
        for kind, base, more in (("Q4_K_M", "Q4_K", "Q6_K"), ("Q5_K_M", "Q5_K", "Q6_K"), ("Q4_K_S", "Q4_K", "Q5_K")):
            quantize(STARTER, out, kind, "--requantize", "--force")
            types = Gguf(out).types
            assert types["token_embd.weight"] == "Q6_K", "tied: it is the output matrix too"
            chosen = {"attn_v": [0, 3, 6, 7], "ffn_down": [0, 3, 6, 7]}
            if kind == "Q4_K_S":
                chosen = {"attn_v": [0, 1, 2, 3], "ffn_down": [0]}
            for i in range(8):
                for part in ("attn_q", "attn_k", "attn_output", "ffn_up", "ffn_gate", "attn_v", "ffn_down"):
                    want = more if i in chosen.get(part, []) else base
                    assert types["blk.%d.%s.weight" % (i, part)] == want, (kind, i, part)
            assert all(t == "F32" for name, t in types.items() if "norm" in name)


@test
def rows_that_no_block_divides_are_told():
    with Folder() as folder:
        source, out = vectors("models", "qwen3"), folder.path("o.gguf")
        report = quantize(source, out, "Q4_K_M")
        assert sum(f["tensors"] for f in report["fallbacks"] if f["type"] == "Q8_0") == 29
        assert set(Gguf(out).types.values()) == {"F32", "Q8_0"}
        table = succeed("quantize", source, out, "--type", "Q4_K_M", "--force").decode()
        assert "rows of 64 are no multiple of the 256 that Q4_K takes: Q8_0 instead" in table, table


# ---- GGUF files ----


@test
def f32_of_a_quantised_file_is_the_same_model():
    with Folder() as folder:
        quantize(STARTER, folder.path("o.gguf"), "F32")
        assert logits(STARTER) == logits(folder.path("o.gguf"))
        before, after = Gguf(STARTER).keys, Gguf(folder.path("o.gguf")).keys
        assert after.pop("general.file_type") == 0
        assert after.pop("general.quantization_version") == 2
        assert after == {k: v for k, v in before.items() if k not in ("general.file_type", "general.quantization_version")}


@test
def weights_quantised_for_mlx_are_read():
    source = vectors("mlx", "qwen3_wide-4bit-g64")
    with Folder() as folder:
        quantize(source, folder.path("o.gguf"), "F32")
        assert logits(source) == logits(folder.path("o.gguf"))
    refused(1, "is AFFINE already", source, "--type", "Q8_0")


@test
def the_same_type_again_is_a_copy():
    with Folder() as folder:
        quantize(STARTER, folder.path("o.gguf"), "Q8_0")
        assert Gguf(folder.path("o.gguf")).data == Gguf(STARTER).data


@test
def threads_change_no_byte():
    with Folder() as folder:
        for threads in ("1", "2", "5"):
            quantize(STARTER, folder.path(threads), "Q4_K_M", "--requantize", "--threads", threads)
        files = [open(folder.path(name), "rb").read() for name in folder.names()]
        assert len(files) == 3 and files[0] == files[1] == files[2]


# ---- bad input ----


def refused(status, says, *args):
    """A failure that leaves the folder as it was."""
    with Folder() as folder:
        fails(status, says, "quantize", *args[:1], folder.path("o.gguf"), *args[1:])
        assert folder.names() == [], folder.names()


def edited(model, edit):
    """A copy of a model, changed by edit(its folder), as a context."""
    class Copy(Folder):
        def __enter__(self):
            super().__enter__()
            shutil.copytree(vectors("models", model), self.path("model"))
            for name in os.listdir(self.path("model")):
                os.chmod(os.path.join(self.path("model"), name), 0o644)
            edit(self.path("model"))
            return self.path("model")
    return Copy()


def json_edit(name, change):
    def edit(folder):
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8") as f:
            value = json.load(f)
        change(value)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(value, f)
    return edit


def weights_edit(name, raw):
    """Overwrites the first bytes of a tensor."""
    def edit(folder):
        with open(os.path.join(folder, "model.safetensors"), "r+b") as f:
            n = struct.unpack("<Q", f.read(8))[0]
            begin = json.loads(f.read(n))[name]["data_offsets"][0]
            f.seek(8 + n + begin)
            f.write(raw)
    return edit


@test
def the_command_line():
    fails(2, "--type is needed", "quantize", STARTER, "o.gguf")
    fails(2, "Q4_K_M", "quantize", STARTER, "o.gguf", "--type", "Q3_K_M")
    refused(1, "/nonexistent/model", "/nonexistent/model", "--type", "Q8_0")
    fails(3, "/nonexistent/o.gguf", "quantize", STARTER, "/nonexistent/o.gguf", "--type", "Q8_0")


@test
def quantised_weights_need_to_be_asked_for():
    refused(1, "is Q8_0 already", STARTER, "--type", "Q4_K_M")


@test
def a_file_that_is_there_stays():
    with Folder() as folder:
        with open(folder.path("o.gguf"), "w") as f:
            f.write("mine")
        fails(1, "is there already", "quantize", STARTER, folder.path("o.gguf"), "--type", "Q8_0")
        with open(folder.path("o.gguf")) as f:
            assert f.read() == "mine"
        fails(1, "is a folder", "quantize", STARTER, folder.tmp.name, "--type", "Q8_0")
        quantize(STARTER, folder.path("o.gguf"), "Q8_0", "--force")
        assert len(Gguf(folder.path("o.gguf")).types) == 90


@test
def a_full_disk_leaves_nothing():
    """A limit on the size of files stands for it."""
    with Folder() as folder:
        done = subprocess.run([TENON, "quantize", STARTER, folder.path("o.gguf"), "--type", "F32"], capture_output=True,
                              restore_signals=False, timeout=60,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
        assert done.returncode == 3, done
        assert b"o.gguf could not be written: File too large" in done.stderr, done.stderr
        assert folder.names() == []


@test
def weights_that_are_no_numbers_are_named():
    name = "model.layers.1.mlp.up_proj.weight"
    for kind in ("Q8_0", "BF16", "F32"):
        with edited("qwen3", weights_edit(name, b"\x00\x00\xc0\x7f")) as model:
            refused(1, "tensor blk.1.ffn_up.weight: element [0, 1] is nan", model, "--type", kind)
    with edited("qwen3", weights_edit("model.norm.weight", b"\x80\xff")) as model:
        refused(1, "tensor output_norm.weight: element [0, 0] is -inf", model, "--type", "Q8_0")
    with edited("qwen3", weights_edit(name, b"\x80\x7e")) as model:
        refused(1, "choose BF16 or F32", model, "--type", "Q8_0")
        refused(1, "choose BF16 or F32", model, "--type", "F16")


@test
def models_that_gguf_has_no_words_for():
    refused(1, "models of type qwen3_5_text cannot be written", vectors("models", "qwen3_5"), "--type", "Q8_0")
    slides = json_edit("config.json", lambda c: c.update(use_sliding_window=True, sliding_window=64, max_window_layers=2))
    with edited("qwen3", slides) as model:
        refused(1, "cannot be written to a GGUF file", model, "--type", "Q8_0")


@test
def tokenizers_that_gguf_has_no_words_for():
    def other_words(t):
        t["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\w+"

    def lower(t):
        t["normalizer"] = {"type": "Lowercase"}

    def no_space(t):
        t["normalizer"]["normalizers"].pop(0)
        t["added_tokens"][1]["lstrip"] = True

    with edited("llama3", json_edit("tokenizer.json", other_words)) as model:
        refused(1, "there is no name for its pre_tokenizer", model, "--type", "Q8_0")
    with edited("llama3", json_edit("tokenizer.json", lower)) as model:
        refused(1, "its normalizer is more than NFC", model, "--type", "Q8_0")
    with edited("llama2", json_edit("tokenizer.json", no_space)) as model:
        refused(1, "differently", model, "--type", "Q8_0")
    with edited("llama3", lambda folder: os.remove(os.path.join(folder, "tokenizer.json"))) as model:
        refused(1, "tokenizer.json", model, "--type", "Q8_0")


@test
def damaged_files():
    with Folder() as folder:
        cut = folder.path("cut.gguf")
        shutil.copyfile(STARTER, cut)
        os.truncate(cut, 100000)
        fails(1, "cut.gguf", "quantize", cut, folder.path("o.gguf"), "--type", "Q8_0")
        assert folder.names() == ["cut.gguf"]


# ---- perplexity ----


def perplexity(model, text, *args):
    return json.loads(succeed("perplexity", model, "-", "--json", *args, stdin=text))


def conversations(n):
    """The text of some conversations of the starter model."""
    with open(os.path.join(SOURCE, "models", "starter", "eval.json"), encoding="utf-8") as f:
        cases = json.load(f)
    with Folder() as folder:
        with open(folder.path("ids.json"), "w") as f:
            json.dump([i for c in cases[::len(cases) // n] for i in c["prompt_ids"] + c["ids"]], f)
        return succeed("detokenize", STARTER, "--ids", folder.path("ids.json"))


@test
def perplexity_is_that_of_the_logits():
    """One window: the mean of -log softmax at each next token, computed here from the logits command's rows."""
    for model in (vectors("models", "qwen3"), vectors("models", "llama3")):  # the second begins with a token of its own
        text = b"The quick brown fox jumps over 12 lazy dogs, twice.\n"
        ids = json.loads(succeed("tokenize", model, stdin=text))
        with Folder() as folder:
            out = folder.path("o.npy")
            succeed("logits", model, "--ids", ",".join(map(str, ids)), "--all", "--compute", "f32", "--out", out)
            with open(out, "rb") as f:
                data = f.read()
        rows = array.array("f")
        rows.frombytes(data[10 + struct.unpack_from("<H", data, 8)[0]:])
        n, total = len(rows) // len(ids), 0
        for i, token in enumerate(ids[1:]):
            row = rows[i * n:(i + 1) * n]
            total += max(row) + math.log(sum(math.exp(x - max(row)) for x in row)) - row[token]
        got = perplexity(model, text, "--compute", "f32")
        assert got["scored"] == len(ids) - 1
        assert abs(got["nll"] - total / (len(ids) - 1)) < 1e-6, got
        assert abs(got["perplexity"] - math.exp(got["nll"])) < 1e-6 * got["perplexity"]


@test
def windows_score_every_token_once():
    text = conversations(4)
    all_tokens = len(json.loads(succeed("tokenize", STARTER, "--no-special", stdin=text)))
    for args in ([], ["--context", "64"], ["--context", "64", "--stride", "63"], ["--context", "100"]):
        got = perplexity(STARTER, text, *args)
        assert got["tokens"] == all_tokens and got["scored"] == all_tokens - 1, (args, got)
    short, long = (perplexity(STARTER, text, "--context", "64", "--stride", s)["nll"] for s in ("8", "63"))
    assert short != long


@test
def bad_texts_and_windows():
    fails(2, "--stride 64 must be below", "perplexity", STARTER, "-", "--context", "64", "--stride", "64", stdin=b"a b c")
    fails(1, "a text of 0 tokens", "perplexity", STARTER, "-", stdin=b"")
    fails(1, "/nonexistent/text", "perplexity", STARTER, "/nonexistent/text")
    fails(1, "made for 2048", "perplexity", STARTER, "-", "--context", "4096", stdin=b"a b c")


@test
def kernels_of_every_type_are_within_half_a_percent_of_f32():
    """The same file, computed with rounded activations and with F32: what the kernels add to the file's own loss."""
    text = conversations(14)
    with Folder() as folder:
        out = folder.path("o.gguf")
        for kind in TYPES:
            quantize(STARTER, out, kind, "--requantize", "--force")
            exact, usual = (perplexity(out, text, "--compute", c)["perplexity"] for c in ("f32", "auto"))
            print("# %s: %.2f in F32, %.2f by default (%+.3f %%)" % (kind, exact, usual, 100 * (usual / exact - 1)))
            assert abs(usual / exact - 1) < 0.005, kind


main()
