"""Recorded messages as they lie on a disk: in frames, each sealed for its own place. Opens no file.

A frame's head is in the clear, and sealed with the rest: how many messages it holds, their bytes, their last number and
the first one's time. It opens in its own place alone, so that what is put elsewhere or changed does not open, and what
is cut out is missed.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

import msgspec

from gateway.core.ciphers import Ciphers
from gateway.core.recordings import Kept
from gateway.core.sharing import derived

_HEAD: Final = struct.Struct(">4sIIIIQd")
_MARK: Final = b"rec1"
LONGEST: Final = 64 * 1024 * 1024  # sealed bytes of a frame

_encode = msgspec.msgpack.encode


class Life(msgspec.Struct, frozen=True, array_like=True):
    """A gateway's process: when it began, and its first number. before: how many frames the segment before this has."""

    began_at: float
    number: int
    before: int


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """lost: messages before these that could not be kept. life: of a segment's first frame. closed_at: of a life's
    last one, where it stopped in good order."""

    kept: list[Kept]
    lost: int = 0
    life: Life | None = None
    closed_at: float = 0.0


class Head(msgspec.Struct, frozen=True):
    """index: its place in the segment. size: of what is sealed."""

    index: int
    messages: int
    plain: int
    size: int
    last: int
    at: float

    def packed(self) -> bytes:
        return _HEAD.pack(_MARK, self.index, self.messages, self.plain, self.size, self.last, self.at)

    @property
    def length(self) -> int:
        """Of the whole frame."""
        return _HEAD.size + self.size


class RecordingSeals(Ciphers):
    """With keys derived from those that seal session ids."""

    def _own(self, keys: Sequence[bytes]) -> Sequence[bytes]:
        return derived(keys, "recordings at rest")

    def sealed(self, frame: Frame, where: str, index: int) -> tuple[Head, bytes]:
        """where: it opens there alone."""
        packed = zlib.compress(_encode(frame), 1)
        last, at = (frame.kept[-1].number, frame.kept[0].at) if frame.kept else (0, frame.closed_at)
        plain = sum(len(each.line) for each in frame.kept)
        head = Head(index, len(frame.kept), plain, len(packed) + self.overhead, last, at)
        whole = head.packed()
        return head, whole + self.encrypt(packed, where.encode() + whole)

    def opened(self, head: Head, sealed: bytes, where: str) -> Frame | None:
        """None for what was sealed with other keys, for another place, or by a gateway of another version."""
        packed = self.decrypt(sealed, where.encode() + head.packed())
        if packed is None:
            return None
        try:
            return msgspec.msgpack.decode(zlib.decompress(packed), type=Frame)
        except (zlib.error, msgspec.MsgspecError):
            return None


def heads(file: BinaryIO, size: int) -> Iterator[Head]:
    """Of the frames that are whole in a file of that size. Reads nothing else. Raises OSError."""
    at = 0
    while (head := _head(file.read(_HEAD.size))) is not None and at + head.length <= size:
        yield head
        at += head.length
        file.seek(at)


def frames(data: bytes) -> Iterator[tuple[Head, bytes]]:
    """Heads, and what is sealed, as far as they are whole."""
    at = 0
    while (head := _head(data[at : at + _HEAD.size])) is not None and at + head.length <= len(data):
        yield head, data[at + _HEAD.size : at + head.length]
        at += head.length


def _head(data: bytes) -> Head | None:
    """None where there is none."""
    if len(data) < _HEAD.size:
        return None
    mark, *numbers = _HEAD.unpack(data)
    head = Head(*numbers)
    return head if mark == _MARK and head.size <= LONGEST else None
