"""A hostile endpoint: a port for each of the ways in which a server can behave badly.

    endpoint.py [NAME ...]     listens for all behaviours, or for some, and prints their ports by name as one line of JSON

A behaviour is one row: what is written once the request has been read, what is written again and again after it, and how the connection ends.
`outcome` is what a run that was sent there has to come to; None where versions of libcurl differ, or where both are right.
"""
import gzip
import json
import os
import random
import select
import socket
import struct
import sys
import threading
import time
import zlib

SUCCESS, FAILURE = "SUCCESS", "FAILURE"
HEAD = b"HTTP/1.1 200 OK\r\n"
OK = HEAD + b"Content-Length: 2\r\n\r\nok"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Peer:
    """One connection. What it writes to somebody who has gone ends the thread, as an OSError."""

    def __init__(self, connection):
        self.connection = connection
        connection.settimeout(30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self):
        """The request's bytes, body included."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.connection.recv(65536)
            if not more:
                raise OSError("gone")
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        while len(body) < length:
            more = self.connection.recv(65536)
            if not more:
                raise OSError("gone")
            body += more
        return head + b"\r\n\r\n" + body

    def send(self, data):
        self.connection.sendall(data)

    def wait(self):
        """Until the other side has gone."""
        while self.connection.recv(65536):
            pass

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class Row:
    def __init__(self, outcome, once=b"", forever=None, pause=0.0, end="wait", scheme="http", target="/", read=True, act=None):
        """`forever` is written again and again, `pause` seconds apart. `end`: wait (for the other side to go), close, reset, next (request).
        `read`: the request is read first. `act`: does everything instead, given a Peer."""
        self.outcome, self.scheme, self.target, self.act = outcome, scheme, target, act
        self.once, self.forever, self.pause, self.end, self.read = once, forever, pause, end, read

    def serve(self, peer):
        if self.act:
            return self.act(peer)
        while True:
            if self.read:
                peer.request()
            peer.send(self.once)
            while self.forever is not None:
                peer.send(self.forever if self.pause else self.forever * (16384 // len(self.forever)))
                time.sleep(self.pause)
            if self.end == "reset":
                return peer.reset()
            if self.end != "next":
                return peer.wait() if self.end == "wait" else None


def closing(outcome, once, **more):
    return Row(outcome, once, end="close", **more)


def answer(body, *headers, status=b"200 OK"):
    return b"".join([b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n" % len(body), *(header + b"\r\n" for header in headers), b"\r\n", body])


def encoded(coding, body):
    return Row(SUCCESS, answer(body, b"Content-Encoding: " + coding, b"Content-Type: application/json"))


def redirect(location, outcome=FAILURE, status=b"307 T"):
    return Row(outcome, answer(b"", b"Location: " + location, status=status), end="next")


def asks(status, *headers, outcome=FAILURE):
    return Row(outcome, answer(b"{}", *headers, status=status), end="next")


def echo(peer):
    """An error page that shows whatever it was sent."""
    request = peer.request()
    peer.send(answer(request, b"Content-Type: text/html", status=b"500 E"))
    peer.wait()


def reads_a_byte_at_a_time(peer):
    while peer.connection.recv(1):
        time.sleep(0.2)


def reads_nothing(peer):
    select.select([], [], [], 20)


def answers_unread(peer):
    peer.send(OK)
    peer.wait()


def half_closes(peer):
    peer.request()
    peer.connection.shutdown(socket.SHUT_WR)
    peer.wait()


def answers_and_half_closes(peer):
    peer.request()
    peer.send(OK)
    peer.connection.shutdown(socket.SHUT_WR)
    peer.wait()


def talks_on_after_its_answer(peer):
    peer.request()
    peer.send(OK)
    time.sleep(0.2)
    while True:
        peer.send(b"HTTP/1.1 500 Not asked for\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.05)


def in_single_bytes(peer):
    peer.request()
    for byte in OK:
        peer.send(bytes([byte]))
        time.sleep(0.01)
    peer.wait()


def handshake_in_drips(peer):
    peer.connection.recv(65536)
    while True:
        peer.send(b"\x16")
        time.sleep(0.2)


def says_what_it_was_sent(peer):
    """TLS: the client's own hello comes back."""
    peer.send(peer.connection.recv(65536))
    peer.wait()


