"""A client of the handshake's era: its session, opened anew if it is lost, and what the server says unasked."""

import asyncio
from typing import Final

import httpx
import msgspec

from gateway.wire import jsonrpc, mcp
from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.front.client_side import ClientSide
from mcpdeck.front.messages import Line, answers
from mcpdeck.front.upstream import SHORT, Upstream, is_stream, messages

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
ENDING: Final = 5.0


class _Agreed(msgspec.Struct):
    protocol_version: str = msgspec.field(name="protocolVersion", default="")


class _Lost(Exception):
    """404: the server knows this session no longer."""


class LegacySide:
    def __init__(self, upstream: Upstream, client: ClientSide) -> None:
        self._upstream = upstream
        self._client = client
        self._session = ""
        self._version = ""
        self._handshake = b""  # the client's own, to be said again
        self._handshake_id: jsonrpc.Id = None
        self._initialized = b""
        self._opening = asyncio.Lock()
        self._reopened = asyncio.Event()

    async def take(self, line: Line) -> None:
        """The handshake is awaited, since all else needs its session; requests then run side by side."""
        if line.method == mcp.INITIALIZE:
            self._handshake, self._handshake_id, self._initialized = line.body, line.id, b""
            await asyncio.wait([self._client.start(line, self._exchange(line))])
        elif line.is_request or line.is_batch:
            self._client.start(line, self._exchange(line))
        else:
            await self._tell_server(line)
            if line.method == mcp.CANCELLED:  # a server that was told does not answer
                self._client.cancel(line.params.request_id)
            elif line.method == mcp.INITIALIZED and not self._initialized:
                self._initialized = line.body
                self._client.go_on(self._hear(), "what the server says unasked")

    async def end(self) -> None:
        if not self._session:
            return
        try:
            await self._upstream.delete(self._head(), limit=ENDING)
        except (Unreachable, ProblemError) as error:
            self._client.tell(f"the session will end by itself: {error}")

    def _head(self) -> dict[str, str]:
        head = {"mcp-session-id": self._session} if self._session else {}
        return head | ({"mcp-protocol-version": self._version} if self._version else {})

    async def _tell_server(self, line: Line) -> None:
        """A notification or an answer: nothing comes back but trouble."""
        try:
            async with self._upstream.post(line.body, self._head(), silence=SHORT) as answer:
                if not answer.is_success:
                    self._client.tell(f"{line.method or 'an answer'} was refused with {answer.status_code}")
        except (Unreachable, ProblemError) as error:
            self._client.tell(str(error))

    async def _exchange(self, line: Line) -> None:
        session = self._session
        try:
            await self._once(line)
        except _Lost:
            await self._open_anew(session)
            await self._once(line)

    async def _once(self, line: Line) -> None:
        is_opening = line.method == mcp.INITIALIZE
        async with self._upstream.post(line.body, {} if is_opening else self._head()) as answer:
            if not answer.is_success:
                body = await answer.aread()
                if answer.status_code == 404 and self._session and not is_opening:
                    raise _Lost
                await self._client.refused(line, answer, body)
                return
            if is_opening:
                self._opened(answer)
            resume = await self._client.pass_on(line, answer, note=self._agree if is_opening else None)
        while resume is not None:  # a server may close the stream and go on when it is asked to (2025-11-25)
            await asyncio.sleep(resume.pause)
            async with self._upstream.get(self._head() | {"last-event-id": resume.event_id}) as answer:
                if not is_stream(answer):
                    raise Unreachable(f"{self._upstream.url} broke off its answer to {line.method}")
                resume = await self._client.pass_on(line, answer)

    def _opened(self, answer: httpx.Response) -> None:
        self._session, self._version = answer.headers.get("mcp-session-id", ""), ""

    def _agree(self, message: bytes) -> None:
        result = jsonrpc.decode(message).result
        self._version = msgspec.json.decode(result, type=_Agreed).protocol_version if result else ""

    async def _open_anew(self, lost: str) -> None:
        """Once for all requests that met it: the client's own handshake again, whose answer it need not see twice."""
        async with self._opening:
            if self._session != lost:
                return
            self._client.tell("the server lost the session; it is opened anew")
            async with self._upstream.post(self._handshake, {}, silence=SHORT) as answer:
                if not answer.is_success:
                    raise Unreachable(f"the session is lost, and a new one was refused with {answer.status_code}")
                self._opened(answer)
                async for told in messages(answer):
                    if told.message and answers(told.message, self._handshake_id):
                        self._agree(told.message)
            if self._initialized:
                async with self._upstream.post(self._initialized, self._head(), silence=SHORT):
                    pass
            self._reopened.set()

    async def _hear(self) -> None:
        """What the server says unasked, for as long as it has a stream for that. Begins anew with a new session."""
        pause, event_id = FIRST_PAUSE, ""
        while True:
            self._reopened.clear()
            session = self._session
            try:
                async with self._upstream.get(
                    self._head() | ({"last-event-id": event_id} if event_id else {})
                ) as answer:
                    if answer.status_code == 405:
                        return
                    if is_stream(answer):
                        pause = FIRST_PAUSE
                        async for told in messages(answer):
                            event_id = told.event_id or event_id
                            if told.message:
                                await self._client.say(told.message)
                    elif answer.status_code == 404:
                        await self._reopened.wait()
            except (Unreachable, ProblemError) as error:
                self._client.tell(f"what the server says unasked is not heard now: {error}")
            if session != self._session:
                event_id = ""
                continue
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)
