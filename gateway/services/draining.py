"""Ends a live session once its calls are answered. Refuses nothing meanwhile.

A call may ask its client something, and the answer to that is a request as well.
"""

import asyncio
from typing import Final, Protocol

from gateway.core.access import Principal
from gateway.core.errors import NotFound
from gateway.wire.mcp import Era
from gateway.wire.resources import LiveSession

LOOK: Final = 0.1  # seconds; calls end on the data path, which has nobody to tell
MOST_SECONDS: Final = 300


class Ending(Protocol):
    def one(self, principal: Principal, session_id: str) -> LiveSession: ...

    async def end(self, principal: Principal, session_id: str) -> None: ...


async def end_drained(sessions: Ending, principal: Principal, session_id: str, *, seconds: float) -> None:
    """At the first moment in which no call of it is in flight; after so many seconds all the same.

    Nothing has happened to it if this is cancelled before. Raises what `end` raises.
    """
    shown = sessions.one(principal, session_id)
    try:
        async with asyncio.timeout(seconds):
            while shown.in_flight and shown.era != Era.MODERN:  # of those there is nothing to end
                await asyncio.sleep(LOOK)
                shown = sessions.one(principal, session_id)
    except TimeoutError:
        pass  # it had its time
    except NotFound:
        return  # it ended by itself meanwhile
    # No await between seeing it idle and ending it.
    await sessions.end(principal, session_id)
