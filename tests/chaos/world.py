"""What the agents talk to, in one process: endpoints, Port's API, and a proxy in front of the broker. Each can be told to misbehave.

Commands come as JSON lines on standard input and are answered by one JSON line each; `dump` writes all that was seen to a file.
Times are CLOCK_MONOTONIC, which every process of a machine shares."""
import asyncio
import base64
import collections
import hashlib
import hmac
import json
import pickle
import socket
import struct
import sys
import time
import zlib

SECRET = sys.argv[1].encode()
BROKER_PORT, DESTINATIONS = int(sys.argv[2]), int(sys.argv[3])
TOKEN_SECONDS = 30
ANSWER = b'{"received":true}'

# One webhook that came in whole. `verdict`, as the endpoint meant it: "success" and "failure" are answers that decide; "either" may be
# read both ways; "retry" asks for another attempt; "broken": the endpoint broke the connection or never answered; "gone": the agent
# went away before the answer; "": not answered yet.
Receipt = collections.namedtuple("Receipt", "number attempt valid body_crc key received_at")


def reset(transport):
    """Closes with a TCP reset, as a crashed peer or a firewall does."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Http(asyncio.Protocol):
    """Requests with Content-Length, one at a time."""

    def connection_made(self, transport):
        self.transport, self.buffer, self.busy = transport, bytearray(), False
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections.add(self)

    def connection_lost(self, _):
        self.connections.discard(self)

    def data_received(self, data):
        self.buffer += data
        self.parse()

    def parse(self):
        while not self.busy:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            lines = bytes(self.buffer[:end]).decode("latin-1").split("\r\n")
            headers = {}
            for line in lines[1:]:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            length = int(headers.get("content-length", 0))
            if len(self.buffer) < end + 4 + length:
                return
            body = bytes(self.buffer[end + 4:end + 4 + length])
            del self.buffer[:end + 4 + length]
            method, path, _ = lines[0].split(" ", 2)
            self.busy = True
            self.request(method, path, headers, body)

    def answer(self, status, body, extra=""):
        if self.transport.is_closing():
            return False
        self.transport.write(f"HTTP/1.1 {status} S\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode()
                             + body)
        self.busy = False
        if self.buffer:
            asyncio.get_running_loop().call_soon(self.parse)
        return True


class Endpoint(Http):
    def __init__(self, world, destination):
        self.world, self.destination, self.receipt = world, destination, None
        self.connections = destination.connections

    def request(self, method, path, headers, body):
        message = headers.get("x-port-timestamp", "").encode() + b"." + body
        expected = "v1," + base64.b64encode(hmac.new(SECRET, message, hashlib.sha256).digest()).decode()
        number = json.loads(body)["context"]["number"]
        receipt = Receipt(number, int(headers.get("x-port-attempt", 1)), expected == headers.get("x-port-signature"), zlib.crc32(body),
                          headers.get("idempotency-key"), time.monotonic())
        self.receipt = [receipt, "", None]
        self.world.receipts.append(self.receipt)
        getattr(self, "answer_" + self.destination.mode)(path)

    def settle(self, verdict):
        self.receipt[1:] = verdict, time.monotonic()
        self.receipt = None

    def connection_lost(self, error):
        super().connection_lost(error)
        if self.receipt:
            self.settle("gone")

    def respond(self, status, verdict, extra="", body=ANSWER):
        if self.receipt and self.answer(status, body, extra):
            self.settle(verdict)

    def answer_well(self, path):
        asyncio.get_running_loop().call_later(int(path.rpartition("/")[2]) / 1000, self.respond, 200, "success")

    answer_refuse = answer_well  # on a connection from before

    def answer_slowly(self, path):
        asyncio.get_running_loop().call_later(1.5, self.respond, 200, "success")

    def answer_5xx(self, path):
        self.respond(500 + self.receipt[0].number % 3, "failure")

    def answer_429(self, path):
        self.respond(429, "retry")

    def answer_429_after(self, path):
        self.respond(429, "retry", "Retry-After: 1\r\n")

    def answer_503_after(self, path):
        self.respond(503, "retry", "Retry-After: 1\r\n")

    def answer_reset(self, path):
        if self.receipt[0].number % 2:  # in the middle of the answer
            self.transport.write(b"HTTP/1.1 200 S\r\nContent-Length: 100\r\n\r\nhalf")
        self.settle("broken")
        asyncio.get_running_loop().call_later(0.005, reset, self.transport)

    def answer_never(self, path):
        self.settle("broken")

    def answer_truncated(self, path):
        self.transport.write(b"HTTP/1.1 200 S\r\nContent-Length: 1000\r\n\r\n{\"cut\":")
        self.settle("broken")
        self.transport.close()

    def answer_endless(self, path):
        self.transport.write(b"HTTP/1.1 200 S\r\nContent-Type: text/plain\r\n\r\n")
        self.settle("either")
        self.pour()

    def pour(self):
        if self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() < 1 << 18:
            self.transport.write(b"x" * 16384)
        asyncio.get_running_loop().call_later(0.005, self.pour)


class Destination:
    def __init__(self, world, number):
        self.world, self.host, self.mode, self.connections = world, f"127.0.1.{number + 1}", "well", set()
        self.server, self.port = None, 0

    async def listen(self):
        self.server = await asyncio.get_running_loop().create_server(lambda: Endpoint(self.world, self), self.host, self.port, backlog=512)
        self.port = self.server.sockets[0].getsockname()[1]

    async def set(self, mode):
        if mode == "refuse":
            self.server.close()
        elif self.mode == "refuse":
            await self.listen()
        if mode in ("refuse", "reset"):
            for one in list(self.connections):
                if not one.busy:  # what is being answered is answered still
                    reset(one.transport)
        self.mode = mode


class Port(Http):
    def __init__(self, world):
        self.world, self.connections = world, world.port_connections

    def request(self, method, path, headers, body):
        world, now = self.world, time.monotonic()
        world.port_calls += 1
        mode = world.port_mode
        if mode == "stall":
            return
        if mode == "5xx":
            self.answer(503 if world.port_calls % 2 else 500, b"{}")
        elif mode == "429":
            self.answer(429, b"{}", "Retry-After: 1\r\n" if world.port_calls % 2 else "")
        elif path == "/v1/auth/access_token":
            world.tokens_given += 1
            token = f"token-{world.tokens_given}"
            world.tokens[token] = now + TOKEN_SECONDS
            self.answer(200, json.dumps({"ok": True, "accessToken": token, "expiresIn": TOKEN_SECONDS}).encode())
        elif world.tokens.get(headers.get("authorization", "").removeprefix("Bearer "), 0) < now:
            world.port_denied += 1
            self.answer(401, b"{}")
        else:
            self.accept(method, path, body, now)
            self.answer(200, b'{"ok":true}')

    def accept(self, method, path, body, now):
        parts = path.split("/")
        if method == "PATCH" and parts[2:4] == ["actions", "runs"] and len(parts) == 5:
            self.world.results.append((int(parts[4][2:]), json.loads(body).get("status"), now))
        elif method == "PATCH" and parts[-1] == "response":
            self.world.responses += 1


class KafkaProxy:
    """Bytes to and from the broker; can stop passing them on, or reset every connection."""

    def __init__(self):
        self.pairs, self.flowing = set(), asyncio.Event()
        self.flowing.set()

    async def listen(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", BROKER_PORT)
        except OSError:
            reset(writer.transport)
            return
        pair = (writer.transport, up_writer.transport)
        self.pairs.add(pair)
        tasks = [asyncio.create_task(self.pump(reader, up_writer)), asyncio.create_task(self.pump(up_reader, writer))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        self.pairs.discard(pair)
        for transport in pair:
            transport.abort()

    async def pump(self, reader, writer):
        try:
            while data := await reader.read(1 << 16):
                await self.flowing.wait()
                writer.write(data)
                await writer.drain()
        except (ConnectionError, OSError):
            pass

    def reset_all(self):
        for pair in list(self.pairs):
            for transport in pair:
                reset(transport)


class World:
    def __init__(self):
        self.receipts, self.results = [], []
        self.responses = self.port_calls = self.port_denied = self.tokens_given = 0
        self.port_mode, self.tokens, self.port_connections = "well", {}, set()
        self.destinations = [Destination(self, n) for n in range(DESTINATIONS)]
        self.proxy = KafkaProxy()

    async def start(self):
        loop = asyncio.get_running_loop()
        for one in self.destinations:
            await one.listen()
        self.port_server = await loop.create_server(lambda: Port(self), "127.0.0.1", 0, backlog=512)
        return {"urls": [f"http://{d.host}:{d.port}" for d in self.destinations],
                "port": f"http://127.0.0.1:{self.port_server.sockets[0].getsockname()[1]}", "kafka": await self.proxy.listen()}

    async def command(self, name, **arguments):
        return await getattr(self, "do_" + name)(**arguments) or {}

    async def do_endpoint(self, destination, mode):
        await self.destinations[destination].set(mode)

    async def do_port(self, mode):
        if mode == "expire":
            self.tokens.clear()
        elif mode == "reset":
            for one in list(self.port_connections):
                reset(one.transport)
        else:
            if self.port_mode == "stall":
                for one in list(self.port_connections):
                    one.transport.abort()
            self.port_mode = mode

    async def do_kafka(self, mode):
        if mode == "reset":
            self.proxy.reset_all()
        elif mode == "stall":
            self.proxy.flowing.clear()
        else:
            self.proxy.flowing.set()

    async def do_stats(self):
        return {"webhooks": len(self.receipts), "records": len({r[0].number for r in self.receipts}), "results": len(self.results)}

    async def do_dump(self, path):
        with open(path, "wb") as out:
            pickle.dump({"receipts": [(*r[0], r[1], r[2]) for r in self.receipts], "results": self.results, "responses": self.responses,
                         "port_calls": self.port_calls, "port_denied": self.port_denied, "tokens": self.tokens_given}, out)


async def main():
    world = World()
    print(json.dumps(await world.start()), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(await world.command(**json.loads(line))), flush=True)


asyncio.run(main())
