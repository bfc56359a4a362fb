"""A process whose wall clock is wrong, and may change: libfaketime, before it. Its monotonic clock is everybody's."""

from pathlib import Path

import pytest

LIBRARY = next(
    (str(found) for folder in ("/usr/lib", "/usr/local/lib") for found in Path(folder).rglob("libfaketimeMT.so.1")), ""
)
needs_faketime = pytest.mark.skipif(not LIBRARY, reason="libfaketime is not installed")


class Clock:
    """seconds: ahead of everybody's clock; behind it where negative."""

    def __init__(self, file: Path, seconds: int = 0) -> None:
        self._file = file
        self.jump(seconds)

    @property
    def variables(self) -> dict[str, str]:
        """For the environment of a process that is to have this clock."""
        return {
            "LD_PRELOAD": LIBRARY,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, seconds: int) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{seconds:+d}\n")
        draft.replace(self._file)
