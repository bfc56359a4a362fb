"""stdin, stdout and stderr as commands rely on them: each is there, and takes every character. Prints nothing."""

import codecs
import io
import os
import sys
from typing import Any, Final

_ESCAPED: Final = "mcpdeck.escaped"


class _Remembering(io.FileIO):
    """What could not be written once is lost: a second flush would succeed."""

    failed: OSError | None = None

    def write(self, data: Any) -> int | None:  # type: ignore[override]  # None: not now, as FileIO has it
        try:
            return super().write(data)
        except OSError as error:
            self.failed = error
            raise


def settle() -> None:
    """A closed one reads as empty, and refuses what is written; what an encoding lacks is written as JSON has it."""
    codecs.register_error(_ESCAPED, _escaped)
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY), encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = _opened(os.open(os.devnull, os.O_RDONLY), "utf-8", is_lively=False)
    else:
        sys.stdout = _opened(sys.stdout.fileno(), sys.stdout.encoding, is_lively=sys.stdout.isatty())
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def _opened(number: int, encoding: str, *, is_lively: bool) -> io.TextIOWrapper:
    raw = _Remembering(number, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, _ESCAPED, line_buffering=is_lively)


def unwritten() -> OSError | None:
    """What keeps stdout from being written, if something did."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return error
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.failed if isinstance(raw, _Remembering) else None


def give_up() -> None:
    """Nothing goes to stdout any more: neither what it holds yet, nor when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Valid in JSON, plain in a table."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)), error.end
