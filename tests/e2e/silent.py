"""Listens on as many ports as it is asked to, accepts, and never says a word. Prints the ports on one line."""
import asyncio
import sys


async def main():
    async def never(reader, writer):
        await asyncio.sleep(3600)

    servers = [await asyncio.start_server(never, "127.0.0.1", 0) for _ in range(int(sys.argv[1]))]
    print(*[server.sockets[0].getsockname()[1] for server in servers], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
