# SPDX-License-Identifier: Apache-2.0
"""tenon serve over HTTP: answers, streams, company, hang-ups, and what bad requests get."""
import json
import os
import socket
import tempfile
import time

from server import STARTER, Server, in_parallel
from tap import fails, main, tenon, test, vectors

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
USER = [{"role": "user", "content": "what is 17 + 25?"}]
PLAIN = dict(model="starter", messages=USER, enable_thinking=False)
server = None


def text_of(events):
    return "".join(c["delta"].get("content") or "" for e in events for c in e["choices"])


# ---- answers ----


@test
def health_and_models():
    status, _, body = server.request("GET", "/health")
    assert status == 200 and body["status"] == "ok"
    status, _, body = server.request("GET", "/v1/models")
    assert status == 200 and body["object"] == "list" and [m["id"] for m in body["data"]] == ["starter"], body
    status, _, body = server.request("GET", "/v1/models/starter")
    assert status == 200 and body["id"] == "starter" and body["object"] == "model"


@test
def a_chat_is_answered():
    a = server.post(CHAT, temperature=0, **PLAIN)
    assert a["object"] == "chat.completion" and a["id"].startswith("chatcmpl-") and a["model"] == "starter"
    choice = a["choices"][0]
    assert choice["index"] == 0 and choice["finish_reason"] == "stop", a
    assert choice["message"]["role"] == "assistant" and "42" in choice["message"]["content"], a
    u = a["usage"]
    assert u["prompt_tokens"] > 5 and u["completion_tokens"] > 2
    assert u["total_tokens"] == u["prompt_tokens"] + u["completion_tokens"]


@test
def a_stream_says_the_same():
    whole = server.post(CHAT, temperature=0, **PLAIN)["choices"][0]["message"]["content"]
    events = server.stream(CHAT, temperature=0, stream_options={"include_usage": True}, **PLAIN)
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert all(e["object"] == "chat.completion.chunk" and e["id"] == events[0]["id"] for e in events)
    assert text_of(events) == whole
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["choices"] == [] and events[-1]["usage"]["completion_tokens"] > 2


@test
def a_completion_is_answered_and_streamed():
    body = dict(model="starter", prompt="One day a", max_tokens=12, temperature=0)
    a = server.post(COMPLETIONS, **body)
    assert a["object"] == "text_completion" and a["choices"][0]["finish_reason"] in ("length", "stop")
    assert a["usage"]["completion_tokens"] <= 12
    events = server.stream(COMPLETIONS, **body)
    assert "".join(c["text"] for e in events for c in e["choices"]) == a["choices"][0]["text"]
    echoed = server.post(COMPLETIONS, echo=True, **body)["choices"][0]["text"]
    assert echoed == "One day a" + a["choices"][0]["text"], echoed


@test
def several_prompts_and_choices():
    a = server.post(COMPLETIONS, model="starter", prompt=["One", "Two", [5, 6, 7]], n=2, max_tokens=3, temperature=1, seed=4)
    assert [c["index"] for c in a["choices"]] == list(range(6))
    one = server.post(COMPLETIONS, model="starter", prompt="Two", max_tokens=3, temperature=1, seed=4)
    assert a["choices"][2]["text"] == one["choices"][0]["text"]
    assert len({c["text"] for c in a["choices"]}) > 1


@test
def log_probabilities_add_up():
    a = server.post(CHAT, temperature=0, logprobs=True, top_logprobs=3, **PLAIN)
    content = a["choices"][0]["logprobs"]["content"]
    text = b"".join(bytes(t["bytes"]) for t in content).decode()
    assert text.startswith(a["choices"][0]["message"]["content"])
    for t in content:
        assert t["logprob"] <= 0 and len(t["top_logprobs"]) == 3
        assert t["top_logprobs"][0]["logprob"] == max(x["logprob"] for x in t["top_logprobs"])
        assert t["top_logprobs"][0]["logprob"] == t["logprob"]


