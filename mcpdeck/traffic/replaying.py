"""Which recorded calls can be made again, and whether what comes of it is the same. Pure: makes none.

What opens, keeps alive or follows a connection is the connection's own; what was hidden or cut can't be sent again.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec

from mcpdeck.traffic.difference import Change, differences
from mcpdeck.traffic.recording import Call

REPLAYABLE: Final = frozenset({
    "tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list", "resources/templates/list",
    "resources/read", "completion/complete",
})  # fmt: skip
_OF_THE_ERA: Final = frozenset(
    {"_meta", "resultType", "ttlMs", "cacheScope", "requestState"}
)  # besides the answer itself


class Step(msgspec.Struct, frozen=True):
    """A call to make again. recorded: its result; error: instead of one, its JSON-RPC error's code and message."""

    call: Call
    params: dict[str, Any]
    recorded: dict[str, Any]
    error: str = ""

    @property
    def method(self) -> str:
        return self.call.request.method

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.method, self.call.request.target)))


class Left(msgspec.Struct, frozen=True):
    """A call that is not made again, and why."""

    call: Call
    reason: str


class Outcome(msgspec.Struct, frozen=True):
    """What came of a step. seconds: that it took; None where it failed before an answer."""

    step: Step
    changes: list[Change]
    seconds: float | None = None

    @property
    def is_same(self) -> bool:
        return not self.changes


def plan(calls: Iterable[Call]) -> tuple[list[Step], list[Left]]:
    steps: list[Step] = []
    left: list[Left] = []
    for call in calls:
        reason = _reason(call)
        if reason:
            left.append(Left(call, reason))
        else:
            steps.append(_step(call))
    return steps, left


def compared(
    step: Step, result: dict[str, Any] | None, *, error: str = "", seconds: float | None = None,
    ignored: Collection[str] = (),
) -> Outcome:  # fmt: skip
    """result, error: what came now, one of the two. ignored: names of members that may differ anywhere."""
    before: dict[str, Any] = {"error": step.error} if step.error else {"result": step.recorded}
    after: dict[str, Any] = {"error": error} if error else {"result": result or {}}
    return Outcome(step, list(differences(before, after, ignored={*_OF_THE_ERA, *ignored})), seconds)


def error_of(code: Any, message: Any) -> str:
    """A JSON-RPC error as it is compared."""
    return f"{message} ({code})"


def _reason(call: Call) -> str:
    request, response = call.request, call.response
    if request.method not in REPLAYABLE:
        return f"{request.method} is the connection's own"
    if request.redacted:
        return "a part of it was hidden when it was recorded"
    if not call.is_whole:
        return "it was too large to be recorded whole"
    if request.follows:
        return "it takes up another call, whose state is gone"
    if response is None or not isinstance(response.payload, dict):
        return "its response was not recorded whole"
    if response.redacted:
        return "a part of its response was hidden when it was recorded"
    return ""


def _step(call: Call) -> Step:
    assert call.response is not None  # noqa: S101 - asked before
    payload: dict[str, Any] = call.response.payload
    error, result = payload.get("error"), payload.get("result")
    return Step(
        call,
        {name: value for name, value in call.params.items() if name not in ("_meta", "inputResponses")},
        result if isinstance(result, dict) else {},
        error_of(error.get("code"), error.get("message")) if isinstance(error, dict) else "",
    )
