"""Hands a text to the reader's editor and takes back what was saved. Understands nothing of the text."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mcpdeck.errors import NoEditor

VARIABLES: Final = ("MCPDECK_EDITOR", "VISUAL", "EDITOR")
PAGERS: Final = ("MCPDECK_PAGER", "PAGER")
FALLBACKS: Final = ("nano", "vi", "notepad")


def edit(text: str, suffix: str = ".txt") -> str | None:
    """What the reader saved; None if that is nothing new, or the editor failed. Raises NoEditor."""
    command = _command(os.environ)
    with tempfile.TemporaryDirectory(prefix="mcpdeck-") as folder:  # 0700: so are an editor's own copies beside it
        path = Path(folder) / f"edit{suffix}"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        try:
            done = subprocess.run([*command, str(path)], check=False)  # noqa: S603  (the reader's own words)
        except OSError as error:
            raise NoEditor(f"the editor {shlex.join(command)} can not be started: {error.strerror}") from error
        if done.returncode != 0 or not path.exists():
            return None
        edited = path.read_text(encoding="utf-8", errors="replace")
    return None if edited == text else edited


def page(text: str) -> None:
    """Through MCPDECK_PAGER, PAGER or less, until the reader leaves it. Where there is none, the text is printed."""
    words = next((found for name in PAGERS if (found := os.environ.get(name, "").strip())), "less -R")
    try:
        subprocess.run(shlex.split(words), input=text.encode(), check=False)  # noqa: S603  (the reader's own words)
    except (OSError, ValueError):
        sys.stdout.write(f"{text}\n")
        input("enter goes back ")


def _command(environ: Mapping[str, str]) -> list[str]:
    for name in VARIABLES:
        if words := environ.get(name, "").strip():
            try:
                return shlex.split(words, posix=os.name == "posix")
            except ValueError as error:
                raise NoEditor(f"{name} is {words!r}, which can not be split into words: {error}") from error
    for fallback in FALLBACKS:
        if found := shutil.which(fallback):
            return [found]
    raise NoEditor(f"no editor: set EDITOR, or install one of {', '.join(FALLBACKS)}")
