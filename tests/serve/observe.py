# SPDX-License-Identifier: Apache-2.0
"""What a server says of itself, and what an operator can do about it: status, metrics, cache, cancelling, keys."""
import json
import os
import re
import subprocess
import tempfile
import threading
import time

from server import STARTER, Server
from tap import TENON, main, test

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
LONG = dict(model="starter", prompt="one two three", max_tokens=400, ignore_eos=True, temperature=0)
# About 300 tokens of the starter's 512.
SYSTEM = " ".join("Rule %d: be kind, be short, be clear." % i for i in range(20))


def chat(question, **more):
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    return dict(dict(model="starter", messages=messages, temperature=0, max_tokens=4), **more)


def cached(answer):
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"]


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("waited for %s s" % seconds)


class Conf:
    """A configuration file in a folder of its own."""

    def __init__(self, text, **files):
        self.folder = tempfile.TemporaryDirectory()
        for name, content in files.items():
            with open(os.path.join(self.folder.name, name), "w") as f:
                f.write(content)
        self.path = os.path.join(self.folder.name, "tenon.conf")
        with open(self.path, "w") as f:
            f.write('server { listen = "127.0.0.1:0" }\n' + text)


def starter(**more):
    lines = ["path = \"%s\"" % STARTER] + ["%s = %s" % item for item in more.items()]
    return "model starter {\n%s\n}\n" % "\n".join(lines)


def status(server, **headers):
    code, _, body = server.request("GET", "/v1/status", headers=headers)
    assert code == 200, (code, body)
    return body


def metric(server, name):
    code, answer, text = server.request("GET", "/metrics")
    assert code == 200 and answer.getheader("Content-Type").startswith("text/plain; version=0.0.4"), code
    found = re.findall(r"^%s (\S+)$" % re.escape(name), text.decode(), re.M)
    assert len(found) == 1, (name, text.decode()[:3000])
    return float(found[0])


class Stream:
    """A streamed completion that is being read in the background."""

    def __init__(self, server, **body):
        self.lines = []
        self.connection = server.connect()
        self.connection.request("POST", COMPLETIONS, json.dumps(dict(LONG, stream=True, **body)))
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()
        self.thread = threading.Thread(target=lambda: self.lines.extend(self.response), daemon=True)
        self.thread.start()

    def text(self):
        self.thread.join(60)
        assert not self.thread.is_alive()
        return b"".join(self.lines).decode()


@test
def a_request_is_seen_and_can_be_cancelled():
    with Server("-m", STARTER, "--listen", "127.0.0.1:0", "--set", "model.starter.context=512") as s:
        stream = Stream(s)
        row = wait_for(lambda: [r for r in status(s)["requests"] if r.get("generated_tokens", 0) > 3])[0]
        assert row["id"].startswith("cmpl-") and row["state"] == "running" and row["model"] == "starter", row
        assert row["stream"] and row["prompt_tokens"] > 0 and row["choices"] == 1 and row["age_s"] > 0, row
        code, _, answer = s.request("DELETE", "/v1/requests/" + row["id"])
        assert code == 200 and answer["cancelled"] is True and answer["id"] == row["id"], answer
        assert '"code":"request_cancelled"' in stream.text() and stream.text().rstrip().endswith("[DONE]")
        assert s.request("DELETE", "/v1/requests/" + row["id"])[0] == 404
        assert s.request("DELETE", "/v1/requests/nobody")[0] == 404
        assert s.request("GET", "/v1/requests/nobody")[0] == 405
        wait_for(lambda: not status(s)["requests"])
        assert status(s)["models"][0]["running"] == 0
        assert metric(s, 'tenon_requests_total{model="starter",outcome="cancelled"}') == 1


@test
def a_whole_answer_can_be_cancelled_too():
    with Server("-m", STARTER) as s:
        got = []
        t = threading.Thread(target=lambda: got.append(s.request("POST", COMPLETIONS, LONG)))
        t.start()
        row = wait_for(lambda: [r for r in status(s)["requests"] if r["state"] == "running"])[0]
        assert s.request("DELETE", "/v1/requests/" + row["id"])[0] == 200
        t.join(30)
        code, _, body = got[0]
        assert code == 499 and body["error"]["code"] == "request_cancelled", got


