"""The kinds of desired state that a store keeps, each in a table of its own. Knows no storage."""

from typing import Any, Final

import msgspec

from gateway.core.desired import Desired, Kept
from gateway.core.tools import DesiredPolicy, DesiredTool, DesiredToolset


class Kind[Stored: Kept](msgspec.Struct, frozen=True):
    """noun: what people call one. decode: from JSON; raises msgspec.DecodeError."""

    noun: str
    table: str
    type: type[Stored]

    def decode(self, text: bytes) -> Stored:
        decoded: Stored = _decoders[self.table].decode(text)
        return decoded


ADAPTERS: Final = Kind("adapter", "adapters", Desired)
TOOLS: Final = Kind("tool", "tools", DesiredTool)
TOOLSETS: Final = Kind("toolset", "toolsets", DesiredToolset)
POLICIES: Final = Kind("policy", "policies", DesiredPolicy)
_ALL: Final[tuple[Kind[Any], ...]] = (ADAPTERS, TOOLS, TOOLSETS, POLICIES)

_decoders: Final[dict[str, Any]] = {each.table: msgspec.json.Decoder(each.type) for each in _ALL}
