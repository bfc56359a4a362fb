"""Whose traffic a reader wants to see, and what comes of it besides messages. Pure."""

from typing import Final

import msgspec

from gateway.wire.traffic import TrafficMessage


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """All of an adapter's, one session's, or where none is named everybody's.

    recorded: what the gateway holds of it, and not what comes.
    """

    adapter: str = ""
    session: str = ""
    recorded: bool = False


ALL: Final = Wish()  # adapters


class Gap(msgspec.Struct, frozen=True):
    """Something is missing here, or may be; why, for a reader. count: messages that are known to be lost."""

    sentence: str
    count: int = 0


class From(msgspec.Struct, frozen=True):
    """What comes from now on is numbered by this process of the gateway: by another one than what came before."""

    process: str


type Coming = TrafficMessage | Gap | From
