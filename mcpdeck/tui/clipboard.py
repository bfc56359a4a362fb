"""The reader's clipboard: a program of this machine's, or an escape sequence that travels to wherever they sit."""

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

LIMIT: Final = 74_994  # bytes of OSC 52 in base64 that terminals and multiplexers pass on
VARIABLE: Final = "MCPDECK_CLIPBOARD"  # auto, native or osc52
_SCREEN_PART: Final = 252  # bytes; GNU screen passes no longer string on
_SECONDS: Final = 2.0


class Clipboard:
    """environ: what decides the way; a tmux or screen around, an SSH connection, the reader's own word."""

    def __init__(self, environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> None:
        self._environ = os.environ if environ is None else environ
        self._platform = platform

    def program(self) -> Sequence[str]:
        """What takes a text from its standard input; empty where the terminal is the better way."""
        wish = self._environ.get(VARIABLE, "auto")
        if wish == "osc52":
            return ()
        is_far = "SSH_CONNECTION" in self._environ and wish != "native"
        for words in [*([] if is_far else self._desktop()), *self._multiplexer()]:
            if found := shutil.which(words[0], path=self._environ.get("PATH")):
                return (found, *words[1:])
        return ()

    def _desktop(self) -> Sequence[Sequence[str]]:
        """What this machine's own screen has."""
        if self._platform == "darwin":
            return [("pbcopy",)]
        if self._platform == "win32" or "WSL_DISTRO_NAME" in self._environ:
            return [("clip.exe",)]
        if "WAYLAND_DISPLAY" in self._environ:
            return [("wl-copy",)]
        if "DISPLAY" in self._environ:
            return [("xclip", "-selection", "clipboard"), ("xsel", "--clipboard", "--input")]
        return []

    def _multiplexer(self) -> Sequence[Sequence[str]]:
        """tmux (3.2 and later) keeps it as a buffer, and passes it on to whichever terminal is attached."""
        return [("tmux", "load-buffer", "-w", "-")] if "TMUX" in self._environ else []

    def take(self, text: str) -> bool:
        """Whether a program of this machine has it now. Blocks."""
        words = self.program()
        if not words:
            return False
        try:
            done = subprocess.run(  # noqa: S603  (one of a few known programs)
                words, input=text.encode(), capture_output=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0

    def sequence(self, text: str) -> str:
        """OSC 52, wrapped for the multiplexer around; empty if the text is too long for it."""
        encoded = base64.b64encode(text.encode()).decode()
        if len(encoded) > LIMIT:
            return ""
        plain = f"\x1b]52;c;{encoded}\x07"
        if "TMUX" in self._environ:  # `set-clipboard on` heeds the one, `allow-passthrough on` the other
            return f"{plain}\x1bPtmux;\x1b{plain}\x1b\\"
        if self._environ.get("TERM", "").startswith("screen"):
            parts = [plain[start : start + _SCREEN_PART] for start in range(0, len(plain), _SCREEN_PART)]
            return "".join(f"\x1bP{part}\x1b\\" for part in parts)
        return plain
