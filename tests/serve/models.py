# SPDX-License-Identifier: Apache-2.0
"""Several models under one memory budget: loading on demand, who leaves for whom, refusals, failures, shutting down."""
import json
import os
import shutil
import signal
import tempfile
import threading
import time

from models_folder import Folder, starter
from server import STARTER, Server, in_parallel
from tap import fails, main, succeed, test, vectors

CHAT, COMPLETIONS, MODELS = "/v1/chat/completions", "/v1/completions", "/v1/models"
LONG = dict(prompt="One", max_tokens=450, ignore_eos=True, temperature=1, seed=3)
SECONDS = 60  # nothing here takes nearly so long


def ask(server, model, **more):
    return server.post(COMPLETIONS, **dict(dict(model=model, prompt="One", max_tokens=3, temperature=0), **more))


def statuses(server):
    return {m["id"]: m["status"] for m in server.request("GET", MODELS)[2]["data"]}


def wait_until(what, seconds=SECONDS):
    end = time.time() + seconds
    while not what() and time.time() < end:
        time.sleep(0.01)
    assert what()


def said(server, text):
    """How many lines of the log have this in them."""
    return sum(text in line.decode(errors="replace") for line in list(server.errors))


def rss(server):
    with open("/proc/%d/status" % server.process.pid) as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1]) << 10


class Stream:
    """A streamed completion, read as it comes; begun when the constructor returns."""

    def __init__(self, server, **body):
        self.connection = server.connect()
        self.connection.request("POST", COMPLETIONS, json.dumps(dict(LONG, stream=True, **body)))
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()
        self.first = self.response.readline()
        assert self.first.startswith(b"data: "), self.first

    def rest(self):
        """The parsed events; the last one may be an error."""
        lines = [self.first] + self.response.read().split(b"\n")
        self.connection.close()
        data = [line[6:].strip() for line in lines if line.startswith(b"data: ")]
        assert data[-1] == b"[DONE]", data[-1]
        return [json.loads(d) for d in data[:-1]]

    def text(self):
        events = self.rest()
        assert events[-1]["choices"][0]["finish_reason"] == "length", events[-1]
        return "".join(c["text"] for e in events for c in e["choices"])


# ---- loading and leaving ----


@test
def models_are_loaded_when_they_are_wanted():
    with Folder({"a": starter(load="start"), "b": starter()}) as f, Server(config=f.conf) as s:
        assert statuses(s) == {"a": "loaded", "b": "unloaded"}
        assert ask(s, "b")["model"] == "b"
        assert statuses(s) == {"a": "loaded", "b": "loaded"}
        assert s.request("GET", MODELS + "/b")[2]["status"] == "loaded"
        assert ask(s, "a")["choices"] == ask(s, "b")["choices"]


@test
def what_was_estimated_is_what_is_held():
    with Folder({"a": starter(load="start"), "b": starter(parallel=2, compute="f32", load="start")}) as f:
        lines = succeed("serve", "--estimate", "--json", "-c", f.conf).decode().splitlines()
        estimates = {e["model"]: e for e in map(json.loads, lines)}
        assert all(e["fixed"] == e["file"] + e["weights"] + e["activations"] for e in estimates.values())
        with Server(config=f.conf) as s:
            held = {m["id"]: m["memory"] for m in s.request("GET", MODELS)[2]["data"]}
    assert held == {name: e["fixed"] for name, e in estimates.items()} and held["a"] != held["b"], (held, estimates)
    kinds = {k["kv_type"]: k for k in estimates["a"]["kv"]}
    assert kinds["f32"]["kv_context"] == 2 * kinds["f16"]["kv_context"] == 512 * kinds["f32"]["kv_token"]
    assert all(k["fits"] and k["total"] > k["kv_context"] > 0 for k in kinds.values())


@test
def simultaneous_first_requests_load_once():
    with Folder({"a": starter(), "b": starter()}) as f, Server(config=f.conf) as s:
        answers = [None] * 8

        def one(i):
            answers[i] = ask(s, "b")["choices"]

        in_parallel([lambda i=i: one(i) for i in range(8)])
        assert all(a == answers[0] for a in answers)
        assert said(s, "b is loaded") == 1 and said(s, "a is loaded") == 0, s.errors


@test
def the_least_recently_used_leaves_for_another():
    models = {name: starter() for name in "abc"}
    with Folder(models, limits={"memory": "45M"}) as f, Server(config=f.conf) as s:
        for name in "aba":
            ask(s, name)
        assert statuses(s) == {"a": "loaded", "b": "loaded", "c": "unloaded"}
        ask(s, "c")
        assert statuses(s) == {"a": "loaded", "b": "unloaded", "c": "loaded"}
        ask(s, "b")
        assert statuses(s) == {"a": "unloaded", "b": "loaded", "c": "loaded"}
        for i in range(12):
            ask(s, "abc"[i % 3])


