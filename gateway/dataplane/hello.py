"""What a client said first, small enough to stand in the id of its session."""

import zlib
from typing import Final

LONGEST: Final = 1500  # bytes, compressed: an id travels with every request
LARGEST: Final = 64 * 1024


def hello_of(body: bytes) -> bytes:
    """Of an `initialize`; b"" where it is too long, and the session ends as others do."""
    packed = zlib.compress(body, 9) if len(body) <= LARGEST else b""
    return packed if len(packed) <= LONGEST else b""


def said_in(hello: bytes) -> bytes:
    """The reverse, of what was sealed here."""
    return zlib.decompress(hello)
