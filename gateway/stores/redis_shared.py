"""What gateway replicas share, through Redis: who is there, and which of their batches was heard. Decides nothing.

Each replica writes its own rows, in batches, and tells the others of them. Who missed a batch reads that replica's rows
again. While Redis is away everybody goes on with what it knows.
"""

import asyncio
import logging
import random
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.core.sharing import Apart, Quota, Spent, Table, Unreachable
from gateway.stores.redis_letters import PATIENCE, RedisLetters, channel_of
from gateway.stores.redis_quotas import PREFIX, RedisQuotas
from gateway.stores.redis_rows import MOST_ROWS, RedisRows
from gateway.stores.redis_seals import RedisSeals
from gateway.stores.redis_vault import RedisVault
from gateway.wire.prometheus import single

if TYPE_CHECKING:
    from redis.asyncio import Redis

TTL: Final = 10.0
PACE: Final = 1.0  # seconds between two batches, unless something is to be told at once
QUICK: Final = 0.5  # seconds that a call waits for its limits to be counted
_SLOWEST: Final = 5.0  # seconds between two tries to reach Redis
_ALL: Final = f"{PREFIX}:all"

log = logging.getLogger(__name__)

# KEYS: the replicas, then this one's rows. ARGV: its name, milliseconds. Returns how many of its tables are there.
_LIVE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local there = {}
for i = 2, #KEYS do there[i - 1] = redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
return there
"""


class _Batch(msgspec.Struct, array_like=True):
    """To all. number: one more each time. is_anew: read my rows again. is_last: I am gone."""

    replica: str
    number: int
    rows: dict[str, dict[str, bytes | None]]
    is_anew: bool = False
    is_last: bool = False


class RedisShared:
    """core.sharing.Shared, while it runs. losses, reconnects: since the start, for metrics. vault: for sign-ins."""

    def __init__(self, redis: "Redis", seals: RedisSeals, *, ttl: float = TTL) -> None:
        self.name = secrets.token_hex(8)
        self.trouble = "Redis was not reached yet"
        self.reconnects = 0
        self._redis, self._seals, self._ttl = redis, seals, ttl
        self._pace = min(PACE, ttl / 5)
        self._due, self._round_done = asyncio.Event(), asyncio.Condition()
        self._rows = RedisRows(self.name, redis, seals, ttl=ttl)
        self._letters = RedisLetters(self.name, redis, seals, self._due)
        self._quotas = RedisQuotas(redis, ttl=ttl)
        self.vault = RedisVault(redis, seals)
        self._live = redis.register_script(_LIVE)
        self._given: deque[str] = deque()
        self._rounds = 0
        self._number = 0  # of the last batch
        self._seen: dict[str, float] = {}  # replicas, and when they were heard of, on the loop's clock
        self._numbers: dict[str, int] = {}  # of the last batch of each
        self._strange = 0  # messages that could not be opened, or read

    @property
    def losses(self) -> int:
        """Messages that were dropped, or not understood."""
        return self._strange + self._rows.losses + self._letters.losses

    # core.sharing.Shared

    @property
    def others(self) -> list[str]:
        return sorted(self._seen)

    def join(self, kind: str, table: Table, *, lasts: bool = False) -> None:
        self._rows.join(kind, table, lasts=lasts)

    def stir(self, kind: str, name: str, *, at_once: bool = False) -> None:
        self._rows.stir(kind, name)
        if at_once:
            self._due.set()

    async def told(self) -> bool:
        if self.trouble:
            return False
        wanted = self._rounds + 2  # the one under way may have passed it by
        self._due.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE), self._round_done:
                while self._rounds < wanted and not self.trouble:
                    self._due.set()
                    await self._round_done.wait()
        return not self.trouble

    def listen(self, topic: str, heard: Callable[[bytes], None]) -> None:
        self._letters.listen(topic, heard)

    def tell(self, replica: str, topic: str, body: bytes) -> None:
        self._letters.tell(replica, topic, body)

    def serve(self, topic: str, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._letters.serve(topic, answer)

    async def ask(self, replica: str, topic: str, body: bytes) -> bytes:
        if self.trouble or replica not in self._seen:
            raise Unreachable(self.trouble or f"the gateway's replica {replica} is gone")
        return await self._letters.ask(replica, topic, body)

    async def take(self, lease: str, quotas: Sequence[Quota]) -> Spent | None:
        if self.trouble:
            raise Apart(self.trouble)
        try:
            async with asyncio.timeout(QUICK):
                return await self._quotas.take(lease, quotas)
        except _errors() as error:
            self.give(lease)
            raise Apart(f"Redis: {error!s}" if str(error) else f"Redis: {type(error).__name__}") from error

    def give(self, lease: str) -> None:
        self._given.append(lease)
        self._due.set()

    def renew(self, keys: Sequence[bytes]) -> None:
        """Keys were rotated."""
        self._seals.renew(keys)

    def metrics(self) -> Iterator[str]:
        """In Prometheus' text form."""
        yield from single("mcpdeck_redis_up", "gauge", "Whether Redis can be reached.", int(not self.trouble))
        yield from single("mcpdeck_replicas", "gauge", "Gateways that are heard of.", len(self._seen) + 1)
        yield from single("mcpdeck_redis_reconnects_total", "counter", "Times Redis came back.", self.reconnects)
        yield from single("mcpdeck_redis_lost_messages_total", "counter", "Messages dropped.", self.losses)

    # the two loops

    async def run(self) -> None:
        """Until cancelled: connected, or trying to be."""
        wait = self._pace / 5
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    self._letters.tasks = tasks
                    await self._connected(tasks)
            except* _errors() as group:
                before, self.trouble = self.trouble, f"Redis can't be reached: {_first(group)}"
                if not before:
                    wait = self._pace / 5
                if before != self.trouble:
                    log.warning("Redis is away, replicas do not hear of each other: %s", _first(group))
            except* Exception:  # clients are served all the same
                log.exception("what replicas share broke off; it begins anew")
                self.trouble = "what replicas share broke off; see the gateway's log"
            async with self._round_done:
                self._round_done.notify_all()
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - only spreads replicas
            wait = min(_SLOWEST, wait * 2)

    async def _connected(self, tasks: asyncio.TaskGroup) -> None:
        async with self._redis.pubsub() as pubsub:
            await self._subscribe(pubsub)
            await self._write_anew()
            now = asyncio.get_running_loop().time()
            self._seen = dict.fromkeys(self._seen, now)  # who is not heard of within a TTL is gone
            for replica in await self._alive():
                await self._read_anew(replica)
            await self._rows.read_lasting()
            if self.trouble:
                self.reconnects += not self.trouble.endswith("yet")
                log.info("Redis is reached; this is replica %s of %d", self.name, len(self._seen) + 1)
            self.trouble = ""
            tasks.create_task(self._keep_telling(), name="redis: tell the others")
            heard_at = asyncio.get_running_loop().time()
            while True:
                message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=self._ttl / 2)
                now = asyncio.get_running_loop().time()
                if message is not None:
                    heard_at = now
                    await self._take_in(message["channel"], message["data"])
                elif now - heard_at >= self._ttl:  # one's own batches come back: the connection hangs
                    raise TimeoutError(f"nothing was heard for {self._ttl:.0f} s")

    async def _subscribe(self, pubsub: Any) -> None:
        """What is told once this returns is heard."""
        wanted = {_ALL, channel_of(self.name)}
        await pubsub.subscribe(*wanted)
        async with asyncio.timeout(self._ttl):
            while wanted:
                message = await pubsub.get_message(timeout=self._ttl)
                if message is not None:  # others' words: their rows are read in a moment
                    wanted.discard(message["channel"].decode() if message["type"] == "subscribe" else "")

    async def _keep_telling(self) -> None:
        loop = asyncio.get_running_loop()
        next_life = 0.0
        next_rows = 0.0
        while True:
            is_urgent = self._due.is_set()
            self._due.clear()
            if is_urgent or loop.time() >= next_rows or self._letters.are_waiting:
                async with asyncio.timeout(self._ttl):
                    await self._tell_round(is_life_due=loop.time() >= next_life)
                next_rows = loop.time() + self._pace
                if loop.time() >= next_life:
                    next_life = loop.time() + self._pace
                self._forget_silent(loop.time())
            self._rounds += 1
            async with self._round_done:
                self._round_done.notify_all()
            if not self._due.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, next_rows - loop.time())):
                        await self._due.wait()

    async def _tell_round(self, *, is_life_due: bool) -> None:
        """What was given back first, since others wait for it; then letters, then rows."""
        await self._give_back()
        await self._letters.post()
        if self._rows.stirred or is_life_due:
            await self._publish_rows()
        if self._rows.stirred >= MOST_ROWS:
            self._due.set()
        if is_life_due:
            await self._quotas.hold()
            if not all(await self._say_alive()):
                await self._write_anew()

    async def _say_alive(self) -> list[Any]:
        """And that its rows stay. Whether each table of them is there still."""
        keys = [f"{PREFIX}:replicas", *self._rows.keys()]
        there: list[Any] = await self._live(keys=keys, args=[self.name, int(self._ttl * 1000)])
        return there

    async def _give_back(self) -> None:
        if not self._given:
            return
        pipe = self._redis.pipeline(transaction=False)
        while self._given:
            lease = self._given.popleft()
            for key in self._quotas.given(lease):
                pipe.zrem(key, lease)
        await pipe.execute()

    async def _publish_rows(self) -> None:
        with self._rows.taken() as rows:
            pipe = self._redis.pipeline(transaction=False)
            self._rows.keep(pipe, rows)
            pipe.publish(_ALL, self._sealed(_Batch(self.name, self._number + 1, rows)))
            await pipe.execute()
        self._number += 1

    async def _write_anew(self) -> None:
        await self._rows.write_anew()
        self._number += 1
        await self._say_alive()
        await self._redis.publish(_ALL, self._sealed(_Batch(self.name, self._number, {}, is_anew=True)))

    def _sealed(self, batch: _Batch) -> bytes:
        return self._seals.seal(msgspec.msgpack.encode(batch), _ALL)

    # what others say

    async def _take_in(self, channel: bytes, sealed: bytes) -> None:
        plain = self._seals.open(sealed, channel.decode())
        try:
            if plain is None:  # of a gateway with other keys
                self._strange += 1
            elif channel.decode() == _ALL:
                await self._heard_batch(msgspec.msgpack.decode(plain, type=_Batch))
            else:
                self._letters.heard(plain)
        except msgspec.MsgspecError as error:  # of a gateway of another version
            self._strange += 1
            log.warning("what another replica says is not understood: %s", error)

    async def _heard_batch(self, batch: _Batch) -> None:
        replica = batch.replica
        if replica == self.name:
            return
        if batch.is_last:
            self._lose(replica)
            return
        missed = self._numbers.get(replica) != batch.number - 1
        self._seen[replica] = asyncio.get_running_loop().time()
        if missed or batch.is_anew:
            await self._read_anew(replica)
            await self._rows.read_lasting()
        self._numbers[replica] = batch.number
        self._rows.heard(replica, batch.rows)

    async def _alive(self) -> list[str]:
        names: Any = await self._redis.zrange(f"{PREFIX}:replicas", 0, -1)
        return [name for each in names if (name := each.decode(errors="replace")) != self.name]

    async def _read_anew(self, replica: str) -> None:
        await self._rows.read_anew(replica)
        self._seen[replica] = asyncio.get_running_loop().time()

    def _forget_silent(self, now: float) -> None:
        for replica in [each for each, at in self._seen.items() if now - at > self._ttl]:
            log.warning("replica %s is not heard of any more", replica)
            self._lose(replica)

    def _lose(self, replica: str) -> None:
        self._seen.pop(replica, None)
        self._numbers.pop(replica, None)
        self._rows.lost(replica)

    async def leave(self) -> None:
        """Tell the others, so that they need not wait; where that can't be told, they do."""
        with suppress(*_errors()):
            async with asyncio.timeout(QUICK):
                await self._give_back()
                await self._redis.zrem(f"{PREFIX}:replicas", self.name)
                if keys := self._rows.keys():
                    await self._redis.delete(*keys)
                await self._redis.publish(_ALL, self._sealed(_Batch(self.name, self._number + 1, {}, is_last=True)))


@asynccontextmanager
async def open_redis(url: str, keys: Sequence[bytes], *, ttl: float = TTL) -> AsyncIterator[RedisShared]:
    """keys: those that seal session ids. Redis need not be there yet. Raises ValueError on a URL that is none.

    What it yields is to `run` once all tables have joined, and runs no more when this is left.
    """
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    wait = min(2.0, ttl)
    no_retry = Retry(NoBackoff(), 0)
    redis = Redis.from_url(url, socket_connect_timeout=wait, socket_timeout=ttl, retry=no_retry, client_name="mcpdeck")
    shared = RedisShared(redis, RedisSeals(keys), ttl=ttl)
    async with redis:
        try:
            yield shared
        finally:
            await shared.leave()


def _errors() -> tuple[type[Exception], ...]:
    from redis.exceptions import RedisError

    return RedisError, OSError, TimeoutError


def _first(group: BaseExceptionGroup[Exception]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