@test
def a_busy_model_stays_and_the_refusal_has_numbers():
    models = {"a": starter(), "b": starter(), "c": starter(), "kept": starter(keep="true")}
    with Folder(models, limits={"memory": "65M"}) as f, Server(config=f.conf) as s:
        ask(s, "kept")
        alone = ask(s, "a", **LONG)["choices"][0]["text"]
        streams = [Stream(s, model="a"), Stream(s, model="b")]
        status, headers, answer = s.request("POST", COMPLETIONS, dict(model="c", prompt="x"))
        error = answer["error"]
        assert status == 503 and headers.getheader("Retry-After"), (status, answer)
        assert error["code"] == "insufficient_memory" and error["type"] == "server_error", error
        for part in ("model c", "6.93 MiB as mapped files", "repacked", "activations", "one sequence of 512 tokens", "4.00 KiB a token",
                     "the limit is 65.00 MiB", "other models hold", "limits.memory"):
            assert part in error["message"], (part, error)
        assert statuses(s) == {"a": "loaded", "b": "loaded", "c": "unloaded", "kept": "loaded"}
        assert [x.text() for x in streams] == [alone, alone]
        wait_until(lambda: s.request("POST", COMPLETIONS, dict(model="c", prompt="x", max_tokens=1))[0] == 200)
        now = statuses(s)
        assert now["kept"] == now["c"] == "loaded" and "unloaded" in (now["a"], now["b"]), now


@test
def idle_models_give_their_memory_back():
    with Folder({"a": starter(idle_unload="1s"), "b": starter()}) as f, Server(config=f.conf) as s:
        before, after = rss(s), []
        for _ in range(4):
            ask(s, "a", prompt="x " * 200, max_tokens=20)
            loaded = rss(s)
            wait_until(lambda: statuses(s)["a"] == "unloaded")
            after.append(rss(s))
            assert loaded - after[-1] > 12 << 20, (before, loaded, after)
        assert max(after) - after[0] < 8 << 20, "it grows: %r" % after  # the C library may keep a buffer or two
        ask(s, "b")
        time.sleep(1.5)
        assert statuses(s)["b"] == "loaded"


@test
def an_idle_limit_does_not_end_a_stream():
    with Folder({"a": starter(idle_unload="1ms")}) as f, Server(config=f.conf) as s:
        text = ask(s, "a", **LONG)["choices"][0]["text"]
        for _ in range(5):
            assert Stream(s, model="a").text() == text


# ---- pages ----

BOTH = {"a": starter(context=2048), "b": starter(context=2048)}  # 20 MiB each, and 8 for a sequence


def long_prompt(i):
    return [10 + (i * 7 + k * (i + 3)) % 300 for k in range(1100)]


@test
def two_models_share_the_pages_that_there_are():
    """Each request takes half of the pages that there are for both models."""
    def one(s, i):
        return ask(s, "ab"[i % 2], prompt=long_prompt(i), max_tokens=60, ignore_eos=True)["choices"][0]["text"]

    with Folder(BOTH, limits={"memory": "49M"}) as f, Server(config=f.conf) as s:
        alone = [one(s, i) for i in range(12)]
        got = [None] * 12

        def keep(i):
            got[i] = one(s, i)

        in_parallel([lambda i=i: keep(i) for i in range(12)])
        assert got == alone
        assert statuses(s) == {"a": "loaded", "b": "loaded"}
        wait_until(lambda: s.request("GET", "/health")[2]["requests"] == 0)


@test
def cached_pages_make_room_for_a_model():
    with Folder(BOTH, limits={"memory": "49M"}) as f, Server(config=f.conf) as s:
        for i in range(6):
            ask(s, "a", prompt=long_prompt(i))  # more than 4 MiB of pages each
        ask(s, "b")
        assert statuses(s) == {"a": "loaded", "b": "loaded"} and said(s, "unloaded") == 0, s.errors
        ask(s, "b", prompt=[9] * 2000)
        ask(s, "a", prompt=[9] * 2000)


# ---- room at the start ----


@test
def what_does_not_fit_at_the_start_is_said():
    with Folder({"a": starter(load="start", context=2048)}, limits={"memory": "25M"}) as f:
        done = fails(3, "one sequence of 2048 tokens", "serve", "-c", f.conf)
        assert b"limit is 25.00 MiB" in done.stderr, done.stderr
    two = {"a": starter(load="start"), "b": starter(load="start")}
    with Folder(two, limits={"memory": "30M"}, server={"log_level": "error"}) as f:
        done = fails(3, "model b", "serve", "-c", f.conf)
        assert b"other models hold 19." in done.stderr, done.stderr


