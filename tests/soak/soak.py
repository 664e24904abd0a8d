# SPDX-License-Identifier: Apache-2.0
"""Ten times more clients than the server has room for, for TN_SOAK_S seconds: prompts of any length that share
beginnings or do not, answers read whole, streamed, left half read, cancelled by the client or over the API, bad
requests among them. Nothing but 200, 503 with Retry-After and the planted errors comes back; memory stays within the
budget; at the end all pages are free, the cache can be emptied, and the process ends well, which a sanitizer makes
mean that nothing leaked."""
import collections
import json
import os
import random
import socket
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "serve"))
from server import STARTER, Server  # noqa: E402
from tap import TENON, main, test  # noqa: E402

SECONDS = float(os.environ.get("TN_SOAK_S", "20"))
SEED = int(os.environ.get("TN_SEED", time.time()))
PARALLEL, CLIENTS, LIMIT = 8, 80, 19 << 20
# Code, stacks, buffers of connections and answers, and what the C library keeps: not the budget's. A sanitizer has
# shadow memory and a quarantine besides, and what it maps is not told apart.
BESIDES = 96 << 20
CONF = """server { listen = "127.0.0.1:0" log_level = error }
limits { memory = %d queue_length = 24 queue_wait = 5s stall = 60s }
model starter { path = "%s" parallel = %d context = 512 step_tokens = 64 }
""" % (LIMIT, STARTER, PARALLEL)
WORDS = "what is the sum of one two three four five six seven eight nine ten and why does it matter to a fox".split()
SYSTEMS = [" ".join(random.Random(i).choice(WORDS) for _ in range(40 * i)) for i in range(4)]

counts = collections.Counter()
problems = []
lock = threading.Lock()


def note(what, problem=None):
    with lock:
        counts[what] += 1
        if problem and len(problems) < 20:
            problems.append("%s: %s" % (what, problem))


def body_of(r):
    text = " ".join(r.choice(WORDS) for _ in range(int(r.paretovariate(0.7)) % 150 + 1))
    messages = [{"role": "user", "content": text}]
    if r.random() < 0.6:
        messages.insert(0, {"role": "system", "content": r.choice(SYSTEMS)})
    body = dict(model="starter", messages=messages, max_tokens=r.randint(1, 300), temperature=r.choice([0, 0.7, 1.3]))
    if r.random() < 0.3:
        body.update(n=r.randint(2, 4))
    if r.random() < 0.3:
        body.update(seed=r.randint(0, 9), top_k=40, logprobs=True, top_logprobs=3)
    if r.random() < 0.6:
        body.update(ignore_eos=True, repetition_penalty=1.2, priority=r.randint(-3, 3))
    if r.random() < 0.1:
        body.update(cache_prompt=False)
    return body


def check(status, headers, data, planted):
    if status == 503:
        note("503", None if headers.getheader("Retry-After") else "no Retry-After: %r" % data[:200])
        time.sleep(0.1)
    elif planted:
        note("planted", None if status == planted else "%d for %d: %r" % (status, planted, data[:200]))
    else:  # 499: another client has cancelled it
        fits = status in (200, 499) or (status == 400 and b"context_length_exceeded" in data)
        note(str(status), None if fits else "unexpected: %r" % data[:300])


def whole(server, r):
    body, planted = body_of(r), None
    if r.random() < 0.1:
        planted = 400
        body.update(r.choice([dict(temperature=9), dict(messages="x"), dict(n=0), dict(top_p="1")]))
    c = server.connect(timeout=120)
    c.request("POST", "/v1/chat/completions", json.dumps(body))
    a = c.getresponse()
    check(a.status, a, a.read(), planted)
    c.close()


def stream(server, r):
    c = server.connect(timeout=120)
    c.request("POST", "/v1/chat/completions", json.dumps(dict(body_of(r), stream=True)))
    a = c.getresponse()
    if a.status != 200:
        check(a.status, a, a.read(), None)
    else:
        data = a.read()
        ends = data.rstrip().endswith(b"data: [DONE]")
        refused = b'"error"' in data and b"queue_timeout" not in data and b"request_cancelled" not in data
        note("stream", None if ends and not refused else "ends in %r" % data[-300:])
    c.close()


