# SPDX-License-Identifier: Apache-2.0
"""logits, generate and run: their contracts, and what damaged or contradictory models get."""
import array
import contextlib
import json
import os
import shutil
import struct
import tempfile

from tap import fails, main, succeed, tenon, test, vectors


def rows(path):
    """A .npy file of float32 as (number of rows, columns, values)."""
    with open(path, "rb") as f:
        data = f.read()
    assert data[:6] == b"\x93NUMPY"
    header_len = struct.unpack_from("<H", data, 8)[0]
    header = eval(data[10:10 + header_len].decode(), {"__builtins__": {}}, {"False": False, "True": True})
    assert header["descr"] == "<f4" and header["fortran_order"] is False
    values = array.array("f")
    values.frombytes(data[10 + header_len:])
    n_rows, n_cols = header["shape"]
    assert len(values) == n_rows * n_cols
    return n_rows, n_cols, data[10 + header_len:]


@contextlib.contextmanager
def copy_of(*parts):
    """A copy of a model that may be damaged."""
    source = vectors(*parts)
    with tempfile.TemporaryDirectory() as tmp:
        target = os.path.join(tmp, "model")
        shutil.copytree(source, target)
        for name in os.listdir(target):
            os.chmod(os.path.join(target, name), 0o644)
        yield target


def edit_json(path, edit):
    with open(path, encoding="utf-8") as f:
        value = json.load(f)
    edit(value)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f)


def logits_fail(status, says, model, *args):
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, "out.npy")
        fails(status, says, "logits", model, "--ids", "1,2,3", "--out", out, *args)
        assert not os.path.exists(out), "a failed run leaves no file"


def config_fails(says, edit, model="llama3", status=1):
    with copy_of("models", model) as folder:
        edit_json(os.path.join(folder, "config.json"), edit)
        logits_fail(status, says, folder)


# ---- contracts ----


@test
def logits_are_those_of_the_last_token_or_of_all():
    model = vectors("models", "llama3")
    with tempfile.TemporaryDirectory() as tmp:
        last, every = os.path.join(tmp, "last.npy"), os.path.join(tmp, "all.npy")
        succeed("logits", model, "--ids", "1,2,3,4,5", "--out", last)
        succeed("logits", model, "--ids", "1,2,3,4,5", "--out", every, "--all")
        n_last, cols, a = rows(last)
        n_all, _, b = rows(every)
        assert (n_last, n_all) == (1, 5)
        assert b[-cols * 4:] == a


@test
def company_steps_and_threads_change_no_byte():
    model = vectors("models", "gemma3")
    with tempfile.TemporaryDirectory() as tmp:
        path = lambda name: os.path.join(tmp, name)
        with open(path("ids.json"), "w") as f:
            json.dump([3 + i * 7 % 500 for i in range(90)], f)
        with open(path("others.json"), "w") as f:
            json.dump([[5, 6, 7], list(range(1, 200)), [9]], f)
        wanted = None
        for extra in ([], ["--batch-with", path("others.json")], ["--step-tokens", "7"], ["--threads", "1"],
                      ["--batch-with", path("others.json"), "--step-tokens", "33", "--threads", "3"]):
            succeed("logits", model, "--ids", path("ids.json"), "--out", path("o.npy"), "--all", *extra)
            got = rows(path("o.npy"))[2]
            wanted = wanted or got
            assert got == wanted, extra


@test
def generate_repeats_itself_with_a_seed():
    model = vectors("models", "qwen3")
    args = ["generate", model, "--ids", "10,20,30", "-n", "24", "--ignore-eos", "--json", "--temperature", "1"]
    first, again = (json.loads(succeed(*args, "--seed", "5")) for _ in range(2))
    other = json.loads(succeed(*args, "--seed", "6"))
    assert len(first["ids"]) == 24 and isinstance(first["text"], str)
    assert first == again and first["ids"] != other["ids"]


@test
def a_seeded_answer_is_the_same_in_company():
    model = vectors("models", "llama3")
    args = ["generate", model, "--ids", "10,20,30", "-n", "24", "--ignore-eos", "--json", "--seed", "3"]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as others:
        json.dump([[1, 2, 3, 4], [7], list(range(2, 90))], others)
        others.flush()
        assert succeed(*args) == succeed(*args, "--batch-with", others.name)


