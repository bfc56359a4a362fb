"""What is otherwise for a deck in a browser tab, and why, in words. Draws and serves nothing."""

import os
from typing import Final

from mcpdeck.serve.packets import DRIVER

NO_EDITOR: Final = (
    "in a browser there is no terminal to hand over to an editor; `mcpdeck adapters edit NAME` opens one in a terminal"
)
NO_KEYRING: Final = (
    "in a browser the keyring is left alone, as it is that of the machine which serves the deck: "
    "this sign-in lasts as long as the tab, and is written nowhere"
)


def is_tab() -> bool:
    """Whether this process draws for a browser tab."""
    return os.environ.get("TEXTUAL_DRIVER") == DRIVER
