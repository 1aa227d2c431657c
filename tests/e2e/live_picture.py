"""Makes docs/live-page.png: the live page of an agent with a destination that only fails. Usage, after ./dev build:

    PORT_AGENT_BINARY=build/release/port-agent .cache/venv/bin/python tests/e2e/live_picture.py [OUT]
"""
import collections
import pathlib
import struct
import sys
import time
import zlib

from browser import Browser
from live_scene import Scene

OUT = pathlib.Path(__file__).resolve().parents[2] / "docs/live-page.png"
LARGEST = 150_000


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def rows_of(png):
    """Width, bytes a pixel, and the rows of a PNG as Chromium writes one: eight bits a channel, not interlaced."""
    at, packed = 8, b""
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        if kind == b"IHDR":
            width, height, bits, colour = struct.unpack(">IIBB", png[at + 8:at + 18])
        packed += png[at + 8:at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    step = {2: 3, 6: 4}[colour]
    raw, row, rows = zlib.decompress(packed), bytearray(width * step), []
    for y in range(height):
        line = raw[y * (width * step + 1):(y + 1) * (width * step + 1)]
        above, row, how = row, bytearray(line[1:]), line[0]
        for x in range(len(row) if how else 0):
            left, up, corner = (row[x - step] if x >= step else 0), above[x], (above[x - step] if x >= step else 0)
            near = min((abs(up - corner), 0, left), (abs(left - corner), 1, up), (abs(left + up - 2 * corner), 2, corner))[2]
            row[x] = (row[x] + [0, left, up, (left + up) // 2, near][how]) & 255
        rows.append(row)
    return width, step, rows


def with_a_palette(png):
    """The same picture in at most 256 colours: half the bytes or less."""
    width, step, rows = rows_of(png)
    pixels = [[tuple(row[x:x + 3]) for x in range(0, len(row), step)] for row in rows]
    used = collections.Counter(pixel for row in pixels for pixel in row)
    palette = [colour for colour, _ in used.most_common(256)]
    place = {colour: i for i, colour in enumerate(palette)}
    for colour in used:
        if colour not in place:
            place[colour] = min(range(len(palette)), key=lambda i: sum((a - b) ** 2 for a, b in zip(colour, palette[i])))
    data = b"".join(b"\0" + bytes(place[pixel] for pixel in row) for row in pixels)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), 8, 3, 0, 0, 0))
            + chunk(b"PLTE", b"".join(map(bytes, palette))) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    # One endpoint is a proxy for all names.
    scene = Scene(WEBHOOK_BREAKER_FAILURES="5", NO_PROXY="127.0.0.1", through_proxy=True)
    browser = Browser(1240, 900)
    try:
        scene.offer_for_ever(30, "http://provisioner.internal/vm")
        browser.open(scene.url)
        time.sleep(6)
        for number in range(9):
            scene.offer(f"r_Kd82mPq{number}XvT41bW", url="http://billing.internal/broken/invoices")
            time.sleep(0.2)
        scene.offer("r_7HnYq0ZcRt5LbE2s", url="http://tickets.internal/new")
        browser.wait("document.getElementById('conditions-list').innerText.includes('billing.internal')")
        browser.wait("document.getElementById('destinations').innerText.includes('tickets.internal')")
        browser.run("[...document.querySelectorAll('#flow-body tr.is-bad button')].at(-1).click()")
        browser.run("document.activeElement.blur(); scrollTo(0, 0)")
        time.sleep(2)
        picture = with_a_palette(browser.picture())
    finally:
        browser.close()
        scene.close()
    assert len(picture) < LARGEST, f"{len(picture)} bytes are too many"
    out.write_bytes(picture)
    print(f"{out}: {len(picture)} bytes")


if __name__ == "__main__":
    main()