@test
def every_option_of_sampling_reaches_the_sampler():
    model = vectors("models", "llama3")
    prompt = ",".join(str(i % 7 + 10) for i in range(40))
    base = ["generate", model, "--ids", prompt, "-n", "24", "--ignore-eos", "--json", "--seed", "3", "--temperature", "1.5",
            "--top-k", "0", "--top-p", "1"]
    ids = lambda *more: json.loads(succeed(*base, *more))["ids"]
    plain = ids()
    changes = [
        ["--typical-p", "0.2"], ["--top-n-sigma", "0.5"], ["--xtc-probability", "1", "--xtc-threshold", "0.001"],
        ["--repetition-penalty", "5"], ["--frequency-penalty", "2"], ["--presence-penalty=-2"],
        ["--repetition-penalty", "5", "--repetition-last-n", "2"], ["--top-p", "0.01"], ["--top-p", "0.01", "--min-keep", "4"],
    ]
    results = [ids(*c) for c in changes]
    for change, result in zip(changes, results):
        assert result != plain, change
    assert len({tuple(r) for r in results}) >= len(results) - 1, results
    chosen = plain[0]
    assert ids("--logit-bias", "%d=-100" % chosen)[0] != chosen
    greedy = ["generate", model, "--ids", prompt, "-n", "6", "--ignore-eos", "--json", "--greedy"]
    assert json.loads(succeed(*greedy, "--logit-bias", "42=100"))["ids"] == [42] * 6
    assert json.loads(succeed(*greedy, "--logit-bias", "42=100", "--logit-bias", "42=-100"))["ids"] != [42] * 6
    dry = lambda *more: json.loads(succeed(*greedy[:5], "24", *greedy[6:], "--logit-bias", "42=100", *more))["ids"]
    assert dry() == [42] * 24
    first_other = lambda found: next(i for i, token in enumerate(found) if token != 42)
    breaks = [first_other(dry("--dry-multiplier", "50", *more))
              for more in ([], ["--dry-allowed-length", "1"], ["--dry-base", "1.2"])]
    assert breaks[1] < breaks[0] < breaks[2], breaks
    assert dry("--dry-multiplier", "50", "--dry-penalty-last-n", "1") == [42] * 24
    looped = json.loads(succeed("generate", model, "--ids", prompt, "-n", "40", "--ignore-eos", "--json", "--greedy",
                                "--logit-bias", "42=100", "--repetition-max-pattern", "2", "--repetition-min-count", "3",
                                "--repetition-min-tokens", "5"))["ids"]
    assert looped == [42] * 5, looped


@test
def wrong_sampling_options_are_named():
    model = vectors("models", "llama3")
    run = ["generate", model, "--ids", "1,2", "-n", "1"]
    fails(2, "--frequency-penalty takes a number from -2 to 2, not '3'", *run, "--frequency-penalty", "3")
    fails(2, "--repetition-last-n takes a whole number from 1 to 2147483647, not '0'", *run, "--repetition-last-n", "0")
    fails(1, "--logit-bias takes ID=B, not '5'", *run, "--logit-bias", "5")
    fails(1, "--logit-bias takes a number from -100 to 100, not '101'", *run, "--logit-bias", "5=101")
    fails(1, "--logit-bias takes a whole number from 0 to ", *run, "--logit-bias", "99999999=1")
    fails(1, "\"a\\q\" is no sequence breaker", *run, "--dry-multiplier", "1", "--dry-sequence-breaker", "a\\q")
    fails(1, "--repetition-min-pattern 3 is more than --repetition-max-pattern, 2", *run, "--repetition-min-pattern", "3",
          "--repetition-max-pattern", "2")
    succeed(*run, "--dry-multiplier", "1", "--dry-sequence-breaker", "")
    succeed(*run, "--dry-multiplier", "1", "--dry-sequence-breaker", "\\n", "--dry-sequence-breaker", "a")


@test
def media_are_refused_by_models_that_do_not_see():
    fails(1, "this model takes no images, videos or recordings", "run", "--image", "x.png", "--video", "v.mp4", "hello")
    fails(1, "this model takes no images, videos or recordings", "run", "--video", "v.mp4", "hello")
    fails(1, "this model takes no images, videos or recordings", "chat", "--image", "x.png")
    fails(2, "--image, --video and --audio need the chat template", "run", "--raw", "--image", "x.png", "hello")


@test
def devices_agree_on_a_greedy_text():
    model = vectors("models", "llama2")
    args = ["generate", model, "--ids", "1,20,30", "-n", "8", "--greedy", "--ignore-eos", "--json"]
    assert succeed(*args, "--device", "reference") == succeed(*args, "--device", "cpu", "--compute", "f32")


