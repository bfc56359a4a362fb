"""core.ports.Tokens in memory: what it was asked for is kept, and it waits where a test wants it to."""

import asyncio
from dataclasses import dataclass, field

from gateway.core.access import Principal
from gateway.core.errors import GatewayError
from gateway.core.grants import Grant
from gateway.wire.resources import Authorization, GrantKind

CREDENTIALS = Grant(GrantKind.CLIENT_CREDENTIALS, "https://idp.example/token", "gateway", "s3cret")
EXCHANGE = Grant(GrantKind.TOKEN_EXCHANGE, "https://idp.example/token", "gateway", "s3cret")


@dataclass
class FakeTokens:
    """Gives t1, t2, …; `error` instead, where there is one. asked: by whom, with which token of theirs."""

    error: GatewayError | None = None
    refuses: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    refusals: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    is_waiting: asyncio.Event = field(default_factory=asyncio.Event)
    _kept: dict[tuple[Grant, str], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gate.set()

    def known(self, grant: Grant, principal: Principal) -> bytes | None:
        return self._kept.get(_key(grant, principal))

    def last(self, grant: Grant, principal: Principal) -> bytes | None:
        return self.known(grant, principal)

    async def authorization(self, grant: Grant, principal: Principal, *, token: str) -> bytes:
        self.asked.append((principal.id, token))
        self.is_waiting.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        value = self._kept[_key(grant, principal)] = f"Bearer t{len(self.asked)}".encode()
        return value

    def refused(self, grant: Grant, principal: Principal) -> None:
        self.refusals += 1
        self._kept.pop(_key(grant, principal), None)

    def refusal(self, authorization: Authorization) -> str:
        return self.refuses


def _key(grant: Grant, principal: Principal) -> tuple[Grant, str]:
    return grant, principal.id if grant.is_for_the_caller else ""