@test
def a_context_that_nobody_asked_for_shrinks():
    with Folder({"a": starter(load="start", context=0)}, limits={"memory": "25M"}) as f, Server(config=f.conf) as s:
        line = next(line.decode() for line in s.errors if b"instead of 2048" in line)
        context = int(line.split("the context is ")[1].split()[0])
        assert 512 <= context < 2048, line
        error = s.refused(400, "prompt", "the context holds %d" % context, COMPLETIONS, dict(model="a", prompt=[5] * 2000))
        assert error["code"] == "context_length_exceeded"
        ask(s, "a", prompt=[5] * (context - 10))


# ---- loads that fail or take long ----


@test
def a_failed_load_is_told_and_tried_again():
    with Folder({"a": starter(path="./broken.gguf")}) as f:
        with open(STARTER, "rb") as whole, open(f.path("broken.gguf"), "wb") as part:
            part.write(whole.read(1 << 20))
        with Server(config=f.conf) as s:
            failures = []

            def one():
                failures.append(s.request("POST", COMPLETIONS, dict(model="a", prompt="x")))

            in_parallel([one] * 4)
            for status, headers, answer in failures:
                assert status == 503 and headers.getheader("Retry-After"), answer
                assert answer["error"]["code"] == "model_load_failed" and "1048576 bytes" in answer["error"]["message"], answer
            assert statuses(s) == {"a": "unloaded"} and s.request("GET", "/health")[0] == 200
            shutil.copy(STARTER, f.path("broken.gguf.new"))
            os.rename(f.path("broken.gguf.new"), f.path("broken.gguf"))
            ask(s, "a")
            assert statuses(s) == {"a": "loaded"}


@test
def a_model_that_is_not_there_yet():
    with Folder({"a": starter(load="start"), "b": starter(path="./late.gguf")}) as f, Server(config=f.conf) as s:
        wait_until(lambda: said(s, "late.gguf") == 1)  # a warning, which a thread of ours reads
        status, _, answer = s.request("POST", COMPLETIONS, dict(model="b", prompt="x"))
        assert status == 503 and "late.gguf" in answer["error"]["message"], answer
        os.symlink(STARTER, f.path("late.gguf"))
        ask(s, "b")


class SlowModel:
    """A model in folder f whose configuration is a pipe: opening it takes until let_go(), and fails then."""

    def __init__(self, f):
        self.dir = f.path("slow")
        os.mkdir(self.dir)
        for name in ("model.safetensors", "tokenizer.json", "tokenizer_config.json"):
            os.symlink(vectors("models", "llama3", name), os.path.join(self.dir, name))
        self.pipe = os.path.join(self.dir, "config.json")
        os.mkfifo(self.pipe)

    def let_go(self):
        os.close(os.open(self.pipe, os.O_WRONLY))
        os.unlink(self.pipe)
        shutil.copy(vectors("models", "llama3", "config.json"), self.pipe)


@test
def others_go_on_while_a_model_is_loaded():
    vectors("models", "llama3")
    models = {"a": starter(load="start"), "slow": dict(path="./slow", load="demand")}
    with Folder(models, limits={"queue_length": 3}) as f, Server(config=f.conf) as s:
        slow = SlowModel(f)
        alone = ask(s, "a", **LONG)["choices"][0]["text"]
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(s.request("POST", COMPLETIONS, dict(model="slow", prompt="x"))))
                   for _ in range(3)]
        for t in threads:
            t.start()
        wait_until(lambda: statuses(s)["slow"] == "loading")
        full = lambda: s.request("POST", COMPLETIONS, dict(model="slow", prompt="x"))[2]
        wait_until(lambda: s.request("GET", "/health")[0] == 200)
        for _ in range(3):
            assert Stream(s, model="a").text() == alone
        assert not answers and statuses(s)["slow"] == "loading"
        error = full()["error"]
        assert error["code"] == "queue_full" and "the limit is 3" in error["message"], error
        slow.let_go()
        for t in threads:
            t.join()
        assert [(a[0], a[2]["error"]["code"]) for a in answers] == [(503, "model_load_failed")] * 3, answers
        ask(s, "slow", prompt=[1, 2, 3])
        assert statuses(s) == {"a": "loaded", "slow": "loaded"}


@test
def waiting_for_a_model_has_a_limit():
    vectors("models", "llama3")
    models = {"slow": dict(path="./slow", load="demand")}
    with Folder(models, limits={"queue_wait": "300ms"}) as f, Server(config=f.conf) as s:
        slow = SlowModel(f)
        for stream in (False, True):
            status, headers, answer = s.request("POST", COMPLETIONS, dict(model="slow", prompt="x", stream=stream))
            assert status == 503 and answer["error"]["code"] == "queue_timeout", answer
            assert "0.3 s" in answer["error"]["message"] and headers.getheader("Retry-After"), answer
        assert statuses(s)["slow"] == "loading"
        slow.let_go()
        wait_until(lambda: s.request("POST", COMPLETIONS, dict(model="slow", prompt=[1, 2], max_tokens=2))[0] == 200)


