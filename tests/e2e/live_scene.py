"""An agent with something to see on its live page: claimed runs, endpoints that answer and that fail, and any number of events a second."""
import asyncio
import threading
import time

from broker import free_port
from harness import SECRET, Agent
from port_api import PortApi
from test_polling import polled_run


class Endpoint:
    """Answers at once, 500 where the path says /broken; one thread serves thousands a second."""

    def __init__(self):
        self.loop, started = asyncio.new_event_loop(), threading.Event()
        endpoint = self

        class Connection(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport, self.rest = transport, b""

            def data_received(self, data):
                self.rest += data
                while (end := self.rest.find(b"\r\n\r\n")) >= 0:
                    head = self.rest[:end].lower()
                    at = head.find(b"content-length:")
                    whole = end + 4 + (int(head[at + 15:].split(b"\r\n", 1)[0]) if at >= 0 else 0)
                    if len(self.rest) < whole:
                        return
                    status = b"500 Internal Server Error" if b"/broken" in head.split(b"\r\n", 1)[0] else b"202 Accepted"
                    self.transport.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
                    self.rest = self.rest[whole:]

        async def listen():
            server = await self.loop.create_server(Connection, "127.0.0.1", 0, backlog=256)
            endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            started.set()

        def serve():
            self.loop.run_until_complete(listen())
            self.loop.run_forever()

        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()
        started.wait()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


class Scene:
    def __init__(self, through_proxy=False, **environment):
        self.port, self.endpoint = PortApi(), Endpoint()
        if through_proxy:
            environment = {"HTTP_PROXY": self.endpoint.url, **environment}
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}/"
        self.environment = {"PORT_ORG_ID": "org_live", "PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": SECRET, "PORT_API_BASE_URL": self.port.url,
                            "STREAMER_NAME": "POLLING", "POLLING_INTERVAL_SECONDS": "0.1", "LOG_FORMAT": "json", "DRAIN_TIMEOUT_SECONDS": "1",
                            "RUN_LOGS": "off", "STATUS_SOCKET": f"@live-{self.address}", "ADMIN_LISTEN": self.address, **environment}
        self.agent = Agent(self.environment)
        self.agent.wait_log("listening for health checks and status")
        self.number, self.ends = 0, threading.Event()
        self.thread = None

    def offer(self, *run_ids, path="/hook", url=None):
        self.port.offer(*(polled_run(one, url or self.endpoint.url + path, synchronized=False) for one in run_ids))

    def offer_for_ever(self, a_second, url=None):
        """From now on, until it closes or this is called with 0: a tenth of them ten times a second."""
        self.ends.set()
        if self.thread:
            self.thread.join()
        self.ends.clear()

        def go():
            due = time.monotonic()
            while not self.ends.wait(max(0, due - time.monotonic())):
                due += 0.1
                self.offer(*(f"r_flow{self.number + i:07}" for i in range(a_second // 10)), url=url)
                self.number += a_second // 10

        if a_second:
            self.thread = threading.Thread(target=go, daemon=True)
            self.thread.start()

    def close(self):
        self.offer_for_ever(0)
        self.agent.kill()
        self.endpoint.close()
        self.port.close()