@test
def max_tokens_cuts_and_says_so():
    a = server.post(CHAT, temperature=0, max_tokens=2, **PLAIN)
    assert a["choices"][0]["finish_reason"] == "length" and a["usage"]["completion_tokens"] == 2
    a = server.post(CHAT, temperature=0, max_tokens=50, max_completion_tokens=3, **PLAIN)
    assert a["usage"]["completion_tokens"] == 3


def texts_of(answer):
    """The texts of an answer's choices, or of a stream's; none may go on after its end."""
    if isinstance(answer, dict):
        return [c["message"]["content"] for c in answer["choices"]]
    texts, over = {}, set()
    for c in (c for e in answer for c in e["choices"]):
        assert c["index"] not in over
        texts[c["index"]] = texts.get(c["index"], "") + (c["delta"].get("content") or "")
        over |= {c["index"]} if c["finish_reason"] else set()
    assert over == set(texts)
    return [texts[i] for i in sorted(texts)]


def tokens_of(choices):
    return [bytes(t["bytes"]) for c in choices if c["logprobs"] for t in c["logprobs"]["content"]]


@test
def stop_strings_never_leak():
    story = dict(model="starter", messages=[{"role": "user", "content": "tell me a story about a cat"}], temperature=0,
                 enable_thinking=False, logprobs=True)
    whole = server.post(CHAT, **story)["choices"][0]["message"]["content"]
    assert len(whole) > 60 and whole.isascii(), whole
    for start in range(3, 50, 5):
        for length in (1, 2, 7, 20):
            stop = whole[start:start + length]
            want = whole[:whole.find(stop)]
            a = server.post(CHAT, stop=stop, **story)
            assert a["choices"][0]["message"]["content"] == want and a["choices"][0]["finish_reason"] == "stop"
            events = server.stream(CHAT, stop=["never in it", stop], **story)
            assert text_of(events) == want
            assert events[-1]["choices"][0]["finish_reason"] == "stop"
            # Nor do they in the log probabilities: no token is told that begins at the stop string or after it.
            told = tokens_of(a["choices"])
            assert b"".join(told).startswith(want.encode()) and len(b"".join(told[:-1])) < max(len(want), 1), (told, want)
            assert tokens_of(c for e in events for c in e["choices"]) == told


@test
def stop_strings_never_leak_inside_characters_and_choices():
    # Only single bytes of these characters may be chosen: some make a character, others none.
    ids = json.loads(tenon("tokenize", "--no-special", STARTER, stdin="éß好🙂a".encode()).stdout)
    assert len(ids) > 8, ids
    body = dict(model="starter", messages=USER, enable_thinking=False, temperature=2, n=3, max_tokens=40,
                ignore_eos=True, frequency_penalty=2, logit_bias={str(i): 100 for i in ids})
    for seed in range(50):
        wholes = texts_of(server.post(CHAT, seed=seed, **body))
        others = {c for w in wholes for c in w if ord(c) > 127} - {"\ufffd"}
        if len(others) > 1 and all("\ufffd" in w for w in wholes) and len(set(wholes)) == 3:
            break
    else:
        assert False, "no seed gives characters and parts of some: %r" % wholes
    body["seed"] = seed
    assert texts_of(server.stream(CHAT, **body)) == wholes
    stops = {w[start:start + length] for w in wholes[:2] for start in range(0, 36, 2) for length in (1, 2, 5)}
    assert len(stops) > 15 and any(others & set(stop) for stop in stops), stops
    for stop in sorted(stops):
        want = [w.partition(stop)[0] for w in wholes]
        a = server.post(CHAT, stop=[stop], **body)
        assert texts_of(a) == want, (stop, a)
        assert [c["finish_reason"] for c in a["choices"]] == ["stop" if stop in w else "length" for w in wholes]
        assert texts_of(server.stream(CHAT, stop=[stop], **body)) == want, stop


