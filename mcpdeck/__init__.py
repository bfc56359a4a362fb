"""The terminal: a dashboard, the same verbs as commands, and what connects clients to a gateway."""

import sys

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # httpx's own command line, two thirds of its import
