"""Limits that hold for all replicas together: counted in Redis, all of a call's at once. Falls back on nothing itself.

A rate is a bucket that fills evenly. What runs at once is a set of leases that end by themselves: a replica that is
killed gives back what it held.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from gateway.core.sharing import Quota, Spent

if TYPE_CHECKING:
    from redis.asyncio import Redis

PREFIX: Final = "mcpdeck"

# KEYS: a bucket and a set of leases for each quota. ARGV: the lease, its milliseconds, then rate and number of each.
_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local filled = {}
for i = 1, #KEYS / 2 do
  local rate, most = tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
  if most > 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[2 * i], '-inf', now)
    if redis.call('ZCARD', KEYS[2 * i]) >= most then return {i, 1000} end
  end
  if rate > 0 then
    local kept = redis.call('HMGET', KEYS[2 * i - 1], 'tokens', 'at')
    local tokens = rate
    if kept[1] then tokens = math.min(rate, tonumber(kept[1]) + (now - tonumber(kept[2])) * rate / 60000) end
    if tokens < 1 then return {i, math.ceil((1 - tokens) * 60000 / rate)} end
    filled[i] = tokens - 1
  end
end
for i = 1, #KEYS / 2 do
  if tonumber(ARGV[2 + 2 * i]) > 0 then
    redis.call('ZADD', KEYS[2 * i], now + ARGV[2], ARGV[1])
    redis.call('PEXPIRE', KEYS[2 * i], ARGV[2] * 2)
  end
  if filled[i] then
    redis.call('HSET', KEYS[2 * i - 1], 'tokens', tostring(filled[i]), 'at', tostring(now))
    redis.call('PEXPIRE', KEYS[2 * i - 1], 61000)
  end
end
return {0, 0}
"""

# KEYS: sets of leases. ARGV: milliseconds, then the lease that each of them is to hold on to.
_HOLD: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 1, #KEYS do
  redis.call('ZADD', KEYS[i], now + ARGV[1], ARGV[1 + i])
  redis.call('PEXPIRE', KEYS[i], ARGV[1] * 2)
end
"""
_AT_ONCE: Final = 500  # leases held on to by one call of the script: others wait while it runs


class RedisQuotas:
    """ttl: seconds that a lease lasts unless it is held on to."""

    def __init__(self, redis: "Redis", *, ttl: float) -> None:
        self._redis = redis
        self._milliseconds = int(ttl * 1000)
        self._take, self._hold = redis.register_script(_TAKE), redis.register_script(_HOLD)
        self._held: dict[str, list[str]] = {}  # leases, and the sets that they are in

    async def take(self, lease: str, quotas: Sequence[Quota]) -> Spent | None:
        names = [_digest(quota.key) for quota in quotas]
        keys = [key for name in names for key in (f"{PREFIX}:rate:{name}", f"{PREFIX}:running:{name}")]
        numbers = [number for quota in quotas for number in (quota.per_minute, quota.concurrent)]
        # before it is asked: where the answer is lost, what it may have taken is given back
        self._held[lease] = [key for key, quota in zip(keys[1::2], quotas, strict=True) if quota.concurrent]
        found: Any = await self._take(keys=keys, args=[lease, self._milliseconds, *numbers])
        if not found[0]:
            return None
        del self._held[lease]
        return Spent(int(found[0]) - 1, int(found[1]) / 1000)

    def given(self, lease: str) -> list[str]:
        """The sets that a lease is to be taken from."""
        return self._held.pop(lease, [])

    async def hold(self) -> None:
        """What runs still runs: to be called several times within a lease's time."""
        pairs = [(key, lease) for lease, keys in self._held.items() for key in keys]
        for part in _parts(pairs):
            await self._hold(keys=[key for key, _ in part], args=[self._milliseconds, *(lease for _, lease in part)])


def _parts(pairs: list[tuple[str, str]]) -> Iterable[list[tuple[str, str]]]:
    return (pairs[start : start + _AT_ONCE] for start in range(0, len(pairs), _AT_ONCE))


def _digest(key: str) -> str:
    """Redis is not told who calls what."""
    return hashlib.blake2s(key.encode(errors="surrogatepass"), digest_size=16).hexdigest()
