"""How a route of the control plane is described, and what several of them have in common. Describes none itself."""

from typing import Any, Final

import msgspec

JSON: Final = "application/json"
TEXT: Final = "text/plain"


class Parameter(msgspec.Struct, frozen=True):
    """kind: where it stands, `query` or `header`. type: JSON Schema's."""

    name: str
    description: str
    type: str = "string"
    kind: str = "query"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path. endpoint: the function that Quart calls. body, answer: types, or media types.

    refusals: the statuses of its problems, those of every route left out. action: its name in the audit log.
    """

    method: str
    path: str
    endpoint: str
    summary: str
    description: str = ""
    body: Any = None
    status: int = 200
    answer: Any = None
    parameters: tuple[Parameter, ...] = ()
    refusals: tuple[int, ...] = ()
    action: str = ""
    is_anonymous: bool = False

    @property
    def tag(self) -> str:
        return self.endpoint.partition(".")[0]


ON_EVERY_ROUTE: Final = (401, 403, 421)
IF_MATCH: Final = Parameter("If-Match", "Only if its etag is still this one.", kind="header")
IF_NONE_MATCH: Final = Parameter("If-None-Match", "304 if its etag is still this one.", kind="header")
LISTING: Final = (
    Parameter("limit", "At most that many, 1 to 1000; the answer is then a page.", "integer"),
    Parameter("cursor", "`nextCursor` of the page before."),
    Parameter("q", "Only what contains this text, whatever its case."),
)
CHANGE: Final = (400, 404, 412, 413)
LOG: Final = (
    Parameter("instance", "An ordinal, a name, or `all` (each line then begins with `[name] `); 0."),
    Parameter("tail", "At most that many lines of the past; 1000, or all of them with `since`.", "integer"),
    Parameter("follow", "Stay, and send what comes; false.", "boolean"),
    Parameter("since", "A moment (RFC 3339), or how long ago (`30s`, `5m`, `1h`)."),
    Parameter("previous", "Of the run before the last restart; false.", "boolean"),
    Parameter("timestamps", "Begin each line with its time; false.", "boolean"),
)
SESSIONS: Final = (
    *LISTING,
    Parameter("adapter", "Only those of this adapter."),
    Parameter("instance", "Only those on this instance."),
    Parameter("principal", "Only those of this principal, by id or name."),
    Parameter("client", "Only those of this client program."),
    Parameter("era", "`legacy` or `modern`."),
)