@test
def metrics_add_up():
    with Server("-m", STARTER) as s:
        for i in range(3):
            s.post(COMPLETIONS, model="starter", prompt="count: %d" % i, max_tokens=5, ignore_eos=True)
        assert metric(s, 'tenon_requests_total{model="starter",outcome="length"}') == 3
        assert metric(s, 'tenon_generated_tokens_total{model="starter"}') == 15
        for name, n in [("queue", 3), ("time_to_first_token", 3), ("inter_token", 12), ("request", 3)]:
            assert metric(s, 'tenon_%s_seconds_count{model="starter"}' % name) == n, name
            assert metric(s, 'tenon_%s_seconds_bucket{model="starter",le="+Inf"}' % name) == n, name
        assert metric(s, 'tenon_step_seconds_count{model="starter"}') == metric(s, 'tenon_steps_total{model="starter"}')
        assert metric(s, 'tenon_kv_pages{model="starter",state="used"}') == 0
        assert metric(s, 'tenon_kv_pages{model="starter",state="cached"}') > 0
        assert 0 < metric(s, "tenon_memory_used_bytes") <= metric(s, "tenon_memory_limit_bytes")
        assert metric(s, 'tenon_model_loaded{model="starter"}') == 1


@test
def every_metric_line_is_well_formed():
    with Server("-m", STARTER) as s:
        s.post(COMPLETIONS, model="starter", prompt="x", max_tokens=2)
        text = s.request("GET", "/metrics")[2].decode()
    typed = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in typed, name
            typed.add(name)
        elif not line.startswith("#"):
            name = re.match(r'^([a-z_]+)(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? \S+$', line)
            assert name, line
            assert re.sub("_(bucket|sum|count)$", "", name.group(1)) in typed or name.group(1) in typed, line


@test
def what_was_computed_is_found_again():
    with Server("-m", STARTER) as s:
        first, second = s.post(CHAT, **chat("what is 2 + 2?")), s.post(CHAT, **chat("what is 2 + 2?"))
        n = first["usage"]["prompt_tokens"]
        assert cached(first) == 0 and cached(second) == n - 1, (first, second)
        assert first["choices"] == second["choices"]
        other = s.post(CHAT, **chat("what is 3 + 3?"))
        assert n / 2 < cached(other) < n, other
        three = s.post(CHAT, **chat("what is 4 + 4?", n=3))
        assert n / 2 < cached(three) < n, three
        assert cached(s.post(CHAT, **chat("what is 2 + 2?", cache_prompt=False))) == 0
        assert cached(s.post(CHAT, **chat("what is 2 + 2?", cache_salt="a"))) == 0
        assert cached(s.post(CHAT, **chat("what is 2 + 2?", cache_salt="b"))) == 0
        assert cached(s.post(CHAT, **chat("what is 2 + 2?", cache_salt="a"))) == n - 1
        assert metric(s, 'tenon_cached_tokens_total{model="starter"}') > n


@test
def the_cache_can_be_looked_at_and_cleared():
    with Server("-m", STARTER) as s:
        s.post(CHAT, **chat("what is 2 + 2?"))
        before = s.request("GET", "/v1/cache")[2]
        assert before["models"][0]["pages"]["cached"] > 5 and before["models"][0]["bytes"]["cached"] > 0, before
        assert s.request("DELETE", "/v1/cache")[0] == 202
        after = wait_for(lambda: (lambda c: c["models"][0]["pages"]["cached"] == 0 and c)(s.request("GET", "/v1/cache")[2]))
        assert after["models"][0]["pages"] == {"used": 0, "shared": 0, "cached": 0, "free": 0}, after
        assert after["memory"]["used"] < before["memory"]["used"]
        assert cached(s.post(CHAT, **chat("what is 2 + 2?"))) == 0


