# SPDX-License-Identifier: Apache-2.0
"""What the server allows and for how long: keys, origins, sizes, connections, queues, deadlines, clients that misbehave."""
import contextlib
import http.client
import json
import resource
import socket
import struct
import time

from server import answer_on, configured, in_parallel, rest_of, wait_until
from tap import Skip, main, test

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
SHORT = dict(model="starter", prompt="One", max_tokens=3, temperature=0)
SLOW = " parallel = 1\n device = reference" # an answer as LONG takes many seconds
LONG = dict(model="starter", prompt="One", max_tokens=1900, ignore_eos=True, temperature=1, seed=1)


def error_of(status, code, answer):
    """The error of an answer of that status and code, whose form is checked."""
    got, headers, body = answer
    body = json.loads(body) if isinstance(body, bytes) else body
    assert got == status, (got, body)
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["code"] == code, error
    assert (headers.getheader("Retry-After") is not None) == (status == 503), headers.getheaders()
    return error


def vanish(s):
    """Closes so that the other side sees a reset."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


# ---- keys and origins ----


@test
def keys_open_everything_but_health():
    with configured(' api_keys = {"first-key", "second"}') as s:
        ask = lambda key, method="GET", path="/v1/models", body=None: s.request(
            method, path, body, {"Authorization": key} if key else {})
        assert ask(None, path="/health")[0] == 200
        for key in (None, "Bearer ", "Bearer wrong", "Bearer first-ke", "Bearer first-keyy", "Bearer first-key2", "Bearer",
                    "first-key", "Basic first-key", "Bearer second-key", "Bearer secondsecond"):
            answer = ask(key)
            error = error_of(401, "invalid_api_key", answer)
            assert error["type"] == "authentication_error" and answer[1].getheader("WWW-Authenticate") == "Bearer"
            for path in (CHAT, COMPLETIONS):
                error_of(401, "invalid_api_key", ask(key, "POST", path, SHORT))
            assert "first-key" not in error["message"] and "second" not in error["message"]
        assert s.jobs() == 0
        for key in ("Bearer first-key", "bearer second"):
            assert ask(key)[0] == 200
            assert ask(key, "POST", COMPLETIONS, SHORT)[0] == 200


@test
def a_wrong_key_is_refused_before_a_long_body():
    with configured(' api_keys = {"k"}\n max_body_bytes = 64M') as s:
        c = s.socket()
        c.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n" % CHAT.encode())
        error_of(401, "invalid_api_key", answer_on(c))
        c.close()


@test
def allowed_origins_are_echoed_and_others_not():
    here, there = "https://here.example", "https://there.example:8443"
    with configured(' cors_origins = {"%s", "%s"}\n api_keys = {"k"}' % (here, there)) as s:
        for origin in (here, there, "https://evil.example", "https://here.example.evil", "null", None):
            for method, path, key in (("GET", "/health", None), ("GET", "/v1/models", "k"), ("GET", "/v1/models", None),
                                      ("POST", COMPLETIONS, "k"), ("OPTIONS", COMPLETIONS, None)):
                headers = {"Origin": origin} if origin else {}
                if key:
                    headers["Authorization"] = "Bearer " + key
                if method == "OPTIONS":
                    headers["Access-Control-Request-Method"] = "POST"
                    headers["Access-Control-Request-Headers"] = "authorization, x-stainless-os"
                status, r, _ = s.request(method, path, SHORT if method == "POST" else None, headers)
                assert status == (204 if method == "OPTIONS" else 401 if path != "/health" and not key else 200), status
                allowed = origin in (here, there)
                assert r.getheader("Access-Control-Allow-Origin") == (origin if allowed else None), (origin, method)
                assert r.getheader("Vary") == "Origin"
                if method == "OPTIONS" and allowed:
                    assert "x-stainless-os" in r.getheader("Access-Control-Allow-Headers")
                    assert "POST" in r.getheader("Access-Control-Allow-Methods")
        headers = {"Origin": here, "Authorization": "Bearer k"}
        assert s.request("POST", COMPLETIONS, dict(SHORT, stream=True), headers)[1].getheader("Access-Control-Allow-Origin") == here


@test
def no_origin_and_any_origin():
    with configured() as s:
        assert s.request("GET", "/health", headers={"Origin": "https://x.example"})[1].getheader("Access-Control-Allow-Origin") is None
    with configured(' cors_origins = "*"') as s:
        r = s.request("GET", "/health", headers={"Origin": "https://x.example"})[1]
        assert r.getheader("Access-Control-Allow-Origin") == "https://x.example"


# ---- readers ----


@test
def a_slow_reader_is_cut_off_and_nobody_else():
    others = [dict(LONG, seed=i, max_tokens=150 + i, stream=True) for i in range(4)]
    text = lambda events: "".join(c["text"] for e in events for c in e["choices"])
    with configured(limits=" max_output_pending_bytes = 256K", model=" parallel = 12\n context = 2048") as s:
        alone = [text(s.stream(COMPLETIONS, **b)) for b in others]
        slow = s.send(COMPLETIONS, dict(LONG, n=8, logprobs=20, stream=True), receive_buffer=4096)
        s.wait_for_jobs(8)
        got = [None] * 4

        def listen(i):
            got[i] = text(s.stream(COMPLETIONS, **others[i]))

        def cut():
            wait_until(lambda: s.jobs() <= 4, 60, "the slow reader's jobs end")

        in_parallel([cut] + [lambda i=i: listen(i) for i in range(4)])
        assert got == alone
        received = rest_of(slow)
        assert received.startswith(b"HTTP/1.1 200") and b"data: {" in received, received[:200]
        assert b"[DONE]" not in received and not received.endswith(b"0\r\n\r\n"), received[-200:]
        assert 0 < received.count(b"data: ") < 8 * 1900
        s.wait_for_jobs(0)
        assert text(s.stream(COMPLETIONS, **others[0])) == alone[0]


@test
def a_reader_that_is_always_a_little_behind_gets_everything():
    body = dict(LONG, n=4, logprobs=5, max_tokens=200, stream=True)
    with configured(limits=" max_output_pending_bytes = 4M") as s:
        want = s.stream(COMPLETIONS, **body)
        c = s.send(COMPLETIONS, body, receive_buffer=4096)
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            piece = c.recv(2000)
            assert piece, data[-200:]
            data += piece
            time.sleep(0.0005)
        assert data.count(b"data: ") >= len({c["index"] for e in want for c in e["choices"]}) and b"[DONE]" in data
        c.close()


# ---- waiting and deadlines ----


@test
def who_waits_too_long_gets_503():
    with configured(limits=" queue_wait = 600ms", model=SLOW) as s:
        running = s.send(COMPLETIONS, dict(LONG, max_tokens=400, stream=True))
        s.wait_for_jobs(1)
        for stream in (False, True):
            began = time.time()
            error = error_of(503, "queue_timeout", s.request("POST", COMPLETIONS, dict(SHORT, stream=stream)))
            assert 0.5 < time.time() - began < 5, time.time() - began
            assert "0.6 s" in error["message"], error
        status, _, body = answer_on(running)
        assert status == 200 and body.endswith(b"data: [DONE]\n\n") and b'"error"' not in body, body[-300:]
        s.post(COMPLETIONS, **SHORT)


@test
def who_takes_too_long_is_ended():
    with configured(limits=" request_timeout = 1s", model=SLOW) as s:
        began = time.time()
        error = error_of(503, "timeout", s.request("POST", COMPLETIONS, LONG))
        assert 0.9 < time.time() - began < 5 and "1 s" in error["message"], error
        s.wait_for_jobs(0, 5)
        events = s.stream(COMPLETIONS, **LONG)
        assert events[-1]["error"]["code"] == "timeout", events[-1]
        assert len(events) > 3 and all("error" not in e and e["choices"][0]["finish_reason"] is None for e in events[:-1])
        s.wait_for_jobs(0, 5)
        running = s.send(COMPLETIONS, dict(LONG, stream=True))
        s.wait_for_jobs(1)
        for stream in (False, True): # one of them waits, the other comes too late for a place of its own
            answer = s.request("POST", COMPLETIONS, dict(LONG, stream=stream))
            if answer[0] == 503:
                error_of(503, "timeout", answer)
            else:
                assert stream and b'"code":"timeout"' in answer[2], answer
        running.close()
        s.wait_for_jobs(0, 5)


@test
def a_full_queue_refuses_and_says_both_numbers():
    with configured(limits=" queue_length = 2", model=SLOW) as s:
        inside = [s.send(COMPLETIONS, LONG) for _ in range(3)]
        s.wait_for_jobs(3)
        for stream in (False, True):
            error = error_of(503, "queue_full", s.request("POST", COMPLETIONS, dict(SHORT, stream=stream)))
            assert "2 requests are waiting already, the limit is 2" in error["message"], error
        error_of(503, "queue_full", s.request("POST", COMPLETIONS, dict(SHORT, n=2)))
        assert s.jobs() == 3
        for c in inside:
            c.close()
        s.wait_for_jobs(0, 5)
        s.post(COMPLETIONS, **dict(SHORT, n=3))


@test
def a_waiting_client_that_hangs_up_frees_its_place():
    with configured(limits=" queue_length = 1", model=SLOW) as s:
        running = s.send(COMPLETIONS, LONG)
        s.wait_for_jobs(1)
        for stream in (False, True):
            for hang_up in (socket.socket.close, vanish):
                waiting = s.send(COMPLETIONS, dict(LONG, stream=stream))
                s.wait_for_jobs(2)
                error_of(503, "queue_full", s.request("POST", COMPLETIONS, SHORT))
                hang_up(waiting)
                began = time.time()
                s.wait_for_jobs(1, 5)
                assert time.time() - began < 1, "its place was free after %.2f s" % (time.time() - began)
        assert s.jobs() == 1, "the running one goes on"
        running.close()
        s.wait_for_jobs(0, 5)


@test
def idle_connections_are_closed_and_waiting_ones_not():
    with configured(" idle_timeout = 1s", " request_timeout = 4s", SLOW) as s:
        waiting = s.send(COMPLETIONS, LONG)
        idle, began = s.socket(), time.time()
        assert idle.recv(1) == b"" and time.time() - began < 10
        half = s.socket()
        half.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{" % CHAT.encode())
        assert b"200 OK" not in rest_of(half)
        error_of(503, "timeout", answer_on(waiting))
        assert time.time() - began > 3, "it came too early to tell"


# ---- bodies ----


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunked_head(path=COMPLETIONS):
    return b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % path.encode()


def padded(size, **more):
    """A request body of exactly so many bytes."""
    empty = len(json.dumps(dict(SHORT, user="", **more)))
    return json.dumps(dict(SHORT, user="x" * (size - empty), **more)).encode()


@test
def bodies_up_to_the_limit_and_not_one_byte_more():
    limit = 100 << 10
    with configured(" max_body_bytes = 100K") as s:
        for size, status in ((limit - 1, 200), (limit, 200), (limit + 1, 413), (limit * 3 // 2, 413)):
            body = padded(size)
            assert len(body) == size
            got, r, answer = s.request("POST", COMPLETIONS, body)
            assert got == status, (size, answer)
            if status == 413:
                assert str(limit) in error_of(413, "request_too_large", (got, r, answer))["message"]
            c = s.socket()
            pieces = [body[i:i + 30000] for i in range(0, size, 30000)]
            c.sendall(chunked_head() + b"".join(map(chunk, pieces)) + b"0\r\n\r\n")
            answer = answer_on(c)
            assert answer[0] == status, (size, answer)
            if status == 413:
                error_of(413, "request_too_large", answer)
            c.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer_on(c)[0] == 200, "the connection goes on"
            c.close()


@test
def a_body_without_end_is_cut_off():
    with configured(" max_body_bytes = 100K") as s:
        c, sent = s.socket(), 0
        c.sendall(chunked_head())
        try:
            while sent < 64 << 20:
                c.sendall(chunk(b"x" * 50000))
                sent += 50000
        except ConnectionError:
            pass
        assert sent < 64 << 20, "the server reads on and on"
        c.close()
        s.post(COMPLETIONS, **SHORT)


@test
def who_asks_first_need_not_send():
    with configured(" max_body_bytes = 100K") as s:
        head = b"POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        c = s.socket()
        c.sendall(head % (COMPLETIONS.encode(), 200 << 10))
        error_of(413, "request_too_large", answer_on(c))
        c.close()
        c, body = s.socket(), padded(1000)
        c.sendall(head % (COMPLETIONS.encode(), len(body)))
        assert c.recv(100).startswith(b"HTTP/1.1 100 ")
        c.sendall(body)
        assert answer_on(c)[0] == 200
        c.close()


def said_to_be_on_the_way(s):
    """What a refusal says of how much is on its way in; 0 where a whole body would be taken, whose head alone is sent."""
    c = s.socket(timeout=0.3)
    c.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (CHAT.encode(), 1 << 20))
    try:
        return int(error_of(503, "uploads_full", answer_on(c))["message"].split()[2])
    except socket.timeout:
        return 0
    finally:
        c.close()


@test
def uploads_are_bounded_in_sum():
    with configured(" max_body_bytes = 1M\n max_upload_bytes = 2M") as s:
        piece = b" " * (500 << 10)
        halves = [s.socket() for _ in range(4)]
        for i, c in enumerate(halves):
            head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (CHAT.encode(), 1 << 20)
            c.sendall(chunked_head() + chunk(piece) if i % 2 else head + piece)
        wait_until(lambda: said_to_be_on_the_way(s) == 2048000, 20, "four halves are in")
        error = error_of(503, "uploads_full", s.request("POST", COMPLETIONS, padded(100 << 10)))
        assert error["message"].startswith("requests of 2048000 bytes together are on their way in, with 102400 more"), error
        assert "more than 2097152 (server.max_upload_bytes)" in error["message"], error
        c = s.socket()
        c.sendall(chunked_head() + chunk(padded(100 << 10)) + b"0\r\n\r\n")
        error_of(503, "uploads_full", answer_on(c))
        c.sendall(chunked_head() + chunk(padded(10 << 10)) + b"0\r\n\r\n")
        assert answer_on(c)[0] == 200, "a small one fits"
        assert s.request("GET", "/health")[0] == 200
        # One that is refused on its way gives back what it had.
        halves[1].sendall(chunk(piece))
        halves[1].sendall(b"0\r\n\r\n")
        error_of(503, "uploads_full", answer_on(halves[1]))
        assert s.request("POST", COMPLETIONS, padded(100 << 10))[0] == 200
        for c in halves:
            c.close()
        wait_until(lambda: s.request("POST", COMPLETIONS, padded(1 << 20))[0] == 200, 10, "room for a whole body")


@test
def every_way_out_gives_an_uploads_bytes_back():
    with configured(" max_body_bytes = 1M\n max_upload_bytes = 1M") as s:
        full = padded(1 << 20)
        for end in ("answered", "streamed", "not JSON", "no such model", "closed halfway", "reset halfway", "gone after it"):
            for _ in range(3):
                if end == "not JSON":
                    assert s.request("POST", COMPLETIONS, b"x" * (1 << 20))[0] == 400
                elif end == "no such model":
                    assert s.request("POST", COMPLETIONS, padded(1 << 20, **{"model": "no"}))[0] == 404
                elif "halfway" in end or "gone" in end:
                    c = s.socket()
                    c.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (COMPLETIONS.encode(), 1 << 20))
                    c.sendall(full if "gone" in end else full[:700000])
                    time.sleep(0.05)
                    (vanish if "reset" in end else socket.socket.close)(c)
                else:
                    body = padded(1 << 20, stream=True) if end == "streamed" else full
                    assert s.request("POST", COMPLETIONS, body)[0] == 200
                wait_until(lambda: s.request("POST", COMPLETIONS, full)[0] == 200, 10, "room again after: " + end)


# ---- connections ----


def allow_files(n):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < n:
        raise Skip("%d open files are needed, the limit is %d" % (n, hard))
    if soft != resource.RLIM_INFINITY and soft < n:
        resource.setrlimit(resource.RLIMIT_NOFILE, (n, hard))


@test
def thousands_of_idle_connections_cost_nobody_an_answer():
    allow_files(3000)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)) # the server raises its own
        try:
            s = stack.enter_context(configured(" max_connections = 2500"))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        want = s.post(COMPLETIONS, **dict(SHORT, max_tokens=20))["choices"][0]["text"]
        idle = [s.socket() for _ in range(2000)]
        for c in idle[::100]: # they are accepted, not only in the backlog
            c.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer_on(c)[0] == 200
        began = time.time()
        assert s.post(COMPLETIONS, **dict(SHORT, max_tokens=20))["choices"][0]["text"] == want
        events = s.stream(COMPLETIONS, **dict(SHORT, max_tokens=20))
        assert "".join(c["text"] for e in events for c in e["choices"]) == want
        assert time.time() - began < 20
        gone = s.send(COMPLETIONS, LONG) # its descriptor is past 1024
        s.wait_for_jobs(1)
        gone.close()
        s.wait_for_jobs(0, 5)
        for c in idle:
            c.close()
        assert s.request("GET", "/health")[0] == 200


@test
def connections_past_the_limit_wait_their_turn():
    with configured(" max_connections = 8") as s:
        idle = [s.socket() for _ in range(8)]
        for c in idle:
            c.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer_on(c)[0] == 200
        late = s.socket(timeout=0.5)
        late.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            got = late.recv(100)
        except socket.timeout:
            got = None
        assert got is None, "it was answered or closed: %r" % got
        idle[3].close()
        late.settimeout(20)
        assert answer_on(late)[0] == 200
        late.close()
        for c in idle:
            c.close()
        s.post(COMPLETIONS, **SHORT)


@test
def half_a_request_and_an_end_leave_no_connection():
    head = b"POST %s HTTP/1.1\r\nHost: x\r\n" % COMPLETIONS.encode()
    halves = (b"GET /health HTTP/1.1\r\nHos", head, head + b"Content-Length: 100\r\n\r\n", head + b"Content-Length: 100\r\n\r\n{",
              chunked_head(), chunked_head() + b"5\r\n{", chunked_head() + chunk(b"{}"))
    with configured(" max_connections = 4") as s:
        for half in halves:
            for _ in range(10):
                c = s.socket()
                c.sendall(half)
                c.close() # the end arrives with the data
            began = time.time()
            s.post(COMPLETIONS, **SHORT)
            assert time.time() - began < 20, half


@test
def what_is_no_http_is_refused_or_closed():
    post = b"POST %s HTTP/1.1\r\nHost: x\r\n" % COMPLETIONS.encode()
    bad = {
        b"\x00\xff\x16\x03\x01 garbage\r\n\r\n": None,
        b"GET\r\n\r\n": None,
        b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n": None,
        b"GET /health HTTP/1.1\r\n\r\n": (400,),
        b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 100000): (413, 414, 431),
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"x" * 100000): (413, 431),
        b"GET /health HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n": (413, 431),
        post + b"Content-Length: many\r\n\r\n": (400,),
        post + b"Content-Length: -5\r\n\r\n": (400,),
        post + b"Content-Length: 99999999999999999999999999\r\n\r\n": (400, 413),
        post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n": (400,),
        post + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}": (400, 413),
    }
    with configured() as s:
        for request, statuses in bad.items():
            c = s.socket(timeout=20)
            try:
                c.sendall(request)
            except ConnectionError:
                pass
            if statuses is None: # an answer or none, but an end
                time.sleep(0.1)
                c.shutdown(socket.SHUT_WR)
                answer = rest_of(c)
                assert not answer or int(answer.split()[1]) >= 400, (request[:60], answer)
            else:
                answer = rest_of(c)
                assert not answer or int(answer.split()[1]) in statuses, (request[:60], answer)
            c.close()
        # Truncated anywhere, then gone.
        whole = post + b"Content-Length: 30\r\n\r\n" + b'{"model": "starter", "prompt":'
        for at in list(range(1, len(whole), 7)) + [len(whole) - 1]:
            c = s.socket()
            c.sendall(whole[:at])
            (vanish if at % 2 else socket.socket.close)(c)
        assert s.jobs() == 0
        s.post(COMPLETIONS, **SHORT)


@test
def every_address_is_both_families():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as why:
        raise Skip("no IPv6 on this machine: %s" % why)
    with configured(' listen = "[::]:0"') as s:
        for host in ("::1", "127.0.0.1"):
            c = http.client.HTTPConnection(host, int(s.port), timeout=20)
            c.request("GET", "/health")
            assert c.getresponse().status == 200, host
            c.close()


# ---- the end ----


@test
def a_server_that_ends_says_so_to_everybody():
    with configured(" drain = 0s", model=" parallel = 2") as s:
        asked = [(stream, s.send(COMPLETIONS, dict(LONG, stream=stream))) for stream in (False, True) * 4]
        s.wait_for_jobs(8)
        wait_until(lambda: b"data: " in asked[1][1].recv(1 << 16, socket.MSG_PEEK), 10, "the first stream begins")
        began = time.time()
        s.process.terminate()
        for i, (stream, c) in enumerate(asked):
            status, headers, body = answer_on(c)
            if status == 200:
                assert stream and b'"code":"shutting_down"' in body and body.endswith(b"data: [DONE]\n\n"), (i, body[-300:])
            else:
                error_of(503, "shutting_down", (status, headers, body))
            c.close()
        assert s.process.wait(20) == 0
        assert time.time() - began < 10


main()
