"""Tools and toolsets of the HTTP contract (api.md): what is offered at /mcp, under which name, and to whom.

A tool is one of two: a server of its own that takes arguments over plain HTTP (`toolDefinition`, MS's contract), or a
tool of an adapter that speaks MCP already (`adapter` and `toolName`, "*" for all of them). Looks at no schema.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from gateway.wire import resources
from gateway.wire.names import parse_adapter_name
from gateway.wire.resources import DESCRIPTION_LENGTH, PATH, AdapterSpec, AdapterStatus, Recording
from gateway.wire.toolnames import EXPORTED, LONGEST

ALL: Final = "*"  # a toolName: every tool of the adapter, and its prompts and resources
NAME_LENGTH: Final = 128
MAX_VIEWS: Final = 1024
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
HOLE = re.compile(r"\{([^{}/]+)\}")
TEMPLATE = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/%]|\{[^{}/]+\})*")
RESERVED: Final = frozenset(
    {"authorization", "cookie", "forwarded", "content-type", "accept", "accept-encoding", "expect"}
)
RESERVED_PREFIXES: Final = ("x-mcp-", "x-forwarded-", "proxy-")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Drift(StrEnum):
    """What becomes of a tool whose definition is no longer the one that was locked."""

    BLOCK = "block"  # not offered until somebody accepts it
    WARN = "warn"  # offered, and said of it in statuses and lists of tools


class _Strict(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What clients send: an unknown field is an error that names it."""


class ToolView(_Strict, frozen=True, kw_only=True, omit_defaults=True):
    """How one tool is shown. Empty fields leave it as its server has it.

    hidden_arguments are left out of its schema and refused in calls; pinned_arguments too, and sent with every call.
    """

    name: str = ""
    title: str = ""
    description: str = ""
    hidden: bool = False
    hidden_arguments: list[str] = []
    pinned_arguments: dict[str, Any] = {}


class Place(StrEnum):
    """Where an HTTP request holds an argument."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    BODY = "body"  # a member of a JSON object
    WHOLE = "whole"  # the JSON body itself


class Argument(_Strict, frozen=True, kw_only=True, omit_defaults=True):
    """name: as the request has it; the argument's own where it is left out."""

    place: Place
    name: str = ""


class Operation(_Strict, frozen=True, kw_only=True, omit_defaults=True):
    """An HTTP request that a tool's arguments are spread over, as OpenAPI describes one, in place of MS's single POST.

    path: below the server's URL, `/pets/{petId}`. arguments: by name; those that stand nowhere are members of the body.
    """

    method: str = "POST"
    path: str
    arguments: dict[str, Argument] = {}


class ToolDefinition(_Strict, frozen=True, kw_only=True):
    """An HTTP tool server's one tool, as MCP describes tools, and where it takes the arguments.

    tool: any members; MS's own samples hold some (`type`, `annotations.readOnly`) that MCP does not know.
    operation: where the arguments go instead of POSTed whole to `path`.
    """

    tool: dict[str, Any]
    port: int = 8000
    path: str = "/score"
    operation: Operation | None = None


class ToolSpec(AdapterSpec, frozen=True, kw_only=True, omit_defaults=True, rename="camel", forbid_unknown_fields=True):
    """Desired state of one tool, or with toolName "*" of all of an adapter's, each shown as its entry in `views`.

    locked: digests (`wire.toollock`) of what its tools were when somebody accepted them, by their own names. Empty:
    whatever its server says is offered.
    """

    tool_definition: ToolDefinition | None = None
    adapter: str = ""
    tool_name: str = ""
    view: ToolView = ToolView()
    views: dict[str, ToolView] = msgspec.field(default_factory=dict)
    locked: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def is_server(self) -> bool:
        """Whether it has a workload or a URL of its own."""
        return not self.adapter

    @property
    def is_all(self) -> bool:
        return self.tool_name == ALL


class Tool(ToolSpec, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=False, omit_defaults=False):
    """A tool as the gateway returns it. `environment_variables` holds null per name for readers."""

    id: str
    environment_variables: dict[str, str | None] = msgspec.field(default_factory=dict)  # type: ignore[assignment]  # as Adapter's
    created_by: str
    created_at: datetime
    last_updated_at: datetime
    etag: str


