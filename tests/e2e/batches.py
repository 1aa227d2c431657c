"""Record batches (format 2) made by hand, true or lying, and a raw Produce request that writes them. What a broker checks before
it writes (the checksum, that it can read the records) is passed over by `overwrite`, which changes the log's file under it."""
import ctypes
import gzip
import pathlib
import socket
import struct
import time

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
TRANSACTIONAL = 16
NONE = -1
HEADER = 61  # bytes before the records


def _table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


CASTAGNOLI = tuple(_table())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CASTAGNOLI[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def varint(value):
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def record(value, delta=0, key=None, length=0, value_length=None):
    """`length` is added to the length it says it has; `value_length` is said instead of the true one."""
    body = b"\0" + varint(0) + varint(delta)
    body += varint(-1) if key is None else varint(len(key)) + key
    body += varint(len(value) if value_length is None else value_length) + value + varint(0)
    return varint(len(body) + length) + body


def records(*values):
    return b"".join(record(value if isinstance(value, bytes) else value.encode(), delta) for delta, value in enumerate(values))


def batch(payload, count, codec=0, base=0, crc=0, last_delta=None, attributes=0):
    """`crc` is added to the right one."""
    now = int(time.time() * 1000)
    checked = struct.pack(">hiqqqhii", codec | attributes, count - 1 if last_delta is None else last_delta, now, now, -1, -1, -1, count) + payload
    return struct.pack(">qiibI", base, len(checked) + 9, 0, 2, crc32c(checked) + crc & 0xFFFFFFFF) + checked


def gz(data):
    return gzip.compress(data, 6)


def zstd(data, level=3):
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_compress.restype = library.ZSTD_compressBound.restype = ctypes.c_size_t
    library.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
    library.ZSTD_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
    bound = library.ZSTD_compressBound(len(data))
    out = ctypes.create_string_buffer(bound)
    size = library.ZSTD_compress(out, bound, data, len(data), level)
    return out.raw[:size]


def lz4(data):
    """In independent blocks of 4 MiB: brokers read no others."""
    library = ctypes.CDLL("liblz4.so.1")
    library.LZ4F_compressFrame.restype = library.LZ4F_compressFrameBound.restype = ctypes.c_size_t
    library.LZ4F_compressFrameBound.argtypes = [ctypes.c_size_t, ctypes.c_char_p]
    library.LZ4F_compressFrame.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p]
    preferences = struct.pack("<iiiiQIiiIIIII", 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    bound = library.LZ4F_compressFrameBound(len(data), preferences)
    out = ctypes.create_string_buffer(bound)
    size = library.LZ4F_compressFrame(out, bound, data, len(data), preferences)
    return out.raw[:size]


def _text(value):
    return struct.pack(">h", len(value)) + value.encode()


def produce_raw(bootstrap, topic, batch, partition=0):
    """Writes it as it is; the broker's error code (0: none) and the offset it was given."""
    host, port = bootstrap.rsplit(":", 1)
    body = struct.pack(">hhi", 0, 7, 1) + _text("raw") + struct.pack(">hhi", -1, -1, 30000)
    body += struct.pack(">i", 1) + _text(topic) + struct.pack(">iii", 1, partition, len(batch)) + batch
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        stream = connection.makefile("rb")
        answer = stream.read(struct.unpack(">i", stream.read(4))[0])
    at = 4 + 4 + 2 + len(topic) + 4
    _, code, offset = struct.unpack_from(">ihq", answer, at)
    return code, offset


def segment(kafka, topic, partition=0):
    return pathlib.Path(kafka.directory) / "data" / f"{topic}-{partition}" / f"{0:020}.log"


def overwrite(kafka, topic, base, change, partition=0):
    """Gives the batch at `base` to `change` and writes what comes back (of the same length) in its place."""
    with open(segment(kafka, topic, partition), "r+b") as file:
        while True:
            start = file.tell()
            offset, length = struct.unpack(">qi", file.read(12))
            if offset == base:
                break
            file.seek(length, 1)
        file.seek(start)
        old = file.read(length + 12)
        new = change(old)
        assert len(new) == len(old)
        file.seek(start)
        file.write(new)
