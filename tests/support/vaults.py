"""Vaults for tests: of one process, of two replicas on one Redis, one that notes what is put, and one out of reach."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.auth.front.memory import MemoryVault
from gateway.core.sharing import Apart, Shelf, Vault
from gateway.stores.redis_seals import RedisSeals
from gateway.stores.redis_vault import RedisVault
from tests.support.redis import RedisServer

KEYS = (b"k" * 32,)


@asynccontextmanager
async def redis_vault(server: RedisServer, keys: Sequence[bytes] = KEYS) -> AsyncIterator[RedisVault]:
    """One replica's."""
    async with Redis.from_url(server.url, retry=Retry(NoBackoff(), 0)) as redis:
        yield RedisVault(redis, RedisSeals(keys))


@asynccontextmanager
async def vaults(kind: str) -> AsyncIterator[tuple[Vault, Vault]]:
    """As two replicas have them: `redis`; or `memory`: one process, twice."""
    async with AsyncExitStack() as stack:
        if kind == "memory":
            vault = MemoryVault()
            yield vault, vault
        else:
            server = RedisServer()
            await stack.enter_async_context(server.running())
            one = await stack.enter_async_context(redis_vault(server))
            two = await stack.enter_async_context(redis_vault(server))
            yield one, two


class _Passing:
    """Passes everything on to another one."""

    def __init__(self, vault: Vault) -> None:
        self._there = vault

    @property
    def _vault(self) -> Vault:
        return self._there

    async def put(self, shelf: Shelf, name: str, value: bytes, *, word: str = "") -> None:
        await self._vault.put(shelf, name, value, word=word)

    async def find(self, shelf: Shelf, name: str) -> bytes | None:
        return await self._vault.find(shelf, name)

    async def take(self, shelf: Shelf, name: str) -> bytes | None:
        return await self._vault.take(shelf, name)

    async def turn(self, shelf: Shelf, name: str, *, word: str, then: str, value: bytes | None = None) -> bytes | None:
        return await self._vault.turn(shelf, name, word=word, then=then, value=value)


class Noting(_Passing):
    """Puts into another one. shelves: on which something was put, in order."""

    def __init__(self, vault: Vault) -> None:
        super().__init__(vault)
        self.shelves: list[str] = []

    async def put(self, shelf: Shelf, name: str, value: bytes, *, word: str = "") -> None:
        self.shelves.append(shelf.name)
        await super().put(shelf, name, value, word=word)


class Away(_Passing):
    """Like another one, while that is not `away`."""

    away = False

    @property
    def _vault(self) -> Vault:
        if self.away:
            raise Apart("Redis: nobody answers")
        return self._there
