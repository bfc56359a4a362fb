"""core.sharing.Vault in Redis: what a sign-in leaves for its next step, for every replica. Decides nothing.

What is there is sealed for its place, and its place is a digest: who reads Redis learns how many sign in, who writes
there can take away or put back, and forge nothing. Everything ends by itself.
"""

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from gateway.core.sharing import Apart, Shelf
from gateway.stores.redis_quotas import PREFIX
from gateway.stores.redis_seals import RedisSeals

if TYPE_CHECKING:
    from redis.asyncio import Redis

PATIENCE: Final = 2.0  # seconds that a step of a sign-in waits for Redis
_WORD: Final = 32  # bytes before what is sealed: the digest of the word that `turn` asks for

# KEYS: the place, the shelf's list. ARGV: what to put there, milliseconds, how many may be there.
_PUT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], now + ARGV[2], KEYS[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local over = redis.call('ZCARD', KEYS[2]) - ARGV[3]
if over > 0 then
  local oldest = redis.call('ZPOPMIN', KEYS[2], over)
  for i = 1, #oldest, 2 do redis.call('DEL', oldest[i]) end
end
"""

# KEYS: the place, the shelf's list. Whether it was there: one alone is told so.
_TAKE: Final = """
redis.call('ZREM', KEYS[2], KEYS[1])
return redis.call('DEL', KEYS[1])
"""

# KEYS: as before. ARGV: the word's digest, what to put there. Whether the word was right.
_TURN: Final = """
local kept = redis.call('GET', KEYS[1])
if not kept then return 0 end
if string.sub(kept, 1, 32) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
  return 1
end
redis.call('ZREM', KEYS[2], KEYS[1])
redis.call('DEL', KEYS[1])
return 0
"""


class RedisVault:
    """seals: with keys that all replicas have."""

    def __init__(self, redis: "Redis", seals: RedisSeals) -> None:
        self._redis, self._seals = redis, seals
        self._put, self._take, self._turn = (redis.register_script(each) for each in (_PUT, _TAKE, _TURN))

    async def put(self, shelf: Shelf, name: str, value: bytes, *, word: str = "") -> None:
        place = _place(shelf, name)
        args: list[bytes | int] = [self._seal(value, place, word), int(shelf.seconds * 1000), shelf.most]
        await _reached(lambda: self._put(keys=[place, _listed(shelf)], args=args), tries=2)

    async def find(self, shelf: Shelf, name: str) -> bytes | None:
        place = _place(shelf, name)
        found = await _reached(lambda: self._redis.get(place), tries=2)
        return None if found is None else self._open(found, place)

    async def take(self, shelf: Shelf, name: str) -> bytes | None:
        found = await self.find(shelf, name)  # opened before it is gone: a replica with other keys must not lose it
        if found is None:
            return None
        keys = [_place(shelf, name), _listed(shelf)]
        return found if await _reached(lambda: self._take(keys=keys)) else None

    async def turn(self, shelf: Shelf, name: str, *, word: str, then: str, value: bytes | None = None) -> bytes | None:
        found = await self.find(shelf, name)
        if found is None:
            return None
        place, value = _place(shelf, name), found if value is None else value
        args = [_digest(word), self._seal(value, place, then)]
        return value if await _reached(lambda: self._turn(keys=[place, _listed(shelf)], args=args)) else None

    def _seal(self, value: bytes, place: str, word: str) -> bytes:
        """It opens there alone, and behind that word's digest."""
        digest = _digest(word)
        return digest + self._seals.seal(value, f"{place} {digest.hex()}")

    def _open(self, told: bytes, place: str) -> bytes:
        opened = self._seals.open(told[_WORD:], f"{place} {told[:_WORD].hex()}")
        if opened is None:
            raise Apart("what is in Redis was sealed with keys that this replica has not: all need the same seal.keys")
        return opened


async def _reached(ask: Callable[[], Any], *, tries: int = 1) -> Any:
    """tries: more than one only of what may be done twice. A connection that rested may have died meanwhile."""
    from redis.exceptions import ConnectionError as BrokenOff
    from redis.exceptions import RedisError

    try:
        async with asyncio.timeout(PATIENCE):
            for _ in range(tries - 1):
                with suppress(BrokenOff):
                    return await ask()
            return await ask()
    except (RedisError, OSError) as error:  # TimeoutError is one
        raise Apart(f"Redis: {error!s}" if str(error) else f"Redis: {type(error).__name__}") from error


def _listed(shelf: Shelf) -> str:
    return f"{PREFIX}:vault:{shelf.name}"


def _place(shelf: Shelf, name: str) -> str:
    return f"{PREFIX}:vault:{shelf.name}:{_digest(name).hex()}"


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
