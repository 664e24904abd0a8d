# SPDX-License-Identifier: Apache-2.0
"""A server under test on a free port of the loopback, and a plain HTTP client for it."""
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from tap import SOURCE, TENON  # noqa: E402

STARTER = os.path.join(SOURCE, "models", "starter", "starter.gguf")


class Server:
    """Runs `tenon serve` with these arguments; a context manager."""

    def __init__(self, *args, config=None):
        self.args = list(args)
        if config:
            self.args += ["-c", config]
        if "--listen" not in args and not config:
            self.args += ["--listen", "127.0.0.1:0"]

    def __enter__(self):
        self.process = subprocess.Popen([TENON, "serve", *self.args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.errors = []
        self.listener = threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True)
        self.listener.start()
        line = self.process.stdout.readline().decode().strip()
        assert line.startswith("http://"), "the server did not start: %r" % b"".join(self.errors)
        self.url = line
        self.host, self.port = line[len("http://"):].rsplit(":", 1)
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.listener.join(20)
        errors = b"".join(self.errors).decode(errors="replace")
        if exc[0] is None:
            assert code == 0, "the server ended with %d: %s" % (code, errors[-8000:])
            assert "runtime error:" not in errors and "Sanitizer" not in errors, errors[:8000]

    def socket(self, timeout=60, receive_buffer=None):
        """A bare connection."""
        s = socket.socket(socket.AF_INET6 if self.host.startswith("[") else socket.AF_INET)
        s.settimeout(timeout)
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        s.connect((self.host.strip("[]"), int(self.port)))
        return s

    def send(self, path, body, **options):
        """A bare connection on which this has been asked."""
        s = self.socket(**options)
        data = json.dumps(body).encode()
        s.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(data)) + data)
        return s

    def jobs(self):
        return self.request("GET", "/health")[2]["requests"]

    def wait_for_jobs(self, n, seconds=20):
        """Until so many jobs are under way."""
        wait_until(lambda: self.jobs() == n, seconds, "%d jobs, now %%r" % n, self.jobs)

    def connect(self, timeout=120):
        return http.client.HTTPConnection(self.host.strip("[]"), int(self.port), timeout=timeout)

    def request(self, method, path, body=None, headers=None):
        """(status, headers, parsed body or bytes)"""
        c = self.connect()
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        data = r.read()
        c.close()
        kind = r.getheader("Content-Type", "")
        return r.status, r, json.loads(data) if kind.startswith("application/json") and data else data

    def post(self, path, **body):
        status, _, answer = self.request("POST", path, body)
        assert status == 200, (status, answer)
        return answer

    def refused(self, status, param, says, path, body):
        got, _, answer = self.request("POST", path, body)
        assert got == status, (got, answer)
        error = answer["error"]
        assert set(error) == {"message", "type", "param", "code"}, error
        assert error["param"] == param, error
        assert says in error["message"], error
        return error

    def stream(self, path, **body):
        """The parsed events of a stream, [DONE] checked and left out."""
        c = self.connect()
        c.request("POST", path, json.dumps(dict(body, stream=True)))
        r = c.getresponse()
        assert r.status == 200 and r.getheader("Content-Type") == "text/event-stream", (r.status, r.read())
        text = r.read().decode()
        c.close()
        events = text.split("\n\n")
        assert events[-1] == "" and events[-2] == "data: [DONE]", text[-200:]
        assert all(e.startswith("data: ") for e in events[:-1])
        return [json.loads(e[6:]) for e in events[:-2]]

    def chat(self, text, **more):
        return self.post("/v1/chat/completions", model="starter", messages=[{"role": "user", "content": text}], **more)


@contextlib.contextmanager
def configured(server="", limits="", model=""):
    """A server of the starter model with these lines in its configuration."""
    with tempfile.TemporaryDirectory() as tmp:
        conf = os.path.join(tmp, "tenon.conf")
        listen = "" if "listen" in server else ' listen = "127.0.0.1:0"\n'
        with open(conf, "w") as f:
            f.write("server {\n%s%s\n}\nlimits {\n%s\n}\nmodel starter {\n path = \"%s\"\n%s\n}\n" %
                    (listen, server, limits, STARTER, model))
        with Server(config=conf) as s:
            yield s


def wait_until(happens, seconds, what, *now):
    end = time.time() + seconds
    while not happens():
        assert time.time() < end, "not within %g s: " % seconds + (what % tuple(f() for f in now) if now else what)
        time.sleep(0.01)


def answer_on(s):
    """(status, headers, body bytes) of the next answer on a bare connection; a body that ends early is an exception."""
    r = http.client.HTTPResponse(s)
    r.begin()
    return r.status, r, r.read()


def rest_of(s):
    """All that still comes on a bare connection until it is closed, however it is closed."""
    data = b""
    try:
        for piece in iter(lambda: s.recv(1 << 16), b""):
            data += piece
    except ConnectionError:
        pass
    return data


def in_parallel(functions):
    """Runs them all at once; raises what the first failed one raised."""
    failures = []

    def call(f):
        try:
            f()
        except BaseException as e:  # noqa: B902
            failures.append(e)

    threads = [threading.Thread(target=call, args=(f,)) for f in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]
