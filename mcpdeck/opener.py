"""A picture or a sound that a server sent, in the program that this desktop has for it. Knows no deck.

Opened is what such programs show or play and never run: the kinds below, by what they are called, and nothing else.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SUFFIXES: Final[Mapping[str, str]] = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "audio/wav": ".wav",
    "audio/x-wav": ".wav",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
}


def opener(platform: str, environ: Mapping[str, str]) -> str:
    """The command that opens a file before whoever sits here; empty where nobody does: over SSH, without a desktop."""
    if "SSH_CONNECTION" in environ and "DISPLAY" not in environ:
        return ""
    if platform == "darwin":
        return "open"
    return "xdg-open" if "DISPLAY" in environ or "WAYLAND_DISPLAY" in environ else ""


def open_file(path: Path) -> bool:
    """False where it can't be. Waits for nothing."""
    if sys.platform == "win32":
        os.startfile(path)  # noqa: S606  (a file of a fixed kind)
        return True
    command = shutil.which(opener(sys.platform, os.environ) or "nothing-opens-here")
    if command is None:
        return False
    nowhere = subprocess.DEVNULL
    try:
        subprocess.Popen([command, path], stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)  # noqa: S603  (a file of a fixed kind)
    except OSError:
        return False
    return True