@test
def logit_bias_forbids_and_forces():
    a = server.post(COMPLETIONS, model="starter", prompt="One", max_tokens=4, temperature=0, logit_bias={"65": 100},
                    logprobs=0, ignore_eos=True)
    assert len(set(a["choices"][0]["logprobs"]["tokens"])) == 1
    b = server.post(COMPLETIONS, model="starter", prompt="One", max_tokens=4, temperature=0, logit_bias={"65": -100},
                    logprobs=0, ignore_eos=True)
    assert a["choices"][0]["logprobs"]["tokens"][0] not in b["choices"][0]["logprobs"]["tokens"]


@test
def seeded_answers_are_the_same_in_any_company():
    def ask(i, stream):
        body = dict(model="starter", messages=[{"role": "user", "content": "tell me a story about a %d" % i}],
                    temperature=0.5 + i % 3 * 0.5, top_p=1 - i % 4 * 0.1, top_k=i % 5 * 10, min_p=i % 2 * 0.02, seed=i,
                    presence_penalty=i % 3 * 0.3, max_tokens=20 + i)
        if stream:
            return text_of(server.stream(CHAT, **body))
        return server.post(CHAT, **body)["choices"][0]["message"]["content"]

    alone = [ask(i, False) for i in range(16)]
    got = [None] * 16

    def one(i):
        got[i] = ask(i, i % 2 == 0)

    in_parallel([lambda i=i: one(i) for i in range(16)])
    assert got == alone
    assert len(set(alone)) > 8


@test
def an_answer_keeps_its_connection():
    c = server.connect()
    for _ in range(5):
        c.request("POST", CHAT, json.dumps(dict(PLAIN, max_tokens=2)))
        r = c.getresponse()
        assert r.status == 200
        r.read()
    c.close()


# ---- bad requests ----


@test
def wrong_fields_are_named():
    bad = lambda param, says, **fields: server.refused(400, param, says, CHAT, dict(PLAIN, **fields))
    bad("temperature", "2", temperature=2.5)
    bad("temperature", "number", temperature="hot")
    bad("top_p", "1", top_p=1.5)
    bad("n", "n is 0", n=0)
    bad("max_tokens", "max_tokens", max_tokens=-1)
    bad("logit_bias", "outside the vocabulary", logit_bias={"99999": 1})
    bad("top_logprobs", "20", logprobs=True, top_logprobs=21)
    bad("stop[0]", "string", stop=[1])
    bad("messages", "messages", messages=[])
    bad("messages[0].role", "role", messages=[{"role": "wizard", "content": "x"}])


@test
def json_that_is_none_says_where():
    error = server.refused(400, None, "line 1", CHAT, "{\"model\": }")
    assert error["type"] == "invalid_request_error"
    server.refused(400, None, "JSON", CHAT, "")
    server.refused(400, None, "object", CHAT, "[1]")


@test
def a_prompt_beyond_the_context_gets_both_numbers():
    error = server.refused(400, "prompt", "3000 tokens, the context holds 2048", COMPLETIONS,
                           dict(model="starter", prompt=[5] * 3000))
    assert error["code"] == "context_length_exceeded"


@test
def unknown_models_routes_and_methods():
    error = server.refused(404, "model", "quux", CHAT, dict(PLAIN, model="quux"))
    assert error["code"] == "model_not_found"
    assert server.request("GET", "/v1/models/quux")[0] == 404
    status, _, body = server.request("GET", "/v1/nothing")
    assert status == 404 and "message" in body["error"]
    status, headers, body = server.request("GET", CHAT)
    assert status == 405 and headers.getheader("Allow") == "POST"


@test
def unknown_fields_are_accepted():
    server.post(CHAT, max_tokens=1, frobnicate=True, **PLAIN)


@test
def oversized_bodies_are_refused_before_they_are_sent():
    c = server.connect()
    c.putrequest("POST", CHAT)
    c.putheader("Content-Length", str(1 << 40))
    c.endheaders()
    r = c.getresponse()
    assert r.status == 413 and "error" in json.loads(r.read())
    c.close()


