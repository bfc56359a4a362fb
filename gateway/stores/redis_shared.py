"""What gateway replicas share, through Redis: tables that each of them mirrors, messages, limits. Decides nothing.

Each replica writes its own rows, in batches, and tells the others of them; all that it wrote ends by itself unless it
says that it lives. Who missed something reads that replica's rows again. While Redis is away everybody goes on with
what it knows.
"""

import asyncio
import logging
import random
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.core.errors import GatewayError
from gateway.core.sharing import NOBODY, Apart, Quota, Reply, Spent, Table, Unreachable, reply_of
from gateway.stores.redis_quotas import PREFIX, RedisQuotas
from gateway.stores.redis_seals import RedisSeals
from gateway.stores.redis_vault import RedisVault
from gateway.wire.prometheus import single

if TYPE_CHECKING:
    from redis.asyncio import Redis

TTL: Final = 10.0
PACE: Final = 1.0  # seconds between two batches, unless something is to be told at once
PATIENCE: Final = 5.0  # seconds for another replica's answer
QUICK: Final = 0.5  # seconds that a call waits for its limits to be counted
MOST_ROWS: Final = 5000  # rows in one batch
MOST_MESSAGES: Final = 2000  # that wait to be told
LASTS: Final = 48 * 3600  # seconds
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


class _Letter(msgspec.Struct, array_like=True):
    """To one. number: of a question, which its reply repeats; 0 where none is wanted."""

    sender: str
    topic: str
    body: bytes
    number: int = 0
    is_reply: bool = False


