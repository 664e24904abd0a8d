# SPDX-License-Identifier: Apache-2.0
"""Many clients of every kind at once, good and bad, for TN_LOAD_S seconds (4 without it): every answer has the status and
the text that it has alone, and the server ends well. TN_TEST_SEED repeats a mixture."""
import collections
import json
import os
import random
import socket
import struct
import threading
import time

from server import answer_on, configured, in_parallel, wait_until
from tap import main, test

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
SECONDS = float(os.environ.get("TN_LOAD_S", "4"))
SEED = int(os.environ.get("TENON_TEST_SEED", "1"))
CLIENTS = 24
MAX_BODY = 64 << 10


def questions():
    """Seeded requests that are as different as can be: (path, body)."""
    for i in range(20):
        body = dict(model="starter", temperature=0.4 + i % 4 * 0.4, seed=i, max_tokens=3 + i * 3 % 40)
        if i % 3:
            body["messages"] = [{"role": "user", "content": "tell me about %d cats and \u00e4 d\u00f6g" % i}]
            body["enable_thinking"] = bool(i % 2)
        else:
            body["prompt"] = ["One day %d" % i, [5, 6, 7 + i]] if i % 2 else "Once %d" % i
        if i % 4 == 1:
            body["n"] = 3
        if i % 5 == 2:
            body["stop"] = ["e", " the", "\n\n"]
        if i % 5 == 3:
            body["logprobs"] = True if "messages" in body else 2
        yield (CHAT if "messages" in body else COMPLETIONS), body


def choices_of(answer):
    """(text, finish reason) of each choice of a whole answer."""
    got = sorted(answer["choices"], key=lambda c: c["index"])
    return [(c["message"]["content"] if "message" in c else c["text"], c["finish_reason"]) for c in got]


def choices_of_stream(data):
    """The same of a stream's bytes, whose form is checked."""
    events = data.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""], data[-300:]
    texts, finishes = collections.defaultdict(str), {}
    for event in events[:-2]:
        assert event.startswith("data: "), event
        for c in json.loads(event[6:])["choices"]:
            assert c["index"] not in finishes, "a choice went on after its end"
            texts[c["index"]] += (c["delta"].get("content") or "") if "delta" in c else c["text"]
            if c["finish_reason"]:
                finishes[c["index"]] = c["finish_reason"]
    return [(texts[i], finishes[i]) for i in sorted(finishes)]