@test
def keys_may_keep_to_themselves():
    conf = 'server { api_keys = { "k1", "k2" } }\n%s' + starter()
    keys = [{"Authorization": "Bearer k%d" % i} for i in (1, 2)]
    for share, found in ("all", True), ("key", False):
        c = Conf(conf % ("cache { share = %s }\n" % share))
        with Server(config=c.path) as s:
            for path in "/v1/status", "/metrics", "/v1/cache":
                assert s.request("GET", path)[0] == 401, path
            assert s.request("DELETE", "/v1/cache")[0] == 401 and s.request("DELETE", "/v1/requests/x")[0] == 401
            answers = [s.request("POST", CHAT, chat("hello"), headers=k)[2] for k in keys + keys]
            assert cached(answers[0]) == 0 and (cached(answers[1]) > 0) == found, answers
            assert cached(answers[2]) > 0 and cached(answers[3]) > 0


@test
def warm_prompts_are_there_from_the_start():
    for text in (SYSTEM, json.dumps([{"role": "system", "content": SYSTEM}]),
                 json.dumps([[{"role": "system", "content": SYSTEM}], [{"role": "user", "content": "hello"}]])):
        c = Conf(starter(warm='"prompts"'), prompts=text)
        with Server(config=c.path) as s:
            answer = s.post(CHAT, **chat("what is 2 + 2?"))
            assert cached(answer) > 0.7 * answer["usage"]["prompt_tokens"], answer


@test
def a_warm_prompt_that_is_wrong_is_logged_and_left_out():
    c = Conf(starter(warm='"prompts"'), prompts='[{"role":"system","content":' + json.dumps("x " * 2000) + "}]")
    with Server(config=c.path) as s:
        s.post(COMPLETIONS, model="starter", prompt="x", max_tokens=2)
        assert any(b"warm prompt" in line and b"tokens" in line for line in s.errors), s.errors


@test
def a_request_may_limit_its_own_context():
    with Server("-m", STARTER) as s:
        a = s.post(COMPLETIONS, model="starter", prompt="one two three", num_ctx=20, max_tokens=100, ignore_eos=True)
        assert a["usage"]["total_tokens"] == 20 and a["choices"][0]["finish_reason"] == "length", a
        s.refused(400, "prompt", "own limit is 3", COMPLETIONS, dict(LONG, prompt="one two three four five", num_ctx=3))


@test
def an_answer_that_loops_can_end():
    with Server("-m", STARTER) as s:
        a = s.post(COMPLETIONS, **dict(LONG, logit_bias={"70": 100}, repetition_detection={"max_pattern_size": 4, "min_count": 6}))
        assert a["choices"][0]["finish_reason"] == "repetition" and a["usage"]["completion_tokens"] < 20, a


@test
def ps_shows_it():
    with Server("-m", STARTER) as s:
        stream = Stream(s)
        wait_for(lambda: [r for r in status(s)["requests"] if r.get("generated_tokens", 0) > 3])
        out = subprocess.run([TENON, "ps", "--url", s.url], capture_output=True, text=True, check=True).stdout
        assert "starter" in out and "cmpl-" in out and "running" in out and "loaded" in out, out
        raw = subprocess.run([TENON, "ps", "--url", s.url + "/", "--json"], capture_output=True, check=True).stdout
        assert json.loads(raw)["object"] == "status"
        stream.text()
    gone = subprocess.run([TENON, "ps", "--url", s.url], capture_output=True, text=True)
    assert gone.returncode == 3 and "connect" in gone.stderr.lower(), gone
    c = Conf('server { api_keys = { "k1" } }\n' + starter())
    with Server(config=c.path) as s:
        wrong = subprocess.run([TENON, "ps", "--url", s.url], capture_output=True, text=True)
        assert wrong.returncode == 3 and "API key" in wrong.stderr, wrong
        subprocess.run([TENON, "ps", "--url", s.url, "--key", "k1"], capture_output=True, check=True)


main()
