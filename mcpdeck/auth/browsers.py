"""Whether a browser would open in a window of its own, and where one signs in by default. Opens none."""

import os
import subprocess
import webbrowser
from pathlib import PurePath
from typing import Final

from mcpdeck.auth.account import Method

# They draw in the terminal that they are started from, which is the deck's.
TEXT_BROWSERS: Final = frozenset(
    {"www-browser", "lynx", "links", "links2", "elinks", "w3m", "edbrowse", "browsh", "carbonyl"}
)


class QuietBrowser(webbrowser.BaseBrowser):
    """A command of $BROWSER that says nothing into the terminal and is not waited for."""

    def __init__(self, command: str, arguments: list[str]) -> None:
        super().__init__(command)
        self._arguments = arguments
        self.started: subprocess.Popen[bytes] | None = None

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:  # noqa: ARG002  (as webbrowser calls it)
        nowhere = subprocess.DEVNULL
        try:
            self.started = subprocess.Popen(  # noqa: S603  (what the reader's own environment names, without a shell)
                [self.name, *(each.replace("%s", url) for each in self._arguments)],
                stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True,
            )  # fmt: skip
        except OSError:
            return False
        return True


def opens_window() -> bool:
    """Whether `webbrowser`, which MSAL and azure-identity use, would open one that leaves this terminal alone."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return False
    return PurePath(getattr(found, "name", "")).name not in TEXT_BROWSERS


def hush() -> None:
    """Start the command of $BROWSER quietly. webbrowser lets it write over whatever the terminal shows."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return
    if isinstance(found, webbrowser.GenericBrowser) and opens_window():
        quiet = QuietBrowser(found.name, list(found.args))
        webbrowser.register(QuietBrowser.__name__, None, quiet, preferred=True)


def usual_method() -> Method:
    """A browser where one opens in front of the person who asks; a code to type elsewhere where it does not."""
    is_far = "SSH_CONNECTION" in os.environ and "DISPLAY" not in os.environ
    return Method.BROWSER if opens_window() and not is_far else Method.DEVICE_CODE