def random_bytes(peer):
    peer.request()
    peer.send(random.Random(1).randbytes(100_000))


BOMB = gzip.compress(bytes(40_000_000), 9)
# A frame that says a window of 2 GiB, and one that holds nothing.
ZSTD_WINDOW, ZSTD_NOTHING = b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", b"\x50\x2a\x4d\x18\x00\x00\x00\x00"
TLS = {"scheme": "https"}

BEHAVIOURS = {
    # Headers
    "headers without end": Row(FAILURE, HEAD, b"X-Filler: 0123456789012345678901234567890123456789\r\n"),
    "one header without end": Row(FAILURE, HEAD + b"X-Filler: ", b"0123456789"),
    "a header's name without end": Row(FAILURE, HEAD, b"Xxxxxxxxx"),
    "a reason without end": Row(FAILURE, b"HTTP/1.1 200 ", b"because of "),
    "empty lines without end before the answer": Row(FAILURE, b"", b"\r\n"),
    "ten thousand headers": Row(FAILURE, HEAD + b"".join(b"X-%d: 1\r\n" % i for i in range(10000)) + b"Content-Length: 2\r\n\r\nok"),
    "three thousand short headers": Row(SUCCESS, HEAD + b"A: b\r\n" * 3000 + b"Content-Length: 2\r\n\r\nok"),
    "one header three thousand times over, folded": Row(SUCCESS, HEAD + b"A: b\r\n" + b" c\r\n" * 3000 + b"Content-Length: 2\r\n\r\nok"),
    "100 Continue without end": Row(FAILURE, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "103 Early Hints without end": Row(FAILURE, b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "100 Continue and then silence": Row(FAILURE, b"HTTP/1.1 100 Continue\r\n\r\n"),
    "102 now and then": Row(FAILURE, b"", b"HTTP/1.1 102 P\r\n\r\n", 0.1),
    "header lines in drips": Row(FAILURE, HEAD, b"X-A: a\r\n", 0.1),
    "one header line in drips": Row(FAILURE, HEAD + b"X-A: ", b"x", 0.1),
    "the whole answer in single bytes": Row(SUCCESS, act=in_single_bytes),
    "a NUL in a header": closing(FAILURE, HEAD + b"X-A: a\0b\r\n\r\n"),
    "a NUL in the status line": closing(None, b"HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nok"),
    "lines that end in LF alone": Row(SUCCESS, b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    "lines that end in CR alone": closing(FAILURE, b"HTTP/1.1 200 OK\rContent-Length: 2\r\rok"),
    "a header without a colon": closing(None, HEAD + b"Nonsense\r\nContent-Length: 2\r\n\r\nok"),
    "a header without a name": closing(None, HEAD + b": value\r\nContent-Length: 2\r\n\r\nok"),
    "a blank before the colon of the length": closing(None, HEAD + b"Content-Length : 2\r\n\r\nokok"),
    "control characters in a header": closing(None, HEAD + b"X-A: \x1b[2J\x07\x08\r\nContent-Length: 2\r\n\r\nok"),
    "no UTF-8 in a header": Row(SUCCESS, HEAD + b"X-A: \xff\xfe\xc3\r\nContent-Length: 2\r\n\r\nok"),
    # Status lines
    "nothing": closing(FAILURE, b""),
    "a status only": closing(SUCCESS, b"HTTP/1.1 204\r\n\r\n"),
    "status 000": closing(FAILURE, b"HTTP/1.1 000 N\r\nContent-Length: 0\r\n\r\n"),
    "status 99": closing(FAILURE, b"HTTP/1.1 99 N\r\nContent-Length: 0\r\n\r\n"),
    "status 999": closing(FAILURE, b"HTTP/1.1 999 N\r\nContent-Length: 0\r\n\r\n"),
    "status 2000": closing(None, b"HTTP/1.1 2000 N\r\nContent-Length: 0\r\n\r\n"),
    "status -200": closing(FAILURE, b"HTTP/1.1 -200 N\r\nContent-Length: 0\r\n\r\n"),
    "101, which nobody asked for": closing(None, b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05hello"),
    "101 to h2c, and frames": closing(None, b"HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) * 99),
    "HTTP 1.0": closing(SUCCESS, b"HTTP/1.0 200 OK\r\n\r\nok"),
    "HTTP 9.9": closing(FAILURE, b"HTTP/9.9 200 OK\r\n\r\nok"),
    "HTTP 0.9": closing(FAILURE, b"ok"),
    "HTTP 2 without being asked": closing(None, b"HTTP/2 200\r\ncontent-length: 2\r\n\r\nok"),
    "frames of HTTP 2": closing(FAILURE, bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) * 1000),
    "the banner of SSH": closing(FAILURE, b"SSH-2.0-OpenSSH_9.2\r\n"),
    "the banner of SMTP": Row(FAILURE, b"220 mail ESMTP\r\n", read=False),
    "an ICY answer": closing(None, b"ICY 200 OK\r\nicy-name: x\r\n\r\nok"),
    "a TLS alert": closing(FAILURE, b"\x15\x03\x01\x00\x02\x02\x16"),
    "random bytes": Row(FAILURE, act=random_bytes),
    # Lengths and chunks
    "silence": Row(FAILURE),
    "silence after the headers": Row(FAILURE, HEAD + b"Content-Length: 5\r\n\r\nab"),
    "a body in drips": Row(FAILURE, HEAD + b"\r\n", b"x", 0.1),
    "a body without end": Row(SUCCESS, HEAD + b"\r\n", b"0123456789"),
    "chunks without end": Row(SUCCESS, CHUNKED, b"10\r\n0123456789abcdef\r\n"),
    "chunks of one byte without end": Row(SUCCESS, CHUNKED, b"1\r\nx\r\n"),
    "a chunk's extension without end": Row(FAILURE, CHUNKED + b"1;", b"a=b;"),
    "chunks with long extensions": Row(None, CHUNKED, b"1;" + b"a" * 1000 + b"\r\nx\r\n"),
    "a chunk's size of zeros without end": Row(FAILURE, CHUNKED, b"0000000000"),
    "trailers without end": Row(FAILURE, CHUNKED + b"0\r\n", b"X-A: b\r\n"),
    "no last line behind the last chunk": Row(None, CHUNKED + b"2\r\nok\r\n0\r\n"),
    "less than announced": closing(FAILURE, HEAD + b"Content-Length: 50\r\n\r\nshort"),
    "more than announced": Row(SUCCESS, OK + b"HTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n"),
    "fifty answers for one request": Row(SUCCESS, OK * 50),
    "two lengths that differ": closing(None, HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
    "two lengths in one": closing(None, HEAD + b"Content-Length: 2, 3\r\n\r\nok"),
    "a length and chunks": closing(None, HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    "a transfer coding that nobody knows": closing(None, HEAD + b"Transfer-Encoding: cow, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    "a length that is no number": closing(FAILURE, HEAD + b"Content-Length: many\r\n\r\nok"),
    "a negative length": closing(FAILURE, HEAD + b"Content-Length: -5\r\n\r\nok"),
    "a length with a sign": closing(None, HEAD + b"Content-Length: +2\r\n\r\nok"),
    "a length of 2 to the 63": closing(None, HEAD + b"Content-Length: 9223372036854775807\r\n\r\nok"),
    "a length beyond all numbers": closing(None, HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nok"),
    "no chunk size": closing(FAILURE, CHUNKED + b"nonsense\r\n"),
    "a chunk size beyond all numbers": closing(FAILURE, CHUNKED + b"ffffffffffffffffff\r\nx"),
    "a negative chunk size": closing(FAILURE, CHUNKED + b"-1\r\nx\r\n0\r\n\r\n"),
    "a chunk longer than it says": closing(FAILURE, CHUNKED + b"1\r\nxyz\r\n0\r\n\r\n"),
    "chunks cut off": closing(FAILURE, CHUNKED + b"5\r\nab"),
    # Codings
    "gzip that is none": encoded(b"gzip", b"not gzip"),
    "a bomb of gzip": encoded(b"gzip", BOMB),
    "a bomb within gzip within gzip": encoded(b"gzip, gzip", gzip.compress(BOMB)),
    "gzip six times": encoded(b"gzip, gzip, gzip, gzip, gzip, gzip", b"x"),
    "gzip with a name without end": Row(SUCCESS, HEAD + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08\0\0\0\0\0\x03", b"name"),
    "members of gzip that hold nothing, without end": Row(SUCCESS, HEAD + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"")),
    "a bomb of deflate": encoded(b"deflate", zlib.compress(bytes(40_000_000), 9)),
    "bytes without end behind gzip": Row(SUCCESS, HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"ok"), b"and so on "),
    "a window of zstd of 2 GiB": encoded(b"zstd", ZSTD_WINDOW),
    "frames of zstd that hold nothing, without end": Row(SUCCESS, HEAD + b"Content-Encoding: zstd\r\n\r\n", ZSTD_NOTHING),
    "brotli that is none": encoded(b"br", b"\xff" * 1000),
    "a coding that nobody knows": encoded(b"x-\x80", b"{}"),
    # Bodies
    "a hundred thousand levels of JSON": Row(SUCCESS, answer(b"[" * 100_000, b"Content-Type: application/json")),
    "a million levels of JSON, closed": Row(SUCCESS, answer(b"[" * 500_000 + b"]" * 500_000, b"Content-Type: application/json")),
    "a number of JSON with ten thousand digits": Row(SUCCESS, answer(b"1" * 10_000, b"Content-Type: application/json")),
    "a member of JSON twice": Row(SUCCESS, answer(b'{"status":"a","status":"b"}', b"Content-Type: application/json")),
    "half a surrogate pair": Row(SUCCESS, answer(b'"\\ud800"', b"Content-Type: application/json")),
    "a megabyte of escaped NULs": Row(SUCCESS, answer(b'"' + b"\\u0000" * 170_000 + b'"', b"Content-Type: application/json")),
    "no UTF-8": Row(SUCCESS, answer(b'{"a":"\xff\xfe"}', b"Content-Type: application/json; charset=utf-8")),
    "a charset that is none": Row(SUCCESS, answer(b"ok", b"Content-Type: text/plain; charset=\"\\\"'; x=" + b"y" * 5000)),
    "half of UTF-16": Row(SUCCESS, answer(b"\xff\xfeo\0k", b"Content-Type: text/plain; charset=utf-16")),
    "lines of a log in an error": Row(FAILURE, answer(b'\n{"msg":"stopped","level":"INFO"}\n\x1b[2J\r\n' * 100, status=b"500 \x1b[31mE")),
    "what it was sent, in an error": Row(FAILURE, act=echo),
    # Redirects
    "a redirect to itself": redirect(b"/"),
    "a redirect that grows": redirect(b"/" + b"a" * 6000),
    "a redirect to a file": redirect(b"file:///etc/passwd"),
    "a redirect to gopher": redirect(b"gopher://127.0.0.1:1/_x"),
    "a redirect to another host": redirect(b"http://127.0.0.2:1/"),
    "a redirect to another port": redirect(b"http://127.0.0.1:1/", status=b"302 F"),
    "a redirect to the other scheme": redirect(b"https://127.0.0.1/", status=b"301 M"),
    "a redirect without a host": redirect(b"http:///"),
    "a redirect to port 0": redirect(b"http://127.0.0.1:0/"),
    "a redirect with an empty Location": redirect(b"", None),
    "a redirect of sixty kilobytes": redirect(b"http://127.0.0.1/" + b"a" * 60_000),
    "two Locations": Row(FAILURE, answer(b"", b"Location: http://127.0.0.2:1/", b"Location: /", status=b"308 P"), end="next"),
    "300 with choices": redirect(b"/", None, b"300 M"),
    # What it asks for
    "a password by NTLM": asks(b"401 U", b"WWW-Authenticate: NTLM TlRMTVNTUAACAAAA"),
    "a password by Digest": asks(b"401 U", b'WWW-Authenticate: Digest realm="' + b"x" * 5000 + b'", nonce="y"'),
    "the password of a proxy": asks(b"407 P", b"Proxy-Authenticate: Basic realm=x"),
    "another try for ever": asks(b"429 T", b"Retry-After: 0"),
    "another try in a century": asks(b"429 T", b"Retry-After: 3155760000"),
    "another try in the year 9999": asks(b"503 S", b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"),
    "another try before now": asks(b"503 S", b"Retry-After: -99999999999999999999"),
    "that the request be sent again": asks(b"408 R", b"Connection: close"),
    "that it be sent earlier": asks(b"425 T"),
    "a thousand cookies": asks(b"200 OK", *[b"Set-Cookie: a%d=b; Domain=127.0.0.1; Path=/" % i for i in range(1000)], outcome=SUCCESS),
    "https for ever": asks(b"200 OK", b"Strict-Transport-Security: max-age=99999999; includeSubDomains", b'Alt-Svc: h3=":1"; ma=99999999', outcome=SUCCESS),
    "a connection kept for no time": asks(b"200 OK", b"Connection: keep-alive, close, upgrade", b"Keep-Alive: timeout=0, max=-1", outcome=SUCCESS),
    # Connections
    "a connection closed at once": closing(FAILURE, b"", read=False),
    "a connection reset at once": Row(FAILURE, end="reset", read=False),
    "a reset after the request": Row(FAILURE, end="reset"),
    "a reset after the headers": Row(FAILURE, HEAD + b"Content-Length: 5\r\n\r\n", end="reset"),
    "a reset within the body": Row(FAILURE, CHUNKED + b"5\r\nab", end="reset"),
    "a request that is never read": Row(FAILURE, act=reads_nothing),
    "a request that is read byte by byte": Row(FAILURE, act=reads_a_byte_at_a_time),
    "an answer before the request": Row(None, act=answers_unread),
    "a connection half closed": Row(FAILURE, act=half_closes),
    "an answer and a half closed connection": Row(SUCCESS, act=answers_and_half_closes),
    "answers after the answer": Row(SUCCESS, act=talks_on_after_its_answer),
    # TLS
    "plain HTTP behind https": closing(FAILURE, OK, read=False, **TLS),
    "silence instead of a handshake": Row(FAILURE, read=False, **TLS),
    "a handshake in drips": Row(FAILURE, act=handshake_in_drips, **TLS),
    "the client's own hello": Row(FAILURE, act=says_what_it_was_sent, **TLS),
    "warnings of TLS without end": Row(FAILURE, forever=b"\x15\x03\x03\x00\x02\x01\x00", read=False, **TLS),
    "records of TLS that hold nothing, without end": Row(FAILURE, forever=b"\x16\x03\x03\x00\x00", read=False, **TLS),
    "a hello of TLS of 16 MB": Row(FAILURE, b"\x16\x03\x03\x40\x00\x02\xff\xff\xff", b"\0" * 1000, read=False, **TLS),
    "random bytes behind https": closing(FAILURE, random.Random(2).randbytes(20_000), read=False, **TLS),
}


def listen(names):
    """Serves them in threads of this process; their ports by name."""
    ports, poll, by_descriptor = {}, select.poll(), {}
    for name in names:
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        ports[name] = listener.getsockname()[1]
        poll.register(listener, select.POLLIN)
        by_descriptor[listener.fileno()] = (listener, BEHAVIOURS[name])

    def serve(row, connection):
        try:
            row.serve(Peer(connection))
        except OSError:
            pass
        finally:
            connection.close()

    def accept():
        while True:
            for descriptor, _ in poll.poll():
                listener, row = by_descriptor[descriptor]
                threading.Thread(target=serve, args=(row, listener.accept()[0]), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return ports


if __name__ == "__main__":
    print(json.dumps(listen(sys.argv[1:] or BEHAVIOURS)), flush=True)
    # Until whoever started it closes its input, or ends it.
    os.read(0, 1)