class _Returned(msgspec.Struct, frozen=True, rename="camel"):
    """What the gateway returns: a client tolerates fields of a newer one."""


class OfferedTool(_Returned, frozen=True, kw_only=True, omit_defaults=True):
    """One tool as /mcp has it. quarantine: why it is not offered, "" where it is.

    tool: the name by which it is registered; source: its adapter or server; original: its own name there. tokens: an
    estimate of what its definition costs a model (`toolrouter.cost`); digest: of its definition (`wire.toollock`).
    drift: how it is not what was locked, "" where it is; such a tool is offered in toolsets alone that only warn.
    """

    name: str
    tool: str
    source: str
    original: str
    naming: str = "own"
    tokens: int = 0
    bytes: int = 0
    digest: str = ""
    quarantine: str = ""
    drift: str = ""
    annotations: dict[str, Any] = msgspec.field(default_factory=dict)
    calls: int = 0
    errors: int = 0
    last_called_at: datetime | None = None


class ToolsCost(_Returned, frozen=True, kw_only=True, omit_defaults=True):
    """What a list of tools costs the model that reads it: an estimate (`toolrouter.cost`).

    toolset: "" for /mcp itself. budget: tokens; 0 for no bound. warning: a sentence where they are more, else "".
    """

    toolset: str = ""
    tools: int = 0
    tokens: int = 0
    budget: int = 0
    warning: str = ""


class ToolStatus(AdapterStatus, frozen=True, kw_only=True, rename="camel"):
    """A tool's status: of its workload, or of the adapter that it belongs to, and what is offered of it at /mcp."""

    offered: list[OfferedTool] = msgspec.field(default_factory=list)


class ToolsetSpec(_Strict, frozen=True, kw_only=True, omit_defaults=True):
    """A named subset of tools at /mcp/{name}, with roles of its own on top of each tool's.

    tools, exclude: patterns (`*`, `?`) of exported names, or of `source/original`. discovery: three tools that search,
    describe and call stand for the list. token_budget: what its list may cost before a warning; 0: the gateway's.
    """

    name: str
    description: str = ""
    required_roles: list[str] = []
    tools: list[str] = msgspec.field(default_factory=lambda: ["*"])
    exclude: list[str] = []
    discovery: bool = False
    drift: Drift = Drift.BLOCK
    token_budget: int = 0


class Toolset(ToolsetSpec, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=False, omit_defaults=False):
    """A toolset as the gateway returns it. cost: of the list that the caller gets of it."""

    cost: ToolsCost | None = None
    id: str
    created_by: str
    created_at: datetime
    last_updated_at: datetime
    etag: str


type Problems = dict[str, list[str]]


def problems_of(spec: ToolSpec) -> Problems:
    """What is wrong with a tool's specification, by field as on the wire; empty when it is right."""
    found = resources.problems_of(spec)
    found.pop("source", None)

    def check(ok: object, field: str, sentence: str) -> None:
        if not ok:
            found.setdefault(field, []).append(sentence)

    sources = [bool(spec.adapter), bool(spec.image_name), bool(spec.url)]
    one_of = "give exactly one of adapter with toolName, imageName with imageVersion, or url"
    check(sum(sources) == 1, "source", one_of)
    check(spec.recording == Recording(), "recording", "belongs to adapters: what goes through /mcp is recorded there")
    check(spec.stdio is None, "stdio", "belongs to adapters; deploy one, then name it in adapter")
    if spec.adapter:
        _check_reference(spec, check)
    else:
        check(not spec.tool_name, "toolName", "needs adapter")
        _check_server(spec, check)
    _check_view(spec.view, "view", check)
    check(spec.is_all or not spec.views, "views", 'belong to toolName "*"; one tool has view')
    check(not spec.is_all or spec.view == ToolView(), "view", 'is of one tool; toolName "*" has views')
    for field, entries in (("views", len(spec.views)), ("locked", len(spec.locked))):
        check(entries <= MAX_VIEWS, field, f"has more than {MAX_VIEWS} entries")
    for name, digest in spec.locked.items():
        check(DIGEST.fullmatch(digest), f"locked.{name}", "is no digest as the lists of tools have them: sha256:…")
    for name, view in spec.views.items():
        _check_view(view, f"views.{name}", check)
    return found


