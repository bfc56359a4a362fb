"""What the reader may have meant by a name that is not there. Asks the gateway once more, and fails at nothing."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from mcpdeck import control
from mcpdeck.meant import meant

if TYPE_CHECKING:
    from mcpdeck.cli.exits import Failure
    from mcpdeck.cli.target import Target

_MISSING: Final = re.compile(r"there is no (adapter|toolset|tool|policy) '([^']+)'( at /mcp)?")


def advised(failure: "Failure", target: "Target") -> None:
    """With the name that was meant for a hint, where one is near."""
    missing = _MISSING.match(failure.sentence)
    if missing is None:
        return
    kind, word, is_offered = missing.groups()
    try:
        known = _known(kind, target, is_offered=bool(is_offered))
    except Exception as error:
        from mcpdeck.cli.exits import failure_of

        if failure_of(error) is None:
            raise
        return
    failure.hint = meant(word, known, likeness=0.7) or failure.hint


def _known(kind: str, target: "Target", *, is_offered: bool) -> Sequence[str]:
    found: Sequence[Any]
    match kind:
        case "adapter":
            found = target.do(control.adapters())
        case "toolset":
            found = target.do(control.toolsets())
        case "policy":
            found = target.do(control.policies())
        case _:
            found = target.do(control.offers() if is_offered else control.tools())
    return [each.name for each in found]
