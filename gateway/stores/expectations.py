"""What a writer expected and what there is: when a write is refused, and how it is said. Knows no storage."""

from gateway.core.desired import Revision
from gateway.core.errors import Conflict, NotFound, PreconditionFailed
from gateway.wire.names import AdapterName


def check_put(name: AdapterName, found: Revision | None, expect: Revision | None, *, noun: str = "adapter") -> None:
    """found: the stored revision, None where there is none. noun: what one of its kind is called.

    Raises Conflict, NotFound, PreconditionFailed.
    """
    if expect is None and found is not None:
        raise Conflict(f"{noun} '{name}' exists already; choose another name, or replace it")
    if expect is not None:
        _check(name, found, expect, noun)


def check_delete(name: AdapterName, found: Revision | None, expect: Revision | None, *, noun: str = "adapter") -> None:
    """expect: None for any revision. Raises NotFound, PreconditionFailed."""
    _check(name, found, expect, noun)


def _check(name: AdapterName, found: Revision | None, expect: Revision | None, noun: str) -> None:
    if found is None:
        raise NotFound(f"there is no {noun} '{name}'")
    if expect is not None and found != expect:
        raise PreconditionFailed(
            f"{noun} '{name}' is at revision {found}, not {expect}: read it again, then repeat your change"
        )
