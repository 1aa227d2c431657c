"""An endpoint whose answers are bytes: whatever a test gives for a path goes out as it is."""
import socketserver
import threading


class Scripted:
    def __init__(self, answers):
        """answers: path -> (header lines without the body's length, body); both as bytes, or (headers, None) for a status line and headers alone."""
        self.lock, self.seen = threading.Lock(), []
        scripted = self

        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self):
                while line := self.rfile.readline():
                    length, path = 0, line.split()[1].decode()
                    headers = {}
                    while (header := self.rfile.readline()) not in (b"\r\n", b""):
                        name, _, value = header.decode("latin-1").partition(":")
                        headers[name.lower()] = value.strip()
                    length = int(headers.get("content-length") or 0)
                    self.rfile.read(length)
                    with scripted.lock:
                        scripted.seen.append((path, headers))
                    head, body = answers[path]
                    if not head.startswith(b"HTTP/"):
                        head = b"HTTP/1.1 200 OK\r\n" + head
                    if body is not None:
                        head += b"Content-Length: %d\r\n" % len(body)
                    self.wfile.write(head + b"\r\n" + (body or b""))

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True
            request_queue_size = 256

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def headers_of(self, path):
        with self.lock:
            return next(headers for seen, headers in self.seen if seen == path)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
