"""Many clients that call all the time, and count what goes wrong for them: what a fault looks like from outside."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.support.sidecar_process import McpClient, text_of

PAUSE = 0.02  # seconds between two calls of one client; fifty of them make a busy team
_RETRY = 0.1


class Crowd:
    """outcomes: of calls, by what a client saw: `ok`, `session lost` (404: it starts anew), `503`, `no connection`, `error …`

    strayed: calls that another instance answered than the one where their session began.
    """

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http, self._url = http, url
        self.outcomes: Counter[str] = Counter()
        self.strayed = 0
        self.homes: dict[int, str] = {}
        self._progress = asyncio.Condition()
        self._calls = 0

    def taken(self) -> dict[str, int]:
        """What happened since the last look, `ok` apart."""
        seen, self.outcomes = self.outcomes, Counter()
        return dict(seen)

    async def calls(self, count: int) -> None:
        """Until that many more have been made."""
        wanted = self._calls + count
        async with asyncio.timeout(120), self._progress:
            await self._progress.wait_for(lambda: self._calls >= wanted)

    async def live(self, number: int) -> None:
        client = McpClient(self._http, self._url)
        while True:
            try:
                outcome = await self._call(client, number)
            except httpx.HTTPError as error:
                outcome = f"no connection ({type(error).__name__})"
            async with self._progress:
                self.outcomes[outcome] += 1
                self._calls += 1
                self._progress.notify_all()
            await asyncio.sleep(PAUSE if outcome == "ok" else _RETRY)

    async def _call(self, client: McpClient, number: int) -> str:
        if not client.session:
            answer = await client.initialize()
            if not client.session:
                return f"{answer.status_code} on initialize"
            self.homes.pop(number, None)
        answer = await client.call("pid")
        if answer.status_code == 404:
            client.session = {}
            return "session lost"
        if answer.status_code != 200:
            return str(answer.status_code)
        message = answer.json()
        if "error" in message:  # such as of a session that was ended meanwhile
            return f"error {message['error']['code']}"
        home = text_of(message)
        self.strayed += self.homes.setdefault(number, home) != home
        return "ok"


@asynccontextmanager
async def crowd(url: str, headers: dict[str, str], count: int) -> AsyncIterator[Crowd]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=count)
    async with httpx.AsyncClient(timeout=30, limits=limits, trust_env=False, headers=headers) as http:
        gathered = Crowd(http, url)
        async with asyncio.TaskGroup() as tasks:
            living = [tasks.create_task(gathered.live(number)) for number in range(count)]
            try:
                yield gathered
            finally:
                for each in living:
                    each.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