def leaves(server, r):
    """Hangs up: at once, after a while, or in the middle of its request."""
    data = json.dumps(dict(body_of(r), stream=r.random() < 0.5)).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data)
    with socket.create_connection((server.host, int(server.port)), timeout=60) as s:
        s.sendall(head.encode() + (data[:len(data) // 2] if r.random() < 0.2 else data))
        if r.random() < 0.7:
            s.settimeout(r.random())
            try:
                s.recv(400)
            except OSError:
                pass
    note("left")


def cancels(server, r):
    rows = server.request("GET", "/v1/status")[2]["requests"]
    if rows:
        status = server.request("DELETE", "/v1/requests/" + r.choice(rows)["id"])[0]
        note("cancel", None if status in (200, 404) else status)
    time.sleep(0.05)


def client(server, number, end):
    r = random.Random(SEED * 1000 + number)
    while time.monotonic() < end:
        act = r.choices([whole, stream, leaves, cancels], [4, 4, 3, 0.3])[0]
        try:
            act(server, r)
        except Exception as e:  # noqa: BLE001
            note("exception", "%s: %r" % (act.__name__, e))
        time.sleep(r.random() * 0.05)


def resident(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1]) << 10


def watch(server, end, seen):
    while time.monotonic() < end:
        memory = server.request("GET", "/v1/status")[2]["memory"]
        assert memory["limit"] == LIMIT
        seen["used"] = max(seen["used"], memory["used"])
        seen["rss"] = max(seen["rss"], resident(server.process.pid))
        health = server.request("GET", "/health")[0]
        if health != 200:
            note("health", health)
        time.sleep(0.25)


def settled(server):
    s = server.request("GET", "/v1/status")[2]
    m = s["models"][0]
    return not s["requests"] and m["running"] == m["waiting"] == 0 and m["kv_pages"]["used"] == 0


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "still not so after %s s" % seconds
        time.sleep(0.05)


@test
def ten_times_more_than_fits():
    seen = {"used": 0, "rss": 0}
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write(CONF)
        f.flush()
        with Server(config=f.name) as server:
            end = time.monotonic() + SECONDS
            threads = [threading.Thread(target=client, args=(server, i, end)) for i in range(CLIENTS)]
            threads.append(threading.Thread(target=watch, args=(server, end, seen)))
            for t in threads:
                t.start()
            for t in threads:
                t.join(300)
            assert not any(t.is_alive() for t in threads), "clients hang"
            wait_for(lambda: settled(server))
            model = server.request("GET", "/v1/status")[2]["models"][0]
            server.request("DELETE", "/v1/cache")
            wait_for(lambda: server.request("GET", "/v1/cache")[2]["models"][0]["bytes"] == {"used": 0, "cached": 0, "free": 0})
            after = resident(server.process.pid)
    print("# seed %d, %.0f s: %s" % (SEED, SECONDS, dict(counts)))
    print("# %d preemptions, %d prompt tokens computed, %d found; budget %.1f MiB, used at most %.1f, resident at most %.1f, at the end %.1f" % (
        model["preemptions"], model["prompt_tokens"], model["cached_tokens"], LIMIT / 2**20, seen["used"] / 2**20,
        seen["rss"] / 2**20, after / 2**20))
    sys.stdout.flush()
    assert not problems, "\n".join(problems)
    assert seen["used"] <= LIMIT
    with open(TENON, "rb") as f:
        sanitized = b"__asan_init" in f.read()
    assert sanitized or seen["rss"] <= LIMIT + BESIDES, seen
    for what in "200", "503", "stream", "left", "planted":
        assert counts[what] > 0, (what, counts)
    assert model["cached_tokens"] > 0


main()