# ---- bad requests ----


@test
def a_prompt_beyond_the_context_gets_both_numbers():
    with tempfile.TemporaryDirectory() as tmp:
        ids = os.path.join(tmp, "ids.json")
        with open(ids, "w") as f:
            json.dump([5] * 3000, f)
        fails(1, "3000 tokens, the context holds 2048", "logits", vectors("models", "llama3"), "--ids", ids, "--out",
              os.path.join(tmp, "o.npy"))


@test
def an_id_outside_the_vocabulary_is_named():
    with tempfile.TemporaryDirectory() as tmp:
        fails(1, "token id 617 at position 1 is outside the vocabulary of 617", "logits", vectors("models", "llama3"),
              "--ids", "1,617", "--out", os.path.join(tmp, "o.npy"))


@test
def no_ids_are_nothing_to_compute():
    with tempfile.TemporaryDirectory() as tmp:
        fails(1, "empty", "logits", vectors("models", "llama3"), "--ids", "", "--out", os.path.join(tmp, "o.npy"))


@test
def the_output_file_must_be_writable():
    fails(3, "/nonexistent/o.npy", "logits", vectors("models", "llama3"), "--ids", "1", "--out", "/nonexistent/o.npy")


@test
def keys_and_values_may_have_any_type_whatever_computes():
    ids = ",".join(str(i * 7 % 50) for i in range(1, 40))

    def logits_of(*args):
        with tempfile.TemporaryDirectory() as tmp:
            out = os.path.join(tmp, "out.npy")
            succeed("logits", vectors("models", "llama3"), "--ids", ids, "--out", out, *args)
            n_rows, n_cols, data = rows(out)
            return array.array("f", data)

    for device in "reference", "cpu":
        exact = logits_of("--device", device, "--compute", "f32")
        assert exact == logits_of("--device", device, "--compute", "f32", "--kv-type", "f32")
        for kv_type, most in ("f16", 0.01), ("bf16", 0.08), ("q8_0", 0.15):
            other = logits_of("--device", device, "--compute", "f32", "--kv-type", kv_type)
            off = max(abs(a - b) for a, b in zip(exact, other))
            assert 0 < off < most, (device, kv_type, off)
    logits_fail(2, "f32|f16|bf16|q8_0", vectors("models", "llama3"), "--kv-type", "q4_0")


@test
def a_model_that_is_not_there():
    logits_fail(1, "/nonexistent/model", "/nonexistent/model")


# ---- configurations ----


@test
def an_unknown_model_type_lists_the_modules():
    config_fails("no module takes models of model_type \"quux\" (modules found: bert, gemma, ",
                 lambda c: c.update(model_type="quux"))


@test
def a_missing_hyper_parameter_is_named():
    config_fails("num_hidden_layers is missing", lambda c: c.pop("num_hidden_layers"))


@test
def a_hyper_parameter_of_the_wrong_type_is_named():
    config_fails("hidden_size is not a whole number", lambda c: c.update(hidden_size="many"))


@test
def a_huge_hyper_parameter_is_refused_with_its_limit():
    config_fails("num_hidden_layers is 1000000000, it must be from 1 to 1024",
                 lambda c: c.update(num_hidden_layers=10**9))


@test
def a_layer_too_many_names_the_absent_tensor():
    config_fails("layers.4.", lambda c: c.update(num_hidden_layers=5))


@test
def tensors_that_nobody_reads_are_told():
    with copy_of("models", "phi3") as folder, tempfile.TemporaryDirectory() as tmp:
        run = ["--log-level", "info", "logits", folder, "--ids", "1,2,3", "--out", os.path.join(tmp, "o.npy")]
        assert tenon(*run).stderr == b""
        edit_json(os.path.join(folder, "config.json"), lambda c: c.update(num_hidden_layers=3))
        done = tenon(*run)
        assert done.returncode == 0
        assert b"6 of 27 tensors are not read: model.layers.3.input_layernorm.weight, " in done.stderr, done.stderr


@test
def a_width_that_lies_names_tensor_and_shapes():
    config_fails("[617, 64], not [n, 63]", lambda c: c.update(hidden_size=63))


@test
def a_number_of_heads_that_lies_names_the_tensor():
    config_fails("q_proj.weight is [64, 64], not [48, 64]", lambda c: c.update(num_attention_heads=3))


