# SPDX-License-Identifier: Apache-2.0
"""Images and videos over HTTP: the starter vision model answers, whichever way a picture comes it is one, what is bad is refused."""
import base64
import contextlib
import http.server
import json
import os
import re
import struct
import tempfile
import threading
import zlib

from server import Server
from tap import SOURCE, Skip, main, test

MODEL = os.path.join(SOURCE, "models", "starter-vision")
SCENES = os.path.join(SOURCE, "tests", "vectors", "scenes")
CHAT = "/v1/chat/completions"
MARGIN = 0.3  # between the two best tokens, above which rounding decides nothing


def scene(name):
    with open(os.path.join(SCENES, name), "rb") as f:
        return f.read()


def data_uri(name, kind="image/png"):
    return "data:%s;base64,%s" % (kind, base64.b64encode(scene(name)).decode())


def image(source, **more):
    return {"type": "image_url", "image_url": dict(url=source, **more)}


def video(source, **more):
    return {"type": "video_url", "video_url": dict(url=source, **more)}


def body(parts, question, **more):
    content = parts + [{"type": "text", "text": question}]
    return dict(dict(model="vision", messages=[{"role": "user", "content": content}], temperature=0, max_tokens=40), **more)


@contextlib.contextmanager
def serving(media=""):
    if not os.path.exists(os.path.join(MODEL, "model.safetensors")):
        raise Skip("no models/starter-vision/model.safetensors")
    with tempfile.TemporaryDirectory() as tmp:
        conf = os.path.join(tmp, "tenon.conf")
        with open(conf, "w") as f:
            f.write('server {\n listen = "127.0.0.1:0"\n}\nmedia {\n%s\n}\nmodel vision {\n path = "%s"\n parallel = 8\n}\n' % (media, MODEL))
        with Server(config=conf) as s:
            yield s


def ask(server, parts, question, **more):
    return server.post(CHAT, **body(parts, question, **more))


def text(answer):
    return answer["choices"][0]["message"]["content"]


def cached(answer):
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"]


def encoded(server):
    page = server.request("GET", "/metrics")[2].decode()
    return int(re.search(r'tenon_pictures_encoded_total\{model="vision"\} (\d+)', page).group(1))



@test
def held_out_questions_are_answered_as_by_the_reference():
    """eval.json has what another implementation makes of these files and this model, where that is right."""
    with open(os.path.join(SCENES, "cases.json")) as f:
        cases = json.load(f)
    with open(os.path.join(MODEL, "eval.json")) as f:
        recorded = {c["name"]: c for c in json.load(f)}
    right, wrong = 0, []
    with serving() as s:
        for c in cases:
            parts = [image(data_uri(n)) for n in c.get("images", [])]
            parts += [video(data_uri(n, "video/apng"), fps=2) for n in c.get("videos", [])]
            got = text(ask(s, parts, c["question"])).strip()
            right += got == c["answer"]
            if c["name"] in recorded and recorded[c["name"]]["margin"] > MARGIN and got != recorded[c["name"]]["text"]:
                wrong.append((c["name"], c["question"], recorded[c["name"]]["text"], got))
    print("# %d of %d questions answered rightly" % (right, len(cases)))
    assert len(recorded) > 100 and not wrong, wrong


@test
def a_picture_is_encoded_once_whichever_way_it_comes():
    class Files(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            data = scene("scene00.png")
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d/a.png" % web.server_port
    with serving(' roots = {"%s"}\n allow_private = {"127.0.0.0/8"}' % SCENES) as s:
        sources = [data_uri("scene00.png"), base64.b64encode(scene("scene00.png")).decode(), url, os.path.join(SCENES, "scene00.png")]
        answers = [ask(s, [image(source)], "What is in the picture?") for source in sources]
        assert encoded(s) == 1
        assert len({text(a) for a in answers}) == 1
        assert cached(answers[0]) < 8 and all(cached(a) >= a["usage"]["prompt_tokens"] - 32 for a in answers[1:])
        other = ask(s, [image(url)], "Where is the circle?")
        assert encoded(s) == 1 and cached(other) > 8
    web.shutdown()


@test
def order_matters_and_overlap_is_shared():
    with serving() as s:
        a, b = image(data_uri("scene01.png")), image(data_uri("scene02.png"))
        question = "What is in the first image?"
        one, two = ask(s, [a, b], question, logprobs=True), ask(s, [b, a], question, logprobs=True)
        assert encoded(s) == 2
        numbers = [[t["logprob"] for t in x["choices"][0]["logprobs"]["content"]] for x in (one, two)]
        assert numbers[0] != numbers[1]


@test
def company_does_not_show():
    questions = [("scene%02d.png" % i, "What is in the picture?") for i in range(8)]

    def get(server, i, into):
        into[i] = ask(server, [image(data_uri(questions[i][0]))], questions[i][1], logprobs=True)["choices"][0]
    with serving() as s:
        together = {}
        threads = [threading.Thread(target=get, args=(s, i, together)) for i in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    with serving() as s:
        alone = {}
        for i in range(8):
            get(s, i, alone)
    assert alone == together


def png(width, height, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@test
def bad_media_are_refused_and_harm_nobody():
    def uri(data):
        return "data:image/png;base64," + base64.b64encode(data).decode()
    place = "messages[0].content[0]"
    good = scene("scene00.png")
    with serving() as s:
        for source, says in [
                (uri(good[:len(good) // 2]), "cut off"),
                (uri(b"no picture at all, only text"), ""),
                (uri(png(60000, 60000, b"")), "pixels"),
                (uri(png(0, 10, b"")), ""),
                (uri(png(1, 1000, b"\0\1\2\3" * 1000)), ""),
                ("http://127.0.0.1:1/a.png", "allow_private"),
                ("http://[::ffff:10.0.0.1]/a.png", "allow_private"),
                ("ftp://example.com/a.png", "ftp"),
                ("/etc/passwd", "roots"),
                ("data:image/png;base64,!!!!", "base64")]:
            status, _, answer = s.request("POST", CHAT, body([image(source)], "What is this?"))
            assert status == 400, (source[:60], status, answer)
            assert answer["error"]["param"].startswith(place) and says in answer["error"]["message"], (source[:60], answer)
        s.refused(400, place, "", CHAT, body([video(data_uri("scene00.png"))], "What happens?"))
        assert text(ask(s, [image(uri(good))], "What is in the picture?"))
        assert text(ask(s, [], "Hello!"))


main()
