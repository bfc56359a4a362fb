"""Tables that replicas mirror, as rows in Redis: each replica's own, and what it reads of others'. Tells nobody.

All that a replica wrote ends by itself unless it says that it lives; rows of tables that last belong to nobody.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.core.sharing import NOBODY, Table
from gateway.stores.redis_quotas import PREFIX
from gateway.stores.redis_seals import RedisSeals

if TYPE_CHECKING:
    from redis.asyncio import Redis

MOST_ROWS: Final = 5000  # rows in one batch
LASTS: Final = 48 * 3600  # seconds

log = logging.getLogger(__name__)

type Changed = dict[str, dict[str, bytes | None]]  # rows by kind and name


class RedisRows:
    """own: this replica's name. ttl: seconds that its rows stay. losses: rows that were not understood."""

    def __init__(self, own: str, redis: "Redis", seals: RedisSeals, *, ttl: float) -> None:
        self.losses = 0
        self._own, self._redis, self._seals, self._ttl = own, redis, seals, ttl
        self._tables: dict[str, Table] = {}
        self._lasting: set[str] = set()
        self._stirred: dict[tuple[str, str], None] = {}
        self._put: set[str] = set()  # tables of which Redis has rows of ours

    def join(self, kind: str, table: Table, *, lasts: bool) -> None:
        self._tables[kind] = table
        if lasts:
            self._lasting.add(kind)

    def stir(self, kind: str, name: str) -> None:
        self._stirred[kind, name] = None

    @property
    def stirred(self) -> int:
        """How many rows are to be told of."""
        return len(self._stirred)

    @contextmanager
    def taken(self) -> Iterator[Changed]:
        """What is to be told, as it is now and up to MOST_ROWS; it is to be told again where that does not succeed."""
        stirred = list(self._stirred)[:MOST_ROWS]
        changed: Changed = {}
        for kind, name in stirred:
            del self._stirred[kind, name]  # what changes from here on is stirred again
            changed.setdefault(kind, {})[name] = self._tables[kind].row(name)
        try:
            yield changed
        except BaseException:
            self._stirred |= dict.fromkeys(stirred)
            raise

    def keep(self, pipe: Any, changed: Changed) -> None:
        """In Redis, when the pipe is executed."""
        for kind, rows in changed.items():
            key = _key(self._owner(kind, self._own), kind)
            put = {name: value for name, value in rows.items() if value is not None}
            there = {name: self._seals.seal(value, f"{key} {name}") for name, value in put.items()}
            gone = rows.keys() - put.keys()
            if there:
                pipe.hset(key, mapping=there)
                if kind in self._lasting:
                    pipe.expire(key, LASTS)
                else:
                    pipe.pexpire(key, int(self._ttl * 1000))
                    self._put.add(kind)
            if gone:
                pipe.hdel(key, *gone)

    async def write_anew(self) -> None:
        """All rows of one's own, where Redis may have none or old ones."""
        for kind, table in self._tables.items():
            if kind not in self._lasting:
                await self._redis.delete(_key(self._own, kind))
            names = list(table.rows())
            for start in range(0, len(names), MOST_ROWS):
                pipe = self._redis.pipeline(transaction=False)
                self.keep(pipe, {kind: {name: table.row(name) for name in names[start : start + MOST_ROWS]}})
                await pipe.execute()
        self._put = {kind for kind in self._put if any(True for _ in self._tables[kind].rows())}

    def keys(self) -> list[str]:
        """Where Redis has rows of this replica's, which end with it."""
        return [_key(self._own, kind) for kind in sorted(self._put)]

    # of others

    async def read_anew(self, replica: str) -> None:
        for kind in self._tables.keys() - self._lasting:
            found = await self._read(replica, kind)
            # No await from here on: nobody is to see less than there is.
            self._tables[kind].lost(replica)
            self._hear(kind, replica, found)

    async def read_lasting(self) -> None:
        for kind in self._lasting:
            self._hear(kind, NOBODY, await self._read(NOBODY, kind))

    def heard(self, replica: str, changed: Changed) -> None:
        for kind, rows in changed.items():
            if kind in self._tables:
                self._hear(kind, self._owner(kind, replica), rows)

    def lost(self, replica: str) -> None:
        for kind, table in self._tables.items():
            if kind not in self._lasting:
                table.lost(replica)

    def _hear(self, kind: str, owner: str, rows: Mapping[str, bytes | None]) -> None:
        for name, value in rows.items():
            try:
                self._tables[kind].heard(owner, name, value)
            except msgspec.MsgspecError as error:  # of a gateway of another version
                self.losses += 1
                log.warning("a row of %s of another replica is not understood: %s", kind, error)

    async def _read(self, owner: str, kind: str) -> dict[str, bytes]:
        key, found = _key(owner, kind), {}
        async for name, sealed in self._redis.hscan_iter(key, count=1000):
            text = name.decode(errors="replace")
            value = self._seals.open(sealed, f"{key} {text}")
            if value is not None:
                found[text] = value
        return found

    def _owner(self, kind: str, replica: str) -> str:
        return NOBODY if kind in self._lasting else replica


def _key(owner: str, kind: str) -> str:
    return f"{PREFIX}:rows:{owner}:{kind}"