# ---- bad clients ----


def jobs():
    return server.request("GET", "/health")[2]["requests"]


def wait_until_idle(seconds=20):
    end = time.time() + seconds
    while jobs() and time.time() < end:
        time.sleep(0.02)
    assert jobs() == 0


def raw(body):
    data = json.dumps(body).encode()
    s = socket.create_connection((server.host, int(server.port)), timeout=60)
    s.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (COMPLETIONS.encode(), len(data)) + data)
    return s


LONG = dict(model="starter", prompt="One", max_tokens=1900, ignore_eos=True, temperature=1)


@test
def a_vanished_client_frees_its_place():
    for stream in (True, False):
        for _ in range(5):
            s = raw(dict(LONG, stream=stream))
            end = time.time() + 20
            while jobs() == 0 and time.time() < end:
                time.sleep(0.005)
            assert jobs() == 1
            s.close()
            began = time.time()
            wait_until_idle()
            assert time.time() - began < 5, "the job outlived its client"


@test
def a_client_that_does_not_read_stops_nobody():
    slow = [raw(dict(LONG, stream=True)) for _ in range(4)]
    for _ in range(3):
        assert "42" in server.post(CHAT, temperature=0, **PLAIN)["choices"][0]["message"]["content"]
    for s in slow:
        s.close()
    wait_until_idle()


@test
def half_a_request_stops_nobody():
    half = [socket.create_connection((server.host, int(server.port))) for _ in range(50)]
    for i, s in enumerate(half):
        s.sendall((b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 100\r\n\r\n{" if i % 2 else b"GET /hea"))
    assert server.request("GET", "/health")[0] == 200
    server.post(CHAT, max_tokens=2, **PLAIN)
    for s in half:
        s.close()


@test
def garbage_is_no_http():
    s = socket.create_connection((server.host, int(server.port)), timeout=20)
    s.sendall(b"\x00\xff garbage \r\n\r\n")
    s.close()
    assert server.request("GET", "/health")[0] == 200


@test
def many_connections_at_once():
    connections = [socket.create_connection((server.host, int(server.port))) for _ in range(600)]
    assert server.request("GET", "/health")[0] == 200
    server.post(CHAT, max_tokens=2, **PLAIN)
    for c in connections:
        c.close()


# ---- deployment ----


@test
def one_file_serves_two_models_with_keys():
    llama = vectors("models", "llama3")
    with tempfile.TemporaryDirectory() as tmp:
        conf = os.path.join(tmp, "tenon.conf")
        with open(conf, "w") as f:
            f.write('server {\n listen = "127.0.0.1:0"\n api_keys = {"secret"}\n}\n'
                    'model first {\n path = "%s"\n parallel = 4\n default = true\n}\n'
                    'model second {\n path = "%s"\n aliases = {"other"}\n compute = "f32"\n}\n' % (STARTER, llama))
        with Server(config=conf) as s:
            assert s.request("GET", "/v1/models")[0] == 401
            key = {"Authorization": "Bearer secret"}
            names = [m["id"] for m in s.request("GET", "/v1/models", headers=key)[2]["data"]]
            assert names == ["first", "second"], names
            for name, answers in (("first", "first"), ("other", "second"), (None, "first")):
                body = dict(prompt=[1, 2, 3], max_tokens=2)
                if name:
                    body["model"] = name
                status, _, a = s.request("POST", COMPLETIONS, body, key)
                assert status == 200 and a["model"] == answers, a


@test
def a_taken_port_is_the_environments_fault():
    fails(3, "listen", "serve", "-m", STARTER, "--listen", "127.0.0.1:%s" % server.port, "--set", "server.log_level=warn")


@test
def a_model_that_is_not_there():
    fails(1, "nonexistent", "serve", "-m", "/nonexistent/model", "--listen", "127.0.0.1:0")


with Server("-m", STARTER) as server:
    main()
