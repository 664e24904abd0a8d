# SPDX-License-Identifier: Apache-2.0
"""Vision from pairs of GGUF files: which file has the tower, what does not fit, and the recorded references."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tap import BUILD, SOURCE, Skip, fails, main, tenon, test, vectors

sys.path.insert(0, os.path.join(SOURCE, "tools", "vectors"))
import gguf_pair  # noqa: E402

NAMES = ("qwen2_5_vl", "qwen3_vl", "gemma3_vl")
TOWER = "mmproj-model.gguf"
TMP = tempfile.TemporaryDirectory()
ROOT = Path(TMP.name)


def pair(name, label="", **how):
    """The folder of a pair, made once."""
    folder = ROOT / (label or "plain") / name
    if not folder.exists():
        gguf_pair.convert(vectors("models", name), folder, **how)
    return folder


def copy(name, label):
    """A pair to be damaged."""
    folder = ROOT / label
    shutil.copytree(pair(name), folder)
    return folder


def prompt(name, which="image0"):
    """Options that show a recorded prompt."""
    with open(vectors("models", name, "reference.json")) as f:
        found, = [p for p in json.load(f)["prompts"] if p["name"] == which]
    images = [x for i in found.get("images") or [] for x in ("--image", vectors("media", "image%d.png" % i))]
    return ["--ids", ",".join(map(str, found["ids"])), *images]


def logits(model, name, *more, which="image0", warns=None):
    """The bytes that tenon logits writes."""
    out = ROOT / "out.npy"
    done = tenon("logits", str(model), *prompt(name, which), "--out", str(out), *more)
    says = done.stderr.decode()
    assert done.returncode == 0, says
    assert warns in says if warns else not says, says
    return out.read_bytes()


def refuses(says, model, name, *more, which="image0"):
    fails(1, says, "--log-level", "error", "logits", str(model), *prompt(name, which), "--out", str(ROOT / "out.npy"), *more)


@test
def pairs_agree_with_the_recorded_references():
    binary = os.path.join(BUILD, "tests", "golden", "seeing")
    if not os.path.exists(binary):
        raise Skip("tests/golden/seeing is not built")
    folders = [pair(name) for name in NAMES]
    done = subprocess.run([binary, str(folders[0].parent)], capture_output=True, timeout=600)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, said
    assert said.count("[       OK ]") + said.count("\nok ") >= 30, said


@test
def matrices_in_f32_change_next_to_nothing():
    for name in NAMES:
        a = logits(pair(name, "f32", matrices=gguf_pair.F32) / "model.gguf", name, "--compute", "f32")
        b = logits(vectors("models", name), name, "--compute", "f32")
        assert len(a) == len(b)
        x, y = (memoryview(v[-4 * (len(v) // 4 - 40):]).cast("f") for v in (a, b))
        assert max(abs(p - q) for p, q in zip(x, y)) < 1e-3


@test
def names_of_before_may_2025_are_understood():
    for name in NAMES:
        assert logits(pair(name) / "model.gguf", name) == logits(pair(name, "swapped", swapped=True) / "model.gguf", name)


@test
def the_tower_makes_a_difference_and_text_needs_none():
    folder = copy("qwen2_5_vl", "without")
    os.remove(folder / TOWER)
    text = logits(folder / "model.gguf", "qwen2_5_vl", which="text_only")
    assert text == logits(pair("qwen2_5_vl") / "model.gguf", "qwen2_5_vl", which="text_only")
    refuses("there is no mmproj*.gguf beside it", folder / "model.gguf", "qwen2_5_vl")


@test
def a_file_elsewhere_is_named():
    folder, name = copy("qwen3_vl", "elsewhere"), "qwen3_vl"
    wanted = logits(folder / "model.gguf", name)
    (folder / "sub").mkdir()
    os.rename(folder / TOWER, folder / "sub" / "eyes.gguf")
    assert logits(folder / "model.gguf", name, "--mmproj", str(folder / "sub" / "eyes.gguf")) == wanted
    os.rename(folder / "sub" / "eyes.gguf", folder / "eyes.gguf")
    assert logits(folder / "model.gguf", name, "--mmproj", "eyes.gguf") == wanted
    refuses("this model takes no images", folder / "model.gguf", name, "--mmproj", "none")


@test
def several_are_not_chosen_from():
    folder, name = copy("gemma3_vl", "several"), "gemma3_vl"
    wanted = logits(folder / "model.gguf", name)
    shutil.copy(folder / TOWER, folder / "mmproj-BF16.gguf")
    refuses("2 files that could be its vision tower", folder / "model.gguf", name)
    refuses("mmproj-BF16.gguf", folder / "model.gguf", name)
    logits(folder / "model.gguf", name, which="text_only", warns="2 files that could be its vision tower")
    assert logits(folder / "model.gguf", name, "--mmproj", TOWER) == wanted


@test
def parts_of_a_model_and_the_model_are_no_towers():
    folder, name = copy("gemma3_vl", "parts"), "gemma3_vl"
    wanted = logits(folder / "model.gguf", name)
    shutil.copy(folder / TOWER, folder / "mmproj-x-00002-of-00003.gguf")
    os.rename(folder / "model.gguf", folder / "mmproj.gguf")
    assert logits(folder / "mmproj.gguf", name) == wanted


@test
def a_token_that_nobody_writes_stands_in():
    name = "gemma3_vl"
    other = pair(name, "renamed", rename={"<image_soft_token>": "<unused98>"})
    assert logits(other / "model.gguf", name) == logits(pair(name) / "model.gguf", name)
    none = pair(name, "nothing", rename={"<image_soft_token>": "<other>"})
    refuses("no token <image_soft_token>", none / "model.gguf", name, "--mmproj", TOWER)


TEMPLATE = """{% for m in messages %}{% for c in m.content %}{% if c.type == 'image' %}IMAGE{% else %}{{ c.text }}{% endif %}{% endfor %}{% endfor %}"""


@test
def chats_see_through_the_pair():
    image = vectors("media", "image0.png")
    for name in NAMES:
        folder, out = ROOT / "chat" / name, ROOT / "chat" / (name + "-gguf")
        shutil.copytree(vectors("models", name), folder)
        mark = "<start_of_image>" if name.startswith("gemma") else "<|vision_start|><|image_pad|><|vision_end|>"
        (folder / "chat_template.jinja").write_text(TEMPLATE.replace("IMAGE", mark))
        gguf_pair.convert(folder, out, gguf_pair.F32)
        says = []
        for model in (folder, out / "model.gguf"):
            done = tenon("run", "-m", str(model), "--image", image, "-n", "8", "--greedy", "--compute", "f32", "a b a")
            assert done.returncode == 0, done.stderr
            says.append(done.stdout)
        assert says[0] == says[1] and says[0].strip(), says


@test
def what_was_named_must_be_a_tower():
    folder, name = copy("qwen2_5_vl", "bad"), "qwen2_5_vl"
    model = folder / "model.gguf"
    refuses("there is no such file (mmproj)", model, name, "--mmproj", "nowhere.gguf")
    refuses("there is no such file (mmproj)", model, name, "--mmproj", "/nowhere/mmproj.gguf")
    refuses('general.architecture is "qwen2vl"', model, name, "--mmproj", "model.gguf")
    whole = (folder / TOWER).read_bytes()
    for n in (0, 3, 100, len(whole) // 2, len(whole) - 32):
        (folder / "cut.gguf").write_bytes(whole[:n])
        refuses("cut.gguf", model, name, "--mmproj", "cut.gguf")
    refuses("a directory has its vision tower", vectors("models", name), name, "--mmproj", str(folder / TOWER))
    refuses("see nothing", vectors("gguf", "llama2", "llama2-Q8_0.gguf"), name, "--mmproj", str(folder / TOWER), which="text_only")
    refuses("this file holds a vision tower", folder / TOWER, name)


def without(key):
    return lambda metadata, tensors: ([m for m in metadata if m[0] != key], tensors)


def put(key, kind, value):
    return lambda metadata, tensors: ([m for m in metadata if m[0] != key] + [(key, kind, value)], tensors)


def cut_rows(name, n):
    def edit(metadata, tensors):
        shape, data = tensors[name]
        each = len(data) // shape[0]
        return metadata, dict(tensors, **{name: ([n] + shape[1:], data[:n * each])})
    return edit


@test
def towers_that_do_not_fit_are_refused_with_both_sides():
    refuses('is "gemma3", models of architecture qwen2vl go with', pair("qwen2_5_vl") / "model.gguf", "qwen2_5_vl",
            "--mmproj", str(pair("gemma3_vl") / TOWER))
    refuses('is "qwen2.5vl_merger", models of architecture qwen3vl go with', pair("qwen3_vl") / "model.gguf", "qwen3_vl",
            "--mmproj", str(pair("qwen2_5_vl") / TOWER))
    refuses('is "qwen3vl_merger", Gemma 3 goes with', pair("gemma3_vl") / "model.gguf", "gemma3_vl",
            "--mmproj", str(pair("qwen3_vl") / TOWER))
    cases = [("qwen2_5_vl", "rows of 32 values, the model takes 64", cut_rows("mm.2.weight", 32)),
             ("qwen2_5_vl", "clip.vision.block_count is missing", without("clip.vision.block_count")),
             ("qwen2_5_vl", "heads in 64 columns", put("clip.vision.attention.head_count", gguf_pair.U32, 7)),
             ("qwen2_5_vl", "tensor v.blk.4.ln1.weight is missing", put("clip.vision.block_count", gguf_pair.U32, 5)),
             ("qwen2_5_vl", "v.patch_embd.weight is [64, 588]", put("clip.vision.patch_size", gguf_pair.U32, 16)),
             ("qwen3_vl", "rows for 1 layers of the text", put("clip.vision.is_deepstack_layers", gguf_pair.ARRAY, (gguf_pair.U32, [1]))),
             ("qwen3_vl", "63 positions, no square", cut_rows("v.position_embd.weight", 63)),
             ("gemma3_vl", "8 x 8 patches for 0 x 0 rows", put("clip.vision.projector.scale_factor", gguf_pair.U32, 3)),
             ("gemma3_vl", "tensor v.position_embd.weight is", put("clip.vision.image_size", gguf_pair.U32, 140))]
    for i, (name, says, edit) in enumerate(cases):
        folder = pair(name, "unfit%d" % i, edit=edit)
        refuses(says, folder / "model.gguf", name, "--mmproj", TOWER)
        # One that lies around is left alone, and the text works.
        refuses(says, folder / "model.gguf", name)
        logits(folder / "model.gguf", name, which="text_only", warns=says)


@test
def a_tower_that_lies_beside_another_model_is_not_looked_at():
    folder = ROOT / "llama"
    folder.mkdir()
    shutil.copy(vectors("gguf", "llama2", "llama2-Q8_0.gguf"), folder / "model.gguf")
    (folder / TOWER).write_bytes(b"no model at all")
    logits(folder / "model.gguf", "qwen2_5_vl", "--ids", "1,2,3", which="text_only")


@test
def the_configuration_names_it():
    folder, name = copy("qwen2_5_vl", "configured"), "qwen2_5_vl"
    wanted = logits(folder / "model.gguf", name)
    os.rename(folder / TOWER, folder / "eyes.gguf")
    conf = folder / "tenon.conf"
    estimate = lambda: json.loads(tenon("serve", "--config", str(conf), "--estimate", "--json").stdout)
    conf.write_text("model seer { path = model.gguf }\n".replace("model.gguf", str(folder / "model.gguf")))
    blind = estimate()
    for file in ("eyes.gguf", "./eyes.gguf"):
        conf.write_text('model seer { path = "%s" mmproj = "%s" }\n' % (folder / "model.gguf", file))
        os.environ["TENON_CONF"] = str(conf)
        try:
            assert logits("seer", name) == wanted
            assert estimate() != blind
            refuses("this model takes no images", "seer", name, "--mmproj", "none")
        finally:
            del os.environ["TENON_CONF"]
    conf.write_text('model seer { path = "%s" mmproj = "nowhere.gguf" }\n' % (folder / "model.gguf"))
    fails(1, "there is no such file (mmproj)", "serve", "--config", str(conf), "--estimate")
    fails(1, "tenon.conf:1: model seer: ", "config", "check", "--config", str(conf))


main()
