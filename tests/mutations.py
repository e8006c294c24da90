"""Mutations of bytes, whatever they mean."""

import random
import re
from collections.abc import Sequence

Files = dict[str, bytes]
Rng = random.Random

EXTREMES = ["0", "-1", "1", "255", "4294967295", "-2147483649", "9223372036854775807", "9223372036854775808",
            "18446744073709551616", "1e308", "1e400", "-0.0", "1e-320", "NaN", "Infinity", "9" * 400, "9" * 5000,
            "107374182400", "0x10", "1_0", "٣", "true", "null"]  # fmt: skip
PIECES = [b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\xed\xa0\x80", b"\xc0\xaf", b"\x1b]0;owned\x07", b"\x9b31m",
          "‮".encode(), b"../../", b"/etc/passwd", b"\n", b"\r\n", b'"', b"[" * 2000, b'{"a":' * 500, b"A" * 5000,
          b"\x80\x04cos\nsystem\n(S'true'\ntR.", b"PK\x03\x04", b"\x1f\x8b\x08"]  # fmt: skip


def mutate_bytes(content: bytes, rng: Rng, others: Sequence[bytes] = ()) -> bytes:
    size = len(content)
    start = rng.randrange(size + 1)
    stop = min(size, start + rng.choice([1, 2, 4, 8, 16, 64, 256, size]))
    match rng.randrange(9):
        case 0 if size:
            flipped = bytearray(content)
            for _ in range(rng.choice([1, 1, 2, 8])):
                flipped[rng.randrange(size)] ^= 1 << rng.randrange(8)
            return bytes(flipped)
        case 1:
            return content[:start]
        case 2:
            return content[:start] + content[stop:]
        case 3:
            return content[:stop] + content[start:]
        case 4:
            return content[:start] + rng.choice(PIECES) + content[start:]
        case 5:
            return content[:start] + rng.randbytes(stop - start) + content[stop:]
        case 6:
            other = rng.choice(others) if others else content[::-1]
            cut = rng.randrange(len(other) + 1)
            return (
                content[:start]
                + other[cut : cut + rng.choice([1, 16, 256, len(other)])]
                + content[stop:]
            )
        case 7:
            numbers = list(re.finditer(rb"-?[0-9]+(\.[0-9]+)?", content[: 1 << 16]))
            if numbers:
                found = rng.choice(numbers)
                return (
                    content[: found.start()]
                    + rng.choice(EXTREMES).encode()
                    + content[found.end() :]
                )
            return content + rng.choice(PIECES)
        case _:
            return (
                rng.choice(PIECES) + content if rng.random() < 0.5 else content + rng.choice(PIECES)
            )
