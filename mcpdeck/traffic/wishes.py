"""Whose traffic a reader wants to see, and what comes of it besides messages. Pure."""

import msgspec

from gateway.wire.traffic import TrafficMessage


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """All of an adapter's, or one session's. recorded: what the gateway holds of it, and not what comes."""

    adapter: str
    session: str = ""
    recorded: bool = False


class Gap(msgspec.Struct, frozen=True):
    """Something is missing here, or may be; why, for a reader. count: messages that are known to be lost."""

    sentence: str
    count: int = 0


class Anew(msgspec.Struct, frozen=True):
    """What comes from now on is numbered by another process of the gateway."""


type Coming = TrafficMessage | Gap | Anew
