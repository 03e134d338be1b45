"""Writes the golden blocks of format version 1, sharing no code with the crate.

The message is protobuf written by hand, the lz4 block holds literals only, and xxHash32 follows its
specification; so that the crate's reader is held against the format, not against its own writer.
"""

import pathlib
import struct

MASK = 0xFFFFFFFF
P1, P2, P3, P4, P5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393


def xxh32(data, seed=0):
    def rotate(x, n):
        return ((x << n) | (x >> (32 - n))) & MASK

    at = 0
    if len(data) >= 16:
        lanes = [(seed + P1 + P2) & MASK, (seed + P2) & MASK, seed, (seed - P1) & MASK]
        while at + 16 <= len(data):
            for i, word in enumerate(struct.unpack_from("<4I", data, at)):
                lanes[i] = rotate((lanes[i] + word * P2) & MASK, 13) * P1 & MASK
            at += 16
        h = sum(rotate(lane, n) for lane, n in zip(lanes, (1, 7, 12, 18))) & MASK
    else:
        h = (seed + P5) & MASK
    h = (h + len(data)) & MASK
    while at + 4 <= len(data):
        h = rotate((h + struct.unpack_from("<I", data, at)[0] * P3) & MASK, 17) * P4 & MASK
        at += 4
    for byte in data[at:]:
        h = rotate((h + byte * P5) & MASK, 11) * P1 & MASK
    h = (h ^ h >> 15) * P2 & MASK
    h = (h ^ h >> 13) * P3 & MASK
    return h ^ h >> 16


assert xxh32(b"") == 0x02CC5D05  # published test vectors
assert xxh32(b"Nobody inspects the spammish repetition") == 0xE2293B2F


def lz4_literals(data):
    if len(data) < 15:
        return bytes([len(data) << 4]) + data
    rest, token = len(data) - 15, b"\xf0"
    return token + b"\xff" * (rest // 255) + bytes([rest % 255]) + data


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def number(tag, n):
    return varint(tag << 3) + varint(n)


def chunk(tag, data):
    return varint(tag << 3 | 2) + varint(len(data)) + data


def packed(tag, *numbers):
    return chunk(tag, b"".join(map(varint, numbers)))


def sketches(tag, lens, buckets, counts):
    return chunk(tag, packed(1, *lens) + packed(2, *buckets) + packed(3, *counts))


def paths(tag, *rows):
    sets = b"".join(chunk(1, row[0]) for row in rows)
    rest = [packed(i, *(row[i - 1] for row in rows)) for i in (2, 3, 4)]
    return chunk(tag, sets + b"".join(rest))


def section(kind, first, last, message):
    def rotate(x, n):
        return ((x << n) | (x >> (32 - n))) & MASK

    body = lz4_literals(message)
    seed = kind << 24 ^ first ^ rotate(last, 8) ^ rotate(len(message), 16)
    return struct.pack("<BIIIII", kind, first, last, len(message), len(body), xxh32(body, seed)) + body


def block(*sections):
    return b"\x01" + b"".join(section(*one) for one in sections)


STRINGS = ["", "KeyError", "shop.pricing.apply_discount", "shop/pricing.py", "shop.Cart", "POST /checkout", "paths"]

ONE_OF_EVERYTHING = [
    (0, 0, MASK, number(1, 42) + number(2, 1_700_000_000_000) + number(3, 10_000)
        + number(99, 1)),  # a field of a later version, which readers skip
    (5, 1, 300, chunk(5, packed(1, 1, 300) + packed(2, 1000, 7) + packed(3, 1000, 700) + packed(4, 29, 0)
              + packed(5, 100, 7) + packed(6, 1000, 700) + packed(7, 5_000_000_000, 9))),
    (16, 1, 300, chunk(5, sketches(8, [2, 0], [159, 300], [990, 10]))),
    (4, 0, MASK, b"".join(chunk(4, s.encode()) for s in STRINGS)),
    (6, 1, 1, chunk(6, packed(1, 1, 1) + packed(2, 0, 1) + packed(3, 971, 29) + packed(4, 971, 290))),
    (7, 1, 1, chunk(7, packed(1, 1, 1) + paths(2, (b"\x01", 0, 0, 0), (b"\x02\x80", 1 + 16, 1, 47))
              + packed(3, 97, 3) + packed(4, 970, 30) + sketches(5, [1, 0], [159], [970]))),
    (8, 1, 300, chunk(8, packed(1, 1, 300) + packed(2, 1, 2) + packed(3, 1, 0) + packed(4, 47, 0)
              + packed(5, 29, 1))),
    (9, 0, MASK, chunk(9, packed(1, 1, 1) + packed(2, 1, 0) + packed(3, 2, 2) + packed(4, 3, 3)
              + packed(5, 47, 48) + packed(6, 2, 0) + packed(7, 1, 300) + packed(8, 2, 0)
              + packed(9, 300, 0) + packed(10, 12, 0) + packed(11, 28, 1))),
    (10, 1, 1, chunk(10, packed(1, 1, 1) + packed(2, 0, 255) + packed(3, 12 << 8, 1 << 8) + packed(4, 4, 0)
               + packed(5, 100, 3) + packed(6, 1000, 30))),
    (11, 1, 1, chunk(11, packed(1, 300, 0) + packed(2, 1, 1) + packed(3, 90, 10) + packed(4, 900, 100))),
    (12, 0, MASK, chunk(12, packed(1, 1, 1) + packed(2, 5, 5) + packed(3, 0, 1) + packed(4, 2, 5)
               + packed(5, 90, 4) + sketches(6, [1, 0], [400], [94]))),
    (13, 1, 1, chunk(13, packed(1, 1) + packed(2, 1) + packed(3, 1) + paths(4, (b"\x02", 1, 1, 47))
               + packed(5, 12345) + packed(6, 3) + packed(7, 12 << 8, 1 << 8, 0)
               + packed(8, 4, 0, 0) + packed(9, 300) + packed(10, 1) + packed(11, 5))),
    (14, 0, MASK, chunk(14, packed(1, 1) + packed(2, 5) + packed(3, 0) + packed(4, 20) + packed(5, 1)
               + packed(6, 5) + packed(7, 99999) + packed(8, 2) + packed(9, 300, 1)
               + paths(10, (b"", 0, 0, 0), (b"\x02", 1, 1, 47)) + packed(11, 1)
               + chunk(12, bytes(range(1, 17))))),
    (15, 0, MASK, chunk(15, packed(1, 6) + packed(2, 3))),
    (200, 0, MASK, b"a section of a later version, which readers skip"),
]

here = pathlib.Path(__file__).parent
(here / "v1-empty.bin").write_bytes(block())
(here / "v1-one-of-everything.bin").write_bytes(block(*ONE_OF_EVERYTHING))