class Client:
    """One that asks over and over, on one connection as long as that lasts."""

    def __init__(self, server, number, solo, end, counts, lock):
        self.server, self.solo, self.end, self.counts, self.lock = server, solo, end, counts, lock
        self.random = random.Random(SEED * 1000 + number)
        self.connection = None

    def run(self):
        kinds = [self.whole] * 6 + [self.streamed] * 6 + [self.looks] * 3 + [self.wrong] * 5 + [self.slow] + [
            self.leaves_a_stream, self.leaves_while_waiting, self.leaves_an_upload, self.is_no_client]
        first = self.random.sample(kinds, len(kinds)) # each kind once, however short the time is
        while first or time.time() < self.end:
            kind = first.pop() if first and time.time() > self.end - SECONDS / 2 else self.random.choice(kinds)
            kind()
            with self.lock:
                self.counts[kind.__name__] += 1
        if self.connection:
            self.connection.close()

    def ask(self, method, path, body=b"", keep=True, headers=""):
        if not self.connection:
            self.connection = self.server.socket(timeout=300)
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        self.connection.sendall(("%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n" %
                                 (method, path, headers, len(data))).encode() + data)
        status, r, data = answer_on(self.connection)
        if (r.getheader("Connection") or "").lower() == "close":
            self.connection.close()
            self.connection = None
        return status, r, data

    def question(self):
        return self.random.choice(self.solo)

    def whole(self):
        path, body, want = self.question()
        status, _, data = self.ask("POST", path, body)
        assert status == 200, (status, data)
        assert choices_of(json.loads(data)) == want, (body, data, want)

    def streamed(self):
        path, body, want = self.question()
        status, _, data = self.ask("POST", path, dict(body, stream=True))
        assert status == 200, (status, data)
        assert choices_of_stream(data) == want, (body, data, want)

    def slow(self):
        """Reads a stream in small pieces with pauses."""
        path, body, want = self.question()
        c = self.server.send(path, dict(body, stream=True), receive_buffer=4096, timeout=300)
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            piece = c.recv(700)
            assert piece, data[-300:]
            data += piece
            time.sleep(0.002)
        c.close()
        head, _, rest = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        events = b""
        while rest: # undoes the chunks
            size, _, rest = rest.partition(b"\r\n")
            events += rest[:int(size, 16)]
            rest = rest[int(size, 16) + 2:]
        assert choices_of_stream(events) == want, (body, events, want)

    def looks(self):
        path, status = self.random.choice([("/health", 200), ("/v1/models", 200), ("/v1/models/starter", 200),
                                           ("/v1/models/none", 404), ("/nothing", 404)])
        got, _, data = self.ask("GET", path)
        assert got == status and json.loads(data), (path, got, data)

    def wrong(self):
        bad = [(400, b"{"), (400, b""), (400, b"[" * 5000), (400, b"\xff\xfe"), (400, b"null"), (413, b"x" * (MAX_BODY + 1)),
               (400, dict(messages=[])), (400, dict(messages=[{"role": "user", "content": "x"}], temperature=-1)),
               (404, dict(messages=[{"role": "user", "content": "x"}], model="none")),
               (400, dict(messages=[{"role": "user", "content": "many words " * 3000}])),
               (400, dict(messages=[{"role": "user", "content": "x"}], logit_bias={"99999999": 1}, stream=True))]
        status, body = self.random.choice(bad)
        got, _, data = self.ask("POST", CHAT, body)
        assert got == status and json.loads(data)["error"]["message"], (body, got, data)

    def drop(self, c):
        if self.random.random() < 0.5: # a reset
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()

    def leaves_a_stream(self):
        path, body, _ = self.question()
        c = self.server.send(path, dict(body, stream=True, max_tokens=500, ignore_eos=True), timeout=300)
        assert c.recv(100).startswith(b"HTTP/1.1 200"), "a stream"
        self.drop(c)

    def leaves_while_waiting(self):
        path, body, _ = self.question()
        c = self.server.send(path, dict(body, max_tokens=500, ignore_eos=True))
        time.sleep(self.random.random() * 0.02)
        self.drop(c)

    def leaves_an_upload(self):
        c = self.server.socket()
        head = b"Content-Length: 50000" if self.random.random() < 0.5 else b"Transfer-Encoding: chunked"
        c.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % (CHAT.encode(), head))
        c.sendall(b"4000\r\n" + b"{" * self.random.randrange(40000))
        self.drop(c)

    def is_no_client(self):
        c = self.server.socket()
        c.sendall(bytes(self.random.randrange(256) for _ in range(200)) + b"\r\n\r\n")
        self.drop(c)


@test
def everybody_gets_the_answer_that_he_gets_alone():
    counts, lock = collections.Counter(), threading.Lock()
    print("# TENON_TEST_SEED=%d TN_LOAD_S=%g" % (SEED, SECONDS))
    server = " max_body_bytes = %d" % MAX_BODY
    with configured(server, " queue_length = 4096", " parallel = 8\n context = 1024\n step_tokens = 64") as s:
        solo = [(path, body, choices_of(s.post(path, **body))) for path, body in questions()]
        assert len({want[0][0] for _, _, want in solo}) > 10, "the answers tell nothing"
        began = time.time()
        clients = [Client(s, i, solo, began + SECONDS, counts, lock) for i in range(CLIENTS)]
        in_parallel([c.run for c in clients])
        took = time.time() - began
        wait_until(lambda: s.jobs() == 0, 60, "all jobs end")
        assert [choices_of(s.post(path, **body)) for path, body, _ in solo] == [want for _, _, want in solo]
    print("# %d requests in %.1f s: %s" % (sum(counts.values()), took, ", ".join("%d %s" % (n, k) for k, n in sorted(counts.items()))))
    assert len(counts) == 9 and min(counts.values()) >= CLIENTS, counts


main()
