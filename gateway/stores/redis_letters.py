"""What one replica says to another alone, through Redis: words, and questions with their answers. Decides nothing.

Letters wait to be posted together; where there are too many the oldest are lost, and counted.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.core.errors import GatewayError
from gateway.core.sharing import Reply, Unreachable, reply_of
from gateway.stores.redis_quotas import PREFIX
from gateway.stores.redis_seals import RedisSeals

if TYPE_CHECKING:
    from redis.asyncio import Redis

PATIENCE: Final = 5.0  # seconds for another replica's answer
MOST_MESSAGES: Final = 2000  # that wait to be told

log = logging.getLogger(__name__)


class _Letter(msgspec.Struct, array_like=True):
    """number: of a question, which its reply repeats; 0 where none is wanted."""

    sender: str
    topic: str
    body: bytes
    number: int = 0
    is_reply: bool = False


class RedisLetters:
    """own: this replica's name. due: set when something is to be posted. tasks: answers belong to it, once connected.

    losses: letters that nobody got.
    """

    def __init__(self, own: str, redis: "Redis", seals: RedisSeals, due: asyncio.Event) -> None:
        self.losses = 0
        self.tasks: asyncio.TaskGroup | None = None
        self._own, self._redis, self._seals, self._due = own, redis, seals, due
        self._waiting: deque[tuple[str, bytes]] = deque()  # channels, and what is to be said there
        self._listening: dict[str, Callable[[bytes], None]] = {}
        self._serving: dict[str, Callable[[bytes], Awaitable[bytes]]] = {}
        self._asked: dict[int, asyncio.Future[Reply]] = {}

    @property
    def are_waiting(self) -> bool:
        return bool(self._waiting)

    def listen(self, topic: str, heard: Callable[[bytes], None]) -> None:
        self._listening[topic] = heard

    def serve(self, topic: str, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._serving[topic] = answer

    def tell(self, replica: str, topic: str, body: bytes) -> None:
        self._send(replica, _Letter(self._own, topic, body))

    async def ask(self, replica: str, topic: str, body: bytes) -> bytes:
        """Raises what the other raised, and Unreachable where it says nothing."""
        number = secrets.randbits(62) + 1
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        self._send(replica, _Letter(self._own, topic, body, number))
        try:
            async with asyncio.timeout(PATIENCE):
                reply = await future
            return reply.opened()
        except TimeoutError:
            raise Unreachable(f"the gateway's replica {replica} did not answer in {PATIENCE:.0f} s") from None
        finally:
            del self._asked[number]

    async def post(self) -> None:
        """All that waits."""
        if not self._waiting:
            return
        pipe = self._redis.pipeline(transaction=False)
        while self._waiting:
            pipe.publish(*self._waiting.popleft())
        await pipe.execute()

    def heard(self, plain: bytes) -> None:
        """One for this replica. Raises msgspec.MsgspecError on what a gateway of another version wrote."""
        letter = msgspec.msgpack.decode(plain, type=_Letter)
        if letter.is_reply:
            future = self._asked.get(letter.number)
            if future is not None and not future.done():
                future.set_result(msgspec.msgpack.decode(letter.body, type=Reply))
        elif letter.number and self.tasks is not None:
            self.tasks.create_task(self._answer(letter), name=f"redis: {letter.topic}")
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
        self._send(letter.sender, _Letter(self._own, letter.topic, body, letter.number, is_reply=True))

    def _send(self, replica: str, letter: _Letter) -> None:
        channel = channel_of(replica)
        if len(self._waiting) >= MOST_MESSAGES:
            self._waiting.popleft()
            self.losses += 1
        self._waiting.append((channel, self._seals.seal(msgspec.msgpack.encode(letter), channel)))
        self._due.set()


def channel_of(replica: str) -> str:
    """Where it listens for letters."""
    return f"{PREFIX}:to:{replica}"
