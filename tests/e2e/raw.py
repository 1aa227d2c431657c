"""An endpoint that keeps every request as the bytes that came, and answers with bytes."""
import socket
import socketserver
import threading
import time


def response(status=200, *headers, body=b'{"received":true}'):
    lines = [f"HTTP/1.1 {status} S", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return b"\r\n".join(line if isinstance(line, bytes) else line.encode() for line in lines) + b"\r\n\r\n" + body


class Request:
    def __init__(self, head, body):
        self.lines = head.split(b"\r\n")
        self.line = self.lines[0].decode("latin-1")
        self.method, self.target, self.version = self.line.split(" ", 2) if self.line.count(" ") == 2 else (self.line, "", "")
        self.headers = {k.strip().lower().decode("latin-1"): v.strip().decode("latin-1") for k, _, v in (line.partition(b":") for line in self.lines[1:])}
        self.body = body


class Raw:
    """`answer`: a function of a request that gives the bytes to answer with. With `tls` it speaks both http and https on its port."""

    def __init__(self, answer=lambda request: response(), address="127.0.0.1", tls=None):
        self.changed = threading.Condition()
        self.requests, self.answer = [], answer
        raw = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    while raw.serve(self.rfile, self.wfile):
                        pass
                except OSError:
                    pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 256

            def get_request(self):
                connection, peer = super().get_request()
                encrypted = tls and connection.recv(1, socket.MSG_PEEK) == b"\x16"  # a handshake
                return (tls.wrap_socket(connection, server_side=True) if encrypted else connection), peer

            def handle_error(self, *_):
                pass

        self.server = Server((address, 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, reader, writer):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = reader.readline()
            if not line:
                return False
            head += line
        length = next((int(v) for k, _, v in (l.partition(b":") for l in head.split(b"\r\n")) if k.lower() == b"content-length"), 0)
        request = Request(head[:-4], reader.read(length))
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
        writer.write(self.answer(request))
        return True

    def wait(self, count, timeout=120):
        """The requests, once there are `count` of them."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while len(self.requests) < count:
                left = deadline - time.monotonic()
                assert left > 0, f"{len(self.requests)} of {count} requests came: {[r.line for r in self.requests]}"
                self.changed.wait(left)
            return list(self.requests)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
