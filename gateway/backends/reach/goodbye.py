"""Telling an instance that a session is over. Whether it is, is not decided here."""

from collections.abc import Sequence

from gateway.backends.reach.caller import Caller, Unanswered
from gateway.core.errors import UpstreamBroke, UpstreamSlow
from gateway.core.routes import Endpoint
from gateway.wire import mcp


async def end_session(
    caller: Caller, endpoint: Endpoint, session: bytes, headers: Sequence[tuple[bytes, bytes]], *, seconds: float
) -> None:
    """headers: what its client would send besides. Raises UpstreamBroke, UpstreamSlow."""
    told = (*headers, (mcp.SESSION_HEADER, session))
    try:
        answer = await caller.send(endpoint, "DELETE", headers=told, seconds=seconds)
    except Unanswered as error:
        broken = UpstreamSlow if error.is_slow else UpstreamBroke
        raise broken(f"{endpoint.instance} was not told that a session is over: {error}") from error
    if answer.status >= 500:
        raise UpstreamBroke(f"{endpoint.instance} answered {answer.status} when told that a session is over")
