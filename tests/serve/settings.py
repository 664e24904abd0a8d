# SPDX-License-Identifier: Apache-2.0
"""What tenon.conf says of sampling is what a request would say, and media in requests as long as no model sees."""
import base64
import os

from models_folder import Folder, starter
from server import Server
from tap import main, test

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
PROMPT = dict(prompt="One day a cat sat on a mat. One day a cat sat on", max_tokens=32, temperature=1.3, top_k=0, top_p=1,
              min_p=0, ignore_eos=True)

# Each: what the file says, what a request says for the same, what a request says against it.
SETTINGS = [
    ({"typical_p": 0.3}, {"typical_p": 0.3}, {"typical_p": 1}),
    ({"typical_p": 0}, {"typical_p": 0}, {"typical_p": 1}),
    ({"top_n_sigma": 0.7}, {"top_n_sigma": 0.7}, {"top_n_sigma": -1}),
    ({"xtc_probability": 1, "xtc_threshold": 0.05}, {"xtc_probability": 1, "xtc_threshold": 0.05}, {"xtc_probability": 0}),
    ({"xtc_probability": 1}, {"xtc_probability": 1}, {"xtc_probability": 0}),
    ({"repetition_penalty": 3, "repetition_last_n": 4}, {"repetition_penalty": 3, "repetition_last_n": 4},
     {"repetition_last_n": 0}),
    ({"frequency_penalty": 2, "presence_penalty": -2}, {"frequency_penalty": 2, "presence_penalty": -2},
     {"frequency_penalty": 0, "presence_penalty": 0}),
    ({"frequency_penalty": 2}, {"frequency_penalty": 2}, {"repeat_last_n": 0}),
    ({"dry_multiplier": 5, "dry_base": 3, "dry_allowed_length": 1, "dry_penalty_last_n": 20},
     {"dry_multiplier": 5, "dry_base": 3, "dry_allowed_length": 1, "dry_penalty_last_n": 20}, {"dry_penalty_last_n": 0}),
    ({"dry_multiplier": 5, "dry_sequence_breakers": r"{'\n', a, ' '}"},
     {"dry_multiplier": 5, "dry_sequence_breakers": ["\n", "a", " "]}, {"dry_multiplier": 0}),
    ({"dry_multiplier": 5, "dry_sequence_breakers": "{}"}, {"dry_multiplier": 5, "dry_sequence_breakers": []},
     {"dry_multiplier": 0}),
    ({"dry_multiplier": 5, "min_keep": 3, "min_p": 0.9}, {"dry_multiplier": 5, "min_keep": 3, "min_p": 0.9},
     {"dry_multiplier": 0, "min_keep": 0, "min_p": 0}),
]


def answers(server, model, **fields):
    return [server.post(COMPLETIONS, model=model, seed=s, **dict(PROMPT, **fields))["choices"][0]["text"] for s in range(3)]


@test
def settings_are_what_requests_do_not_say():
    models = {"plain": starter()}
    models.update({"m%d" % i: starter(**s[0]) for i, s in enumerate(SETTINGS)})
    with Folder(models) as f, Server(config=f.conf) as s:
        plain = answers(s, "plain")
        differ = 0
        for i, (conf, same, against) in enumerate(SETTINGS):
            said = {k: v for k, v in PROMPT.items() if k not in conf}
            own = [s.post(COMPLETIONS, model="m%d" % i, seed=k, **said)["choices"][0]["text"] for k in range(3)]
            assert own == answers(s, "plain", **same), conf
            assert answers(s, "m%d" % i, **against) == plain, (conf, against)
            differ += own != plain
        assert differ >= len(SETTINGS) - 2, differ  # a setting without an effect would show nothing


@test
def an_answer_that_loops_is_ended_where_the_file_says_so():
    loop = dict(prompt="a a a a a a a a", max_tokens=40, temperature=0, logit_bias={"65": 100}, ignore_eos=True)
    watched = starter(repetition_max_pattern=8, repetition_min_count=3, repetition_min_tokens=6)
    with Folder({"plain": starter(), "watched": watched}) as f, Server(config=f.conf) as s:
        choice = s.post(COMPLETIONS, model="watched", **loop)["choices"][0]
        assert choice["finish_reason"] == "repetition", choice
        for model, more in (("plain", {}), ("watched", {"repetition_detection": False})):
            choice = s.post(COMPLETIONS, model=model, **dict(loop, **more))["choices"][0]
            assert choice["finish_reason"] == "length", choice
        asked = {"max_pattern_size": 8, "min_count": 3, "min_tokens": 6}
        assert s.post(COMPLETIONS, model="plain", repetition_detection=asked, **loop)["choices"][0]["finish_reason"] == "repetition"


# ---- Media ----

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()


def content(*parts):
    return dict(model="m", messages=[{"role": "user", "content": [{"type": "text", "text": "x"}, *parts]}], max_tokens=2)


@test
def a_model_that_does_not_see_names_the_part():
    parts = [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXEL}}, "images"),
        ({"type": "image_url", "image_url": PIXEL}, "images"),
        ({"type": "input_image", "image_url": "http://127.0.0.1:9/x.png"}, "images"),
        ({"type": "image", "image": os.path.abspath(__file__)}, "images"),
        ({"type": "video_url", "video_url": {"url": "https://example.org/v.mp4", "fps": 2}}, "video"),
        ({"type": "video", "video": ["a.png", "b.png"]}, "video"),
    ]
    with Folder({"m": starter()}) as f, Server(config=f.conf) as s:
        for part, what in parts:
            says = "is of type \"%s\", but the model m does not take %s" % (part["type"], what)
            s.refused(400, "messages[0].content[1]", says, CHAT, content(part))
        s.refused(400, "messages[0].content[1].image", "missing", CHAT, content({"type": "image"}))
        s.refused(400, "messages[0].content[1].image_url", "\"ftp\" is not fetched", CHAT,
                  content({"type": "image_url", "image_url": "ftp://example.org/"}))
        image = {"type": "image", "image": PIXEL}
        s.refused(400, "messages[0].content[33]", "one more than the 32", CHAT, content(*[image] * 33))
        s.refused(404, "model", "nobody", CHAT, dict(content(image), model="nobody"))
        assert s.post(CHAT, **content())["choices"]


@test
def media_can_be_ruled_out():
    with Folder({"m": starter()}, media={"max_items": 0}) as f, Server(config=f.conf) as s:
        s.refused(400, "messages[0].content[1]", "the models of this server do not take images", CHAT,
                  content({"type": "image", "image": PIXEL}))


main()
