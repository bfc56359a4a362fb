"""Things that serve once and not for long: what waits between two steps of a sign-in. In this process only."""

import secrets
import time
from collections.abc import Callable
from typing import Final

LIFETIME: Final = 600.0  # seconds; the security practices allow ten minutes for state
MAX_WAITING: Final = 10_000


class Once[Value]:
    """Values behind unguessable handles. A full one forgets the oldest: a flood costs sign-ins, not memory."""

    def __init__(self, lifetime: float = LIFETIME, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._lifetime = lifetime
        self._clock = clock
        self._waiting: dict[str, tuple[Value, float]] = {}

    def put(self, value: Value) -> str:
        """256 bits, URL-safe."""
        while len(self._waiting) >= MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        handle = secrets.token_urlsafe(32)
        self._waiting[handle] = (value, self._clock() + self._lifetime)
        return handle

    def take(self, handle: str) -> Value | None:
        """Whatever comes of it, it is gone then."""
        value, expires_at = self._waiting.pop(handle, (None, 0.0))
        return value if expires_at > self._clock() else None
