"""The terminal: a dashboard, the same verbs as commands, and what connects clients to a gateway."""

import sys
from typing import Final

VERSION: Final = "0.1.0"  # as in pyproject.toml; reading it from the installed metadata takes longer than a command

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # httpx's own command line, two thirds of its import