@test
def zero_heads_are_refused():
    config_fails("num_attention_heads is 0", lambda c: c.update(num_attention_heads=0))


@test
def an_unknown_rope_scaling_is_named():
    config_fails("rope scaling \"quux\"", lambda c: c.update(rope_scaling={"rope_type": "quux", "factor": 2}))


@test
def a_rotary_fraction_that_cannot_be_is_refused():
    for fraction in (0, -1, 1.5, 1e300):
        config_fails("partial_rotary_factor is", lambda c: c.update(partial_rotary_factor=fraction), model="phi3")


@test
def longrope_factors_are_one_for_each_pair():
    config_fails("longrope scaling needs 6 numbers in short_factor", lambda c: c.update(partial_rotary_factor=0.75),
                 model="phi3")
    config_fails("longrope scaling needs 8 numbers in long_factor",
                 lambda c: c["rope_scaling"].update(long_factor=[1.0] * 7), model="phi3")


@test
def a_rope_base_that_cannot_be_is_refused():
    config_fails("rope base", lambda c: c.update(rope_theta=-1))


@test
def an_unknown_activation_is_refused():
    config_fails("hidden_act is \"relu\"", lambda c: c.update(hidden_act="relu"))


@test
def a_configuration_that_is_no_json_says_where():
    with copy_of("models", "llama3") as folder:
        with open(os.path.join(folder, "config.json"), "w") as f:
            f.write("{\n  \"model_type\": ]")
        logits_fail(1, "line 2", folder)


@test
def no_configuration_at_all():
    with copy_of("models", "llama3") as folder:
        os.remove(os.path.join(folder, "config.json"))
        logits_fail(1, "config.json", folder)


# ---- files ----


@test
def a_missing_shard_is_named():
    with copy_of("models", "mistral") as folder:
        os.remove(os.path.join(folder, "model-00002-of-00002.safetensors"))
        logits_fail(1, "model-00002-of-00002.safetensors", folder)


@test
def a_truncated_file_is_refused_at_every_length():
    with copy_of("models", "llama3") as folder:
        path = os.path.join(folder, "model.safetensors")
        size = os.path.getsize(path)
        for keep in (size - 1, size // 2, 4096, 100, 8, 7, 0):
            with open(path, "r+b") as f:
                f.truncate(keep)
            logits_fail(1, "model.safetensors", folder)


@test
def a_truncated_gguf_file_is_refused_at_every_length():
    source = vectors("gguf", "llama2", "llama2-Q8_0.gguf")
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "cut.gguf")
        shutil.copyfile(source, path)
        for keep in (os.path.getsize(path) - 1, 200000, 5000, 100, 24, 7, 0):
            with open(path, "r+b") as f:
                f.truncate(keep)
            logits_fail(1, "cut.gguf", path)


@test
def an_absent_tensor_is_named():
    with copy_of("models", "llama3") as folder:
        path = os.path.join(folder, "model.safetensors")
        with open(path, "r+b") as f:
            data = f.read().replace(b"model.layers.2.mlp.up_proj.weight", b"model.layers.2.mlp.xx_proj.weight")
            f.seek(0)
            f.write(data)
        logits_fail(1, "layers.2.mlp.up_proj.weight is missing", folder)


@test
def a_tokenizer_of_another_model_is_refused():
    with copy_of("models", "llama3") as folder:
        def add(t):
            t["added_tokens"].append(dict(t["added_tokens"][-1], id=700, content="<|too_far|>"))
        edit_json(os.path.join(folder, "tokenizer.json"), add)
        logits_fail(1, "they do not belong together", folder)


@test
def without_a_tokenizer_ids_still_work_and_text_does_not():
    with copy_of("models", "llama3") as folder:
        os.remove(os.path.join(folder, "tokenizer.json"))
        with tempfile.TemporaryDirectory() as tmp:
            succeed("logits", folder, "--ids", "1,2", "--out", os.path.join(tmp, "o.npy"))
        fails(1, "tokenizer.json", "run", "-m", folder, "hello")


@test
def weights_that_are_not_numbers_do_not_crash():
    with copy_of("models", "llama3") as folder:
        path = os.path.join(folder, "model.safetensors")
        with open(path, "r+b") as f:
            n = struct.unpack("<Q", f.read(8))[0]
            f.seek(8 + n)
            f.write(b"\xc0\x7f" * 2000)
        done = tenon("generate", folder, "--ids", "1,2", "-n", "4", "--json")
        assert done.returncode in (0, 1), done


main()
