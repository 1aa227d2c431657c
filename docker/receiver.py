"""For compose.yaml: prints what it receives, says whether Port's signature is valid, and answers as Port's API does.
Usage: receiver.py [PORT]   (8080); the secret is PORT_CLIENT_SECRET."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import sys

SECRET = os.environ["PORT_CLIENT_SECRET"].encode()


def signature(headers, body):
    given, timestamp = headers.get("X-Port-Signature"), headers.get("X-Port-Timestamp", "")
    if given is None:
        return ""
    expected = b"v1," + base64.b64encode(hmac.new(SECRET, timestamp.encode() + b"." + body, hashlib.sha256).digest())
    return "signature valid: " if hmac.compare_digest(expected, given.encode("latin-1")) else "SIGNATURE WRONG: "


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = self.path == "/v1/auth/access_token"  # its body is the secret
        shown = "" if token else signature(self.headers, body) + body.decode("utf-8", "replace")[:2000]
        print(f"{self.command} {self.path} {shown}\n", end="", flush=True)  # in one piece, for requests come side by side
        reply = json.dumps({"accessToken": "local", "expiresIn": 3600} if token else {"ok": True}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, *_):
        pass


try:
    http.server.ThreadingHTTPServer(("", int(sys.argv[1]) if len(sys.argv) > 1 else 8080), Handler).serve_forever()
except KeyboardInterrupt:
    pass
