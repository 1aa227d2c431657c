"""A hostile Port: what its API may answer, each to the calls of one run, until it answers as it should.

`HostilePort.url` is where an agent takes Port to be. A call about a run whose id begins with `port_NAME_` (as path_name makes it) is answered by that
behaviour `times` times; everything else is answered by the well-behaved PortApi behind it.
"""
import collections
import json
import re
import socket
import threading

from endpoint import BOMB, CHUNKED, HEAD, Peer, answer

EVIL = b"http://127.0.0.2:1/"


class Row:
    def __init__(self, once=b"", forever=None, end="close", times=1):
        self.once, self.forever, self.end, self.times = once, forever, end, times


# What refuses a result for good (4xx, except 401, 408 and 429) is believed: such a run has been told once, and is done.
BEHAVIOURS = {
    "500": Row(answer(b"{}", status=b"500 E"), times=2),
    "502 of a proxy": Row(answer(b"<html>" * 1000, b"Content-Type: text/html", status=b"502 B")),
    "503 with a Retry-After": Row(answer(b"", b"Retry-After: 1", status=b"503 S")),
    "429 without one": Row(answer(b"", status=b"429 T"), times=2),
    "429 with one that is none": Row(answer(b"", b"Retry-After: soon", status=b"429 T")),
    "408": Row(answer(b"", status=b"408 R")),
    "400 with a megabyte": Row(answer(b"x" * 1_000_000, status=b"400 B")),
    "404": Row(answer(b"{}", status=b"404 N")),
    "409": Row(answer(b'{"ok":false,"error":"run_finished"}', status=b"409 C")),
    "401 for a good token": Row(answer(b"{}", status=b"401 U")),
    "403 that shows lines of a log": Row(answer(b'\n{"msg":"stopped"}\n\x1b[2J', status=b"403 \x1b[31m")),
    "a redirect": Row(answer(b"", b"Location: " + EVIL, status=b"307 T")),
    "no JSON": Row(answer(b"ok")),
    "a hundred thousand levels": Row(answer(b"[" * 100_000)),
    "five megabytes": Row(answer(b" " * 5_000_000)),
    "a bomb of gzip": Row(answer(BOMB, b"Content-Encoding: gzip")),
    "gzip that is none": Row(answer(b"no", b"Content-Encoding: gzip")),
    "nothing": Row(),
    "a reset": Row(end="reset"),
    "a reset within the answer": Row(HEAD + b"Content-Length: 99\r\n\r\n{", end="reset"),
    "headers without end": Row(HEAD, b"X-Filler: 0123456789012345678901234567890123456789\r\n"),
    "100 Continue without end": Row(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body without end": Row(HEAD + b"\r\n", b"0123456789"),
    "a chunk size that is none": Row(CHUNKED + b"nonsense\r\n"),
    "HTTP 9.9": Row(b"HTTP/9.9 200 OK\r\n\r\n"),
    "two answers": Row(answer(b"{}") * 2),
    "204": Row(b"HTTP/1.1 204 N\r\n\r\n"),
    "101": Row(b"HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n"),
}


def run_id(name):
    return "port_" + re.sub(r"[^A-Za-z0-9]+", "_", name)


def read(body):
    """What a call says. An endpoint's answer may be in it, of which Python's parser does not read everything."""
    try:
        return json.loads(body or b"null", parse_int=float)
    except (RecursionError, ValueError):
        return body


class HostilePort:
    def __init__(self, api):
        self.api, self.lock, self.answered = api, threading.Lock(), collections.Counter()
        self.rows = {run_id(name): row for name, row in BEHAVIOURS.items()}
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def hostile(self, path):
        """The behaviour that this call meets, if any is left. A progress log meets none: its loss is no news."""
        row = self.rows.get(path.split("/")[-1])
        with self.lock:
            if row is None or self.answered[path] >= row.times:
                return None
            self.answered[path] += 1
            return row

    def serve(self, connection):
        peer = Peer(connection)
        try:
            while True:
                head, body = peer.request().split(b"\r\n\r\n", 1)
                line, *rest = head.decode("latin-1").split("\r\n")
                method, path, _ = line.split(" ", 2)
                row = self.hostile(path)
                if row is None:
                    headers = {name: value.strip() for name, _, value in (one.partition(":") for one in rest)}
                    status, value, *_ = self.api.serve(method, path, read(body), headers)
                    peer.send(answer(json.dumps(value).encode(), b"Content-Type: application/json", status=b"%d S" % status))
                    continue
                peer.send(row.once)
                while row.forever:
                    peer.send(row.forever * 100)
                if row.end == "reset":
                    return peer.reset()
                return
        except OSError:
            pass
        finally:
            connection.close()

    def unmet(self):
        """Of which runs nobody met the behaviour."""
        with self.lock:
            return sorted(set(self.rows) - {path.split("/")[-1] for path in self.answered})

    def close(self):
        self.listener.close()