@test
def a_client_that_leaves_while_it_waits():
    vectors("models", "llama3")
    with Folder({"a": starter(load="start"), "slow": dict(path="./slow", load="demand")}) as f, Server(config=f.conf) as s:
        slow = SlowModel(f)
        clients = [s.connect() for _ in range(5)]
        for c in clients:
            c.request("POST", COMPLETIONS, json.dumps(dict(model="slow", prompt="x")))
        wait_until(lambda: statuses(s)["slow"] == "loading")
        for c in clients:
            c.close()
        slow.let_go()
        wait_until(lambda: s.request("POST", COMPLETIONS, dict(model="slow", prompt=[1, 2], max_tokens=2))[0] == 200)
        wait_until(lambda: s.request("GET", "/health")[2]["requests"] == 0)


# ---- health, and the end ----


@test
def a_step_that_takes_too_long_is_a_stall():
    with Folder({"a": starter(load="start", context=2048)}, limits={"stall": "1ms"}) as f, Server(config=f.conf) as s:
        assert s.request("GET", "/health")[0] == 200
        seen, over = [], []

        def look():
            while not over:
                status, _, body = s.request("GET", "/health")
                if status != 200:
                    seen.append((status, body))

        t = threading.Thread(target=look)
        t.start()
        end = time.time() + SECONDS
        while not seen and time.time() < end:
            ask(s, "a", prompt=[7] * 2000, max_tokens=1)
        over.append(True)
        t.join()
        assert seen and seen[0][0] == 503 and seen[0][1]["status"] == "stalled" and seen[0][1]["seconds"] >= 0, seen
        assert s.request("GET", "/health")[0] == 200


def terminate(server):
    server.process.send_signal(signal.SIGTERM)


@test
def shutting_down_lets_requests_end():
    with Folder({"a": starter(load="start"), "b": starter()}) as f, Server(config=f.conf) as s:
        alone = ask(s, "a", **LONG)["choices"][0]["text"]
        streams = [Stream(s, model="a") for _ in range(4)]
        terminate(s)
        wait_until(lambda: s.request("GET", "/health")[2]["status"] == "draining")
        status, _, body = s.request("GET", "/health")
        assert status == 503 and body["status"] == "draining"
        for model in ("a", "b"):
            status, headers, answer = s.request("POST", COMPLETIONS, dict(model=model, prompt="x"))
            assert status == 503 and answer["error"]["code"] == "shutting_down", answer
            assert headers.getheader("Retry-After") and headers.getheader("Connection") == "close"
        assert [x.text() for x in streams] == [alone] * 4
        assert s.process.wait(timeout=SECONDS) == 0


def is_cut_short(stream):
    last = stream.rest()[-1]
    return last.get("error", {}).get("code") == "shutting_down"


@test
def after_the_deadline_requests_are_failed():
    models = {"a": starter(load="start", context=2048)}
    with Folder(models, server={"drain": "100ms"}) as f, Server(config=f.conf) as s:
        streams = [Stream(s, model="a", **{"max_tokens": 2000}) for _ in range(8)]
        terminate(s)
        assert any([is_cut_short(x) for x in streams])
        assert s.process.wait(timeout=SECONDS) == 0


@test
def a_second_signal_ends_at_once():
    vectors("models", "llama3")
    models = {"slow": dict(path="./slow", load="demand"), "a": starter(load="start", context=2048)}
    with Folder(models, server={"drain": "10m"}) as f, Server(config=f.conf) as s:
        streams = [Stream(s, model="a", **{"max_tokens": 2000}) for _ in range(8)]
        terminate(s)
        wait_until(lambda: s.request("GET", "/health")[2]["status"] == "draining")
        terminate(s)
        assert any([is_cut_short(x) for x in streams])
        assert s.process.wait(timeout=SECONDS) == 0


@test
def those_who_wait_for_a_model_are_told_of_the_end():
    vectors("models", "llama3")
    with Folder({"slow": dict(path="./slow", load="demand")}, server={"drain": "100ms"}) as f, Server(config=f.conf) as s:
        slow = SlowModel(f)
        answers = []
        t = threading.Thread(target=lambda: answers.append(s.request("POST", COMPLETIONS, dict(model="slow", prompt="x"))))
        t.start()
        wait_until(lambda: statuses(s)["slow"] == "loading")
        terminate(s)
        time.sleep(0.5)
        slow.let_go()  # a file system that hangs is waited for
        t.join()
        assert answers[0][0] == 503 and answers[0][2]["error"]["code"] == "shutting_down", answers
        assert s.process.wait(timeout=SECONDS) == 0


main()
