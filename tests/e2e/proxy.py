"""A forward proxy of the tests' own: absolute-form requests, CONNECT tunnels and SOCKS 5, with a user and a password if wanted. It
remembers everything it was asked for."""
import base64
import select
import socket
import socketserver
import struct
import threading
import time


class Proxy:
    def __init__(self, user=None, password=None, refuse_with=None, tls=None, silent=False, before=(), instead=None):
        self.lock = threading.Lock()
        self.requests = []   # ("CONNECT" | method | "SOCKS", target, header block)
        self.credentials = f"{user}:{password}" if user else None
        self.refuse_with = refuse_with
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                try:
                    proxy.serve(self.request)
                except (OSError, ValueError, struct.error):
                    pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 256

            def get_request(self):
                connection, address = super().get_request()
                return (tls.wrap_socket(connection, server_side=True) if tls else connection), address

            def handle_error(self, *_):
                pass

        self.silent = silent
        self.before = before    # what is said before the answer to CONNECT, each piece in a packet of its own
        self.instead = instead  # called with the connection instead of answering CONNECT
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, scheme="http", with_credentials=True):
        credentials = f"{self.credentials}@" if self.credentials and with_credentials else ""
        return f"{scheme}://{credentials}127.0.0.1:{self.port}"

    def targets(self, method=None):
        with self.lock:
            return [t for m, t, _ in self.requests if method in (None, m)]

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def serve(self, client):
        if self.silent:
            client.recv(1)
            threading.Event().wait()
        first = client.recv(1, socket.MSG_PEEK) if not hasattr(client, "cipher") else b""
        if first == b"\x05":
            self.serve_socks(client)
            return
        head = read_head(client)
        while head:
            lines = head.decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ", 2)
            headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
            with self.lock:
                self.requests.append((method, target, head.decode("latin-1")))
            given = base64.b64decode(headers.get("proxy-authorization", "").removeprefix("Basic ")).decode()
            if self.credentials and given != self.credentials:
                receive(client, int(headers.get("content-length", 0)))  # unread, it would reset the connection, and the answer with it
                answer(client, 407, 'Proxy-Authenticate: Basic realm="p"\r\n')
                return
            if self.refuse_with:
                answer(client, self.refuse_with)
                return
            if method == "CONNECT" and self.instead:
                self.instead(client)
                return
            if method == "CONNECT":
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for piece in self.before:
                    client.sendall(piece)
                    time.sleep(0.01)
                host, port = target.rsplit(":", 1)
                upstream = socket.create_connection((host.strip("[]"), int(port)), 5)
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                relay(client, upstream)
                return
            forward(client, method, target, lines, headers)
            head = read_head(client)

    def serve_socks(self, client):
        client.recv(1)
        methods = receive(client, receive(client, 1)[0])
        if self.credentials:
            client.sendall(b"\x05\x02" if 2 in methods else b"\x05\xff")
            receive(client, 1)
            user = receive(client, receive(client, 1)[0]).decode()
            password = receive(client, receive(client, 1)[0]).decode()
            client.sendall(b"\x01\x00" if f"{user}:{password}" == self.credentials else b"\x01\x01")
        else:
            client.sendall(b"\x05\x00")
        kind = receive(client, 4)[3]
        host = receive(client, receive(client, 1)[0]).decode() if kind == 3 else socket.inet_ntoa(receive(client, 4))
        port = struct.unpack("!H", receive(client, 2))[0]
        with self.lock:
            self.requests.append(("SOCKS", f"{host}:{port}", ""))
        upstream = socket.create_connection((host, port), 5)
        client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        relay(client, upstream)


def receive(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise OSError("gone")
        data += more
    return data


def read_head(connection):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = connection.recv(1)
        if not more:
            return b""
        data += more
    return data[:-4]


def answer(connection, status, extra=""):
    connection.sendall(f"HTTP/1.1 {status} S\r\nContent-Length: 0\r\nConnection: close\r\n{extra}\r\n".encode())


def forward(client, method, target, lines, headers):
    """One absolute-form request, on a connection of its own to the server."""
    place, _, path = target.removeprefix("http://").partition("/")
    host, _, port = place.partition(":")
    body = receive(client, int(headers.get("content-length", 0)))
    upstream = socket.create_connection((host, int(port or 80)), 5)
    kept = [line for line in lines[1:] if line and not line.lower().startswith("proxy-")]
    upstream.sendall("\r\n".join([f"{method} /{path} HTTP/1.1", *kept, "", ""]).encode("latin-1") + body)
    head = read_head(upstream)
    length = next(int(line.split(":")[1]) for line in head.decode().split("\r\n") if line.lower().startswith("content-length"))
    client.sendall(head + b"\r\n\r\n" + receive(upstream, length))
    upstream.close()


def relay(one, other):
    while True:
        # TLS may have decrypted more than was asked for.
        pending = [s for s in (one, other) if hasattr(s, "pending") and s.pending()]
        ready = pending or select.select([one, other], [], [])[0]
        for source in ready:
            data = source.recv(65536)
            if not data:
                one.close()
                other.close()
                return
            (other if source is one else one).sendall(data)
