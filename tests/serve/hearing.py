# SPDX-License-Identifier: Apache-2.0
"""Recordings over HTTP: whichever way one comes it is one, what is bad is refused."""
import base64
import contextlib
import os
import re
import struct
import tempfile

from server import Server
from tap import SOURCE, Skip, main, test

VECTORS = os.path.join(SOURCE, "tests", "vectors")
MODEL = os.path.join(VECTORS, "models", "qwen2_audio")
CHAT = "/v1/chat/completions"
TEMPLATE = """{% for m in messages %}<|im_start|>{{ m.role }}
{% if m.content is string %}{{ m.content }}{% else %}{% for c in m.content %}\
{% if 'audio' in c %}<|audio_bos|><|AUDIO|><|audio_eos|>
{% else %}{{ c.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def sound(name="audio1"):
    with open(os.path.join(VECTORS, "media", name + ".wav"), "rb") as f:
        return f.read()


def b64(data):
    return base64.b64encode(data).decode()


def input_audio(data, form="wav"):
    return {"type": "input_audio", "input_audio": {"data": b64(data), "format": form}}


def wav(seconds, rate=8000):
    data = b"\0\0" * int(seconds * rate)
    return (b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
            + b"data" + struct.pack("<I", len(data)) + data)


@contextlib.contextmanager
def serving():
    with tempfile.TemporaryDirectory() as tmp:
        conf, template = os.path.join(tmp, "tenon.conf"), os.path.join(tmp, "chat.jinja")
        with open(template, "w") as f:
            f.write(TEMPLATE)
        with open(conf, "w") as f:
            f.write('server {\n listen = "127.0.0.1:0"\n}\nmodel hearing {\n path = "%s"\n chat_template = "%s"\n}\n'
                    % (MODEL, template))
        with Server(config=conf) as s:
            if "not a file of a kind" in str(s.request("POST", CHAT, body("hearing", [input_audio(wav(1))]))[2]):
                raise Skip("built without the module audio")
            yield s


def body(model, parts):
    content = parts + [{"type": "text", "text": "what is said?"}]
    return dict(model=model, messages=[{"role": "user", "content": content}], temperature=0, max_tokens=12)


def ask(server, *parts):
    answer = server.post(CHAT, **body("hearing", list(parts)))
    return answer["choices"][0]["message"]["content"], answer["usage"]["prompt_tokens"]


def refused(server, part, says):
    status, _, data = server.request("POST", CHAT, body("hearing", [part]))
    text = str(data)
    assert status == 400 and says in text and "content[0]" in text, (status, text)


def encoded(server):
    page = server.request("GET", "/metrics")[2].decode()
    return int(re.search(r'tenon_pictures_encoded_total\{model="hearing"\} (\d+)', page).group(1))


@test
def a_recording_is_encoded_once_whichever_way_it_comes():
    with serving() as s:
        first, n = ask(s, input_audio(sound()))
        uri = "data:audio/wav;base64," + b64(sound())
        for part in ({"type": "audio_url", "audio_url": {"url": uri}}, {"type": "audio_url", "audio_url": uri},
                     {"type": "audio", "audio": b64(sound())}, {"type": "input_audio", "input_audio": {"data": uri, "format": "wav"}}):
            assert ask(s, part) == (first, n)
        assert encoded(s) == 2  # and the one of silence before
        two, n_two = ask(s, input_audio(sound()), input_audio(sound("audio0")))
        assert n_two > n + 75  # rows of the longer one
        assert encoded(s) == 3


@test
def what_is_bad_is_refused():
    with serving() as s:
        refused(s, input_audio(sound()[:3000]), "cut off")
        refused(s, input_audio(wav(31)), "30 s")
        refused(s, input_audio(wav(0)), "samples")
        refused(s, {"type": "input_audio", "input_audio": {"format": "wav"}}, "data")
        refused(s, {"type": "image_url", "image_url": "data:image/png;base64,iVBORw0KGgo="}, "does not take images")
        assert ask(s, input_audio(wav(2)))[1] > 50  # silence is heard as well


if __name__ == "__main__":
    main()