def _check_reference(spec: ToolSpec, check: Any) -> None:
    try:
        parse_adapter_name(spec.adapter)
    except ValueError as error:
        check(False, "adapter", str(error))
    check(0 < len(spec.tool_name) <= NAME_LENGTH, "toolName", f'is a tool\'s name, or "*" for all of {spec.adapter!r}')
    check(spec.tool_definition is None, "toolDefinition", "is the adapter's own to give")
    for name, field in (("environment_variables", "environmentVariables"), ("secret_environment", "secretEnvironment")):
        check(not getattr(spec, name), field, "belong to the adapter")
    check(not spec.headers, "headers", "belong to the adapter")


def _check_server(spec: ToolSpec, check: Any) -> None:
    definition = spec.tool_definition
    if definition is None:
        check(False, "toolDefinition", "is required of an HTTP tool server: {tool: {name, inputSchema}, port, path}")
        return
    tool = definition.tool
    check(tool.get("name") == spec.name, "toolDefinition.tool.name", f"must be {spec.name!r}, as the tool's own name")
    schema = tool.get("inputSchema")
    is_object = isinstance(schema, dict) and schema.get("type") == "object"
    check(is_object, "toolDefinition.tool.inputSchema", "must be a JSON Schema with the type 'object'")
    check(1 <= definition.port <= 65535, "toolDefinition.port", "must be 1 to 65535")
    is_path = PATH.fullmatch(definition.path)
    check(is_path, "toolDefinition.path", "must begin with '/' and hold only letters, digits and /_-.")
    if definition.operation is not None:
        _check_operation(definition.operation, check)


def _check_operation(operation: Operation, check: Any) -> None:
    field = "toolDefinition.operation"
    check(operation.method in METHODS, f"{field}.method", f"must be one of {', '.join(METHODS)}")
    holes = HOLE.findall(operation.path)
    is_path = TEMPLATE.fullmatch(operation.path) and not any(part in (".", "..") for part in operation.path.split("/"))
    check(is_path, f"{field}.path", "must begin with '/' and hold nothing of a query, such as /pets/{petId}")
    places = [(each.name or name) for name, each in operation.arguments.items() if each.place is Place.PATH]
    check(sorted(holes) == sorted(places), f"{field}.arguments", "those in the path must be those that it has room for")
    for name, each in operation.arguments.items():
        is_header = each.place is Place.HEADER
        told = each.name or name
        is_good = not is_header or (resources.HEADER_NAME.fullmatch(told) and not _is_reserved(told))
        check(is_good, f"{field}.arguments.{name}", f"{told!r} is no header that a caller may set")
    wholes = [name for name, each in operation.arguments.items() if each.place is Place.WHOLE]
    check(len(wholes) <= 1, f"{field}.arguments", "at most one is the whole body")


def _is_reserved(header: str) -> bool:
    """What frames a message, routes it, or says who calls."""
    lower = header.lower()
    return bool(resources.OWN_HEADER.fullmatch(header)) or lower in RESERVED or lower.startswith(RESERVED_PREFIXES)


def _check_view(view: ToolView, field: str, check: Any) -> None:
    sentence = f"must begin with a letter and hold at most {LONGEST} letters, digits and underscores: clients want that"
    check(not view.name or EXPORTED.fullmatch(view.name), f"{field}.name", sentence)
    check(len(view.description) <= DESCRIPTION_LENGTH, f"{field}.description", f"has more than {DESCRIPTION_LENGTH}")
    both = sorted(set(view.hidden_arguments) & view.pinned_arguments.keys())
    check(not both, f"{field}.hiddenArguments", f"also names what is pinned: {', '.join(both)}")


def problems_of_toolset(spec: ToolsetSpec) -> Problems:
    found: Problems = {}
    try:
        parse_adapter_name(spec.name)
    except ValueError as error:
        found["name"] = [str(error)]
    if len(spec.description) > DESCRIPTION_LENGTH:
        found["description"] = [f"has more than {DESCRIPTION_LENGTH} characters"]
    if spec.token_budget < 0:
        found["tokenBudget"] = ["must be 0 (the gateway's) or more"]
    for field, patterns in (("tools", spec.tools), ("exclude", spec.exclude)):
        if not all(patterns):
            found[field] = ["holds an empty pattern"]
    return found
