"""Keys that replicas share, while they are exchanged: a new one is known at once, used once all know it. Makes none."""

import time
from collections.abc import Callable, Sequence
from typing import Final

RIPENS: Final = 120.0  # seconds until every replica has read a new key: mounted secrets take a minute and more


class Rotating[Key]:
    """shared: the secrets, that to be used first. derive: a key of each.

    clock: one that nobody sets: what a key that ripens too soon is used for, other replicas refuse.
    """

    def __init__(
        self, shared: Sequence[bytes], derive: Callable[[bytes], Key], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._derive, self._clock = derive, clock
        self._keys = {each: derive(each) for each in shared}
        self.known = tuple(self._keys.values())
        self._using, self._ripe_at = shared[0], float("-inf")

    @property
    def current(self) -> Key:
        """To sign or seal with."""
        keys, secret = self._keys, self._secret()
        return keys[secret] if secret in keys else next(iter(keys.values()))  # elsewhere a thread may be renewing them

    def renew(self, shared: Sequence[bytes]) -> None:
        """Until the first of them is ripe, one goes on that was there before; where there is none, it is ripe now."""
        before = self._keys
        there = (each for each in (self._secret(), *shared) if each in before and each in shared)
        self._using = next(there, shared[0])
        if shared[0] not in before:
            self._ripe_at = self._clock() + RIPENS
        self._keys = {each: before[each] if each in before else self._derive(each) for each in shared}
        self.known = tuple(self._keys.values())

    def _secret(self) -> bytes:
        return next(iter(self._keys)) if self._clock() >= self._ripe_at else self._using
