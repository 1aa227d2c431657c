"""Receives webhooks and checks Port's signature by itself, over the raw body. Usage: receiver.py SECRET [CERTIFICATE KEY]
Behaviour by path:
/ok  /status/CODE[/RETRY_AFTER]  /flaky/CODE/TIMES/RETRY_AFTER/NAME (then 200)  /delay/MS  /never  /redirect/CODE/TARGET  /endless  /big/BYTES
/gather/COUNT: unanswered until so many of them wait at once
/once-a-connection: answered on a fresh connection, which is closed unanswered when it is used again
One JSON line per webhook on standard output, with when it came (monotonic, which all processes share); the first line is the port.
Listens on every address, so that 127.0.0.x are as many destinations."""
import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import sys
import time
import urllib.parse

SECRET = sys.argv[1].encode()


def signature_valid(headers, body):
    message = headers.get("x-port-timestamp", "").encode() + b"." + body
    expected = "v1," + base64.b64encode(hmac.new(SECRET, message, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(expected, headers.get("x-port-signature", ""))


failures = {}
gathered = []


async def gather(count):
    """Returns once that many callers wait."""
    gathered.append(asyncio.get_running_loop().create_future())
    waited = gathered[-1]
    if len(gathered) == count:
        for one in gathered:
            one.set_result(None)
        gathered.clear()
    await waited


async def answer(path, writer):
    parts = urllib.parse.unquote(path.split("?")[0]).strip("/").split("/")
    status, extra, body = 200, "", b'{"received":true}'
    if parts[0] == "status":
        status = int(parts[1])
        extra = f"Retry-After: {parts[2]}\r\n" if len(parts) > 2 else ""
        body = b'{"error":"as asked"}'
    elif parts[0] == "flaky":
        failures[path] = failures.get(path, 0) + 1
        if failures[path] <= int(parts[2]):
            status, extra = int(parts[1]), f"Retry-After: {parts[3]}\r\n" if parts[3] else ""
    elif parts[0] == "delay":
        await asyncio.sleep(int(parts[1]) / 1000)
    elif parts[0] == "gather":
        await gather(int(parts[1]))
    elif parts[0] == "never":
        await asyncio.sleep(3600)
    elif parts[0] == "redirect":
        status, extra = int(parts[1]), "Location: " + "/".join(parts[2:]).replace("|", "/") + "\r\n"
    elif parts[0] == "big":
        body = json.dumps({"filler": "x" * int(parts[1])}).encode()
    elif parts[0] == "endless":
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
    writer.write(f"HTTP/1.1 {status} S\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body)
    await writer.drain()


async def serve(reader, writer):
    served = 0
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ", 2)
            headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            try:
                event = json.loads(body)
            except ValueError:
                event = {}
            context = event.get("context") or {}
            print(json.dumps({"at": time.monotonic(), "run": context.get("runId"), "key": context.get("key"), "seq": context.get("seq"), "method": method,
                              "path": path, "valid": signature_valid(headers, body), "idempotency": headers.get("idempotency-key"),
                              "webhook_id": headers.get("webhook-id"), "type": headers.get("content-type"), "attempt": headers.get("x-port-attempt"),
                              "body": body.decode("utf-8", "replace") if len(body) < 4096 else None, "size": len(body)}), flush=True)
            if path == "/once-a-connection" and served > 0:
                return
            served += 1
            await answer(path, writer)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    tls = None
    if len(sys.argv) > 2:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(sys.argv[2], sys.argv[3])
        if len(sys.argv) > 4:  # the authority of those who may ask
            tls.load_verify_locations(sys.argv[4])
            tls.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.start_server(serve, "0.0.0.0", 0, backlog=1024, limit=1 << 26, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