class RedisShared:
    """core.sharing.Shared, while it runs. losses, reconnects: since the start, for metrics. vault: for sign-ins."""

    def __init__(self, redis: "Redis", seals: RedisSeals, *, ttl: float = TTL) -> None:
        self.name = secrets.token_hex(8)
        self.trouble = "Redis was not reached yet"
        self.losses = self.reconnects = 0
        self._redis, self._seals, self._ttl = redis, seals, ttl
        self._pace = min(PACE, ttl / 5)
        self._quotas = RedisQuotas(redis, ttl=ttl)
        self.vault = RedisVault(redis, seals)
        self._live = redis.register_script(_LIVE)
        self._tables: dict[str, Table] = {}
        self._lasting: set[str] = set()
        self._stirred: dict[tuple[str, str], None] = {}
        self._put: set[str] = set()  # tables of which Redis has rows of ours
        self._letters: deque[tuple[str, bytes]] = deque()
        self._given: deque[str] = deque()
        self._due, self._round_done = asyncio.Event(), asyncio.Condition()
        self._rounds = 0
        self._number = 0
        self._seen: dict[str, float] = {}  # replicas, and when they were heard of, on the loop's clock
        self._numbers: dict[str, int] = {}  # of the last batch of each
        self._listening: dict[str, Callable[[bytes], None]] = {}
        self._serving: dict[str, Callable[[bytes], Awaitable[bytes]]] = {}
        self._asked: dict[int, asyncio.Future[Reply]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    # core.sharing.Shared

    @property
    def others(self) -> list[str]:
        return sorted(self._seen)

    def join(self, kind: str, table: Table, *, lasts: bool = False) -> None:
        self._tables[kind] = table
        if lasts:
            self._lasting.add(kind)

    def stir(self, kind: str, name: str, *, at_once: bool = False) -> None:
        self._stirred[kind, name] = None
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
        self._listening[topic] = heard

    def tell(self, replica: str, topic: str, body: bytes) -> None:
        self._send(replica, _Letter(self.name, topic, body))

    def serve(self, topic: str, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._serving[topic] = answer

    async def ask(self, replica: str, topic: str, body: bytes) -> bytes:
        if self.trouble or replica not in self._seen:
            raise Unreachable(self.trouble or f"the gateway's replica {replica} is gone")
        number = secrets.randbits(62) + 1
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        self._send(replica, _Letter(self.name, topic, body, number))
        try:
            async with asyncio.timeout(PATIENCE):
                reply = await future
            return reply.opened()
        except TimeoutError:
            raise Unreachable(f"the gateway's replica {replica} did not answer in {PATIENCE:.0f} s") from None
        finally:
            del self._asked[number]

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
        """Keys were rotated. A replica that does not know the new one yet hears of nobody until it does."""
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
                    self._tasks = tasks
                    await self._connected(tasks)
            except* _errors() as group:
                reason = _first(group)
                if not self.trouble:
                    wait = self._pace / 5
                    log.warning("Redis is away, replicas do not hear of each other: %s", reason)
                self.trouble = f"Redis can't be reached: {reason}"
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
            await self._read_lasting()
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
        wanted = {_ALL, _to(self.name)}
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
            if is_urgent or loop.time() >= next_rows or self._letters:
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
        await self._post()
        stirred = list(self._stirred)[:MOST_ROWS]
        if stirred or is_life_due:
            await self._publish_rows(stirred)
        if len(self._stirred) >= MOST_ROWS:
            self._due.set()
        if is_life_due:
            await self._quotas.hold()
            kinds = sorted(self._put)
            keys = [_rows(self.name, kind) for kind in kinds]
            there: Any = await self._live(keys=[f"{PREFIX}:replicas", *keys], args=[self.name, int(self._ttl * 1000)])
            if not all(there):
                await self._write_anew()

    async def _give_back(self) -> None:
        if not self._given:
            return
        pipe = self._redis.pipeline(transaction=False)
        while self._given:
            lease = self._given.popleft()
            for key in self._quotas.given(lease):
                pipe.zrem(key, lease)
        await pipe.execute()

    async def _post(self) -> None:
        if not self._letters:
            return
        pipe = self._redis.pipeline(transaction=False)
        while self._letters:
            pipe.publish(*self._letters.popleft())
        await pipe.execute()

    async def _publish_rows(self, stirred: Sequence[tuple[str, str]]) -> None:
        for each in stirred:
            self._stirred.pop(each, None)  # what changes from here on is stirred again
        batch = _Batch(self.name, self._number + 1, {})
        for kind, name in stirred:
            batch.rows.setdefault(kind, {})[name] = self._tables[kind].row(name)
        pipe = self._redis.pipeline(transaction=False)
        self._keep(pipe, batch.rows)
        pipe.publish(_ALL, self._seals.seal(_encode(batch), _ALL))
        try:
            await pipe.execute()
        except BaseException:
            self._stirred |= dict.fromkeys(stirred)
            raise
        self._number += 1

    def _keep(self, pipe: Any, rows: dict[str, dict[str, bytes | None]]) -> None:
        for kind, changed in rows.items():
            key = _rows(self._owner(kind), kind)
            there = {
                name: self._seals.seal(value, f"{key} {name}") for name, value in changed.items() if value is not None
            }
            gone = [name for name, value in changed.items() if value is None]
            if there:
                pipe.hset(key, mapping=there)
                if kind in self._lasting:
                    pipe.expire(key, LASTS)
                else:
                    pipe.pexpire(key, int(self._ttl * 1000))
                    self._put.add(kind)
            if gone:
                pipe.hdel(key, *gone)

    async def _write_anew(self) -> None:
        """All rows of one's own, where Redis may have none or old ones."""
        for kind, table in self._tables.items():
            if kind not in self._lasting:
                await self._redis.delete(_rows(self.name, kind))
            names = list(table.rows())
            for start in range(0, len(names), MOST_ROWS):
                pipe = self._redis.pipeline(transaction=False)
                self._keep(pipe, {kind: {name: table.row(name) for name in names[start : start + MOST_ROWS]}})
                await pipe.execute()
        self._put = {kind for kind in self._put if any(True for _ in self._tables[kind].rows())}
        self._number += 1
        batch = _Batch(self.name, self._number, {}, is_anew=True)
        await self._live(keys=[f"{PREFIX}:replicas"], args=[self.name, int(self._ttl * 1000)])
        await self._redis.publish(_ALL, self._seals.seal(_encode(batch), _ALL))

    # what others say

    async def _take_in(self, channel: bytes, sealed: bytes) -> None:
        plain = self._seals.open(sealed, channel.decode())
        try:
            if plain is None:  # of a gateway with other keys
                self.losses += 1
            elif channel.decode() == _ALL:
                await self._heard_batch(msgspec.msgpack.decode(plain, type=_Batch))
            else:
                self._heard_letter(msgspec.msgpack.decode(plain, type=_Letter))
        except msgspec.MsgspecError as error:  # of a gateway of another version
            self.losses += 1
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
            await self._read_lasting()
        self._numbers[replica] = batch.number
        for kind, rows in batch.rows.items():
            if kind in self._tables:
                owner = NOBODY if kind in self._lasting else replica
                self._hear(kind, owner, rows)

    def _heard_letter(self, letter: _Letter) -> None:
        if letter.is_reply:
            future = self._asked.get(letter.number)
            if future is not None and not future.done():
                future.set_result(msgspec.msgpack.decode(letter.body, type=Reply))
        elif letter.number and self._tasks is not None:
            self._tasks.create_task(self._answer(letter), name=f"redis: {letter.topic}")
        elif letter.topic in self._listening:
            self._listening[letter.topic](letter.body)

    async def _answer(self, letter: _Letter) -> None:
        reply = Reply(error="Unsupported", detail=f"this replica knows nothing of {letter.topic}")
        try:
            if letter.topic in self._serving:
                reply = await reply_of(self._serving[letter.topic](letter.body))
        except Exception:  # one question's, not the connection's
            log.exception("%s asked for %s could not be answered", letter.topic, letter.sender)
            reply = Reply(error=GatewayError.__name__, detail="see the gateway's own log")
        body = msgspec.msgpack.encode(reply)
        self._send(letter.sender, _Letter(self.name, letter.topic, body, letter.number, is_reply=True))

    def _send(self, replica: str, letter: _Letter) -> None:
        channel = _to(replica)
        if len(self._letters) >= MOST_MESSAGES:
            self._letters.popleft()
            self.losses += 1
        self._letters.append((channel, self._seals.seal(_encode(letter), channel)))
        self._due.set()

    async def _alive(self) -> list[str]:
        names: Any = await self._redis.zrange(f"{PREFIX}:replicas", 0, -1)
        return [name for each in names if (name := each.decode(errors="replace")) != self.name]

    async def _read_anew(self, replica: str) -> None:
        for kind in self._tables.keys() - self._lasting:
            found = await self._read(replica, kind)
            # No await from here on: nobody is to see less than there is.
            self._tables[kind].lost(replica)
            self._hear(kind, replica, found)
        self._seen[replica] = asyncio.get_running_loop().time()

    async def _read_lasting(self) -> None:
        for kind in self._lasting:
            self._hear(kind, NOBODY, await self._read(NOBODY, kind))

    def _hear(self, kind: str, owner: str, rows: Mapping[str, bytes | None]) -> None:
        for name, value in rows.items():
            try:
                self._tables[kind].heard(owner, name, value)
            except msgspec.MsgspecError as error:  # of a gateway of another version
                self.losses += 1
                log.warning("a row of %s of another replica is not understood: %s", kind, error)

    async def _read(self, owner: str, kind: str) -> dict[str, bytes]:
        key, found = _rows(owner, kind), {}
        async for name, sealed in self._redis.hscan_iter(key, count=1000):
            text = name.decode(errors="replace")
            value = self._seals.open(sealed, f"{key} {text}")
            if value is not None:
                found[text] = value
        return found

    def _forget_silent(self, now: float) -> None:
        for replica in [each for each, at in self._seen.items() if now - at > self._ttl]:
            log.warning("replica %s is not heard of any more", replica)
            self._lose(replica)

    def _lose(self, replica: str) -> None:
        self._seen.pop(replica, None)
        self._numbers.pop(replica, None)
        for kind, table in self._tables.items():
            if kind not in self._lasting:
                table.lost(replica)

    def _owner(self, kind: str) -> str:
        return NOBODY if kind in self._lasting else self.name

    async def leave(self) -> None:
        """Tell the others, so that they need not wait; where that can't be told, they do."""
        with suppress(*_errors()):
            async with asyncio.timeout(QUICK):
                await self._give_back()
                await self._redis.zrem(f"{PREFIX}:replicas", self.name)
                await self._redis.delete(*(_rows(self.name, kind) for kind in self._tables))
                batch = _Batch(self.name, self._number + 1, {}, is_last=True)
                await self._redis.publish(_ALL, self._seals.seal(_encode(batch), _ALL))


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


def _encode(what: _Batch | _Letter) -> bytes:
    return msgspec.msgpack.encode(what)


def _to(replica: str) -> str:
    return f"{PREFIX}:to:{replica}"


def _rows(owner: str, kind: str) -> str:
    return f"{PREFIX}:rows:{owner}:{kind}"
