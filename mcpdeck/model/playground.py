"""What can be tried at an MCP endpoint, as requests. What came of one is in `runs`. Pure.

Everything that a server said is plain by the time it comes here: the client sees to that.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, assert_never

import msgspec

from mcpdeck.model import uri_template
from mcpdeck.model.filters import Fields
from mcpdeck.model.plain import one_line
from mcpdeck.model.table import Column, TableSpec
from mcpdeck.model.words import Cell, Tone

OWN: Final = "/mcp"


class Kind(StrEnum):
    """What MCP offers, and what it does not: a request of any kind, to be written by hand."""

    TOOL = "tool"
    PROMPT = "prompt"
    RESOURCE = "resource"
    TEMPLATE = "template"
    REQUEST = "request"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to try. definition: as the server gave it; name: as requests name it."""

    kind: Kind
    name: str
    title: str = ""
    description: str = ""
    definition: dict[str, Any] = {}

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.name}"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, and where to: `/mcp`, `/mcp/TOOLSET`, or an adapter's name."""

    endpoint: str
    method: str
    params: dict[str, Any] = {}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One that was made, or is kept under a name."""

    request: Request
    at: datetime
    name: str = ""
    outcome: str = ""


OTHER: Final = Subject(kind=Kind.REQUEST, name="any request", description="A method and its params, by hand.")
_METHODS: Final = {Kind.TOOL: "tools/call", Kind.PROMPT: "prompts/get", Kind.RESOURCE: "resources/read",
                   Kind.TEMPLATE: "resources/read"}  # fmt: skip
_MEMBERS: Final = (  # (member of a list, kind, which member names it)
    ("tools", Kind.TOOL, "name"),
    ("prompts", Kind.PROMPT, "name"),
    ("resources", Kind.RESOURCE, "uri"),
    ("resourceTemplates", Kind.TEMPLATE, "uriTemplate"),
)
LISTS: Final = {  # method -> the member that holds what it lists, and the capability that announces it
    "tools/list": ("tools", "tools"),
    "prompts/list": ("prompts", "prompts"),
    "resources/list": ("resources", "resources"),
    "resources/templates/list": ("resourceTemplates", "resources"),
}


def subjects(listed: Mapping[str, Sequence[dict[str, Any]]]) -> list[Subject]:
    """By lists' members. What has no name can't be asked for and is left out; so is a second of the same name."""
    found: dict[str, Subject] = {}
    for member, kind, naming in _MEMBERS:
        for each in listed.get(member, ()):
            if isinstance(name := each.get(naming), str) and name:
                annotations = each.get("annotations")
                title = each.get("title") or (annotations.get("title") if isinstance(annotations, dict) else "")
                named = title or (each.get("name") if naming != "name" else "")
                subject = Subject(
                    kind=kind,
                    name=name,
                    title=one_line(str(named or "")),
                    description=str(each.get("description") or ""),
                    definition=each,
                )
                found.setdefault(subject.key, subject)
    return [*found.values(), OTHER]


def schema_of(subject: Subject) -> Any:
    """A JSON Schema of what it takes; None where it takes nothing, or anything."""
    match subject.kind:
        case Kind.TOOL:
            return subject.definition.get("inputSchema") or {"type": "object"}
        case Kind.PROMPT:
            return _prompt_schema(subject.definition.get("arguments"))
        case Kind.TEMPLATE:
            names = uri_template.variables(subject.name)
            return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": names}
        case _:
            return None


def _prompt_schema(arguments: Any) -> dict[str, Any]:
    told = [each for each in arguments if isinstance(each, dict)] if isinstance(arguments, list) else []
    members = {
        str(each.get("name")): {"type": "string", "description": each.get("description"), "title": each.get("title")}
        for each in told
    }
    return {
        "type": "object",
        "properties": members,
        "required": [str(each.get("name")) for each in told if each.get("required")],
    }


def request_of(subject: Subject, arguments: Mapping[str, Any], endpoint: str) -> Request:
    match subject.kind:
        case Kind.TOOL | Kind.PROMPT:
            params: dict[str, Any] = {"name": subject.name, "arguments": dict(arguments)}
        case Kind.RESOURCE:
            params = {"uri": subject.name}
        case Kind.TEMPLATE:
            params = {"uri": uri_template.expanded(subject.name, arguments)}
        case Kind.REQUEST:
            method, inner = arguments.get("method"), arguments.get("params")
            told = dict(inner) if isinstance(inner, Mapping) else {}
            return Request(endpoint=endpoint, method=str(method or ""), params=told)
        case other:
            assert_never(other)
    return Request(endpoint=endpoint, method=_METHODS[subject.kind], params=params)


def subject_of(request: Request, known: Sequence[Subject]) -> tuple[Subject, dict[str, Any]]:
    """What a request is about, as far as that is listed, and its arguments; else the request itself, by hand."""
    params = request.params
    wanted = {
        "tools/call": f"{Kind.TOOL}:{params.get('name')}",
        "prompts/get": f"{Kind.PROMPT}:{params.get('name')}",
        "resources/read": f"{Kind.RESOURCE}:{params.get('uri')}",
    }.get(request.method, "")
    found = next((subject for subject in known if subject.key == wanted), None)
    if found is None:
        return OTHER, {"method": request.method, "params": {k: v for k, v in params.items() if k != "_meta"}}
    arguments = params.get("arguments")
    return found, dict(arguments) if isinstance(arguments, Mapping) else {}


def named(request: Request, endpoint: str) -> str:
    """What a request is of, seen from an endpoint: `refund`, `refund at crm`."""
    elsewhere = "" if request.endpoint == endpoint else f" at {request.endpoint}"
    return one_line(f"{request.params.get('name') or request.params.get('uri') or request.method}{elsewhere}")


# The list


_GLYPHS: Final = {
    Kind.TOOL: "tool",
    Kind.PROMPT: "prompt",
    Kind.RESOURCE: "res",
    Kind.TEMPLATE: "tmpl",
    Kind.REQUEST: "",
}
_ORDER: Final = tuple(Kind)
FIELD_NAMES: Final = ("name", "kind", "title", "description")


def _listed(subject: Subject) -> str:
    """A resource's URI is long; what it is called tells more."""
    is_long = subject.kind in (Kind.RESOURCE, Kind.TEMPLATE) and subject.title
    return subject.title if is_long else one_line(subject.name)


def table() -> TableSpec[Subject]:
    """By kind, then by name."""

    def fields(subject: Subject, _now: datetime) -> Fields:
        return {
            "name": subject.name,
            "kind": subject.kind,
            "title": subject.title,
            "description": subject.description,
        }

    columns: list[Column[Subject]] = [
        Column(
            id="name", title="NAME", minimum=14, maximum=48, flexible=True,
            cell=lambda it, _now: Cell(_listed(it), Tone.DIM if it is OTHER else Tone.STRONG),
            order=lambda it: (_ORDER.index(it.kind), it.name),
        ),
        Column(
            id="kind", title="KIND", minimum=6, maximum=6, priority=1,
            cell=lambda it, _now: Cell(_GLYPHS[it.kind], Tone.DIM),
            order=lambda it: _ORDER.index(it.kind),
        ),
    ]  # fmt: skip
    return TableSpec(columns, lambda it: it.key, fields, FIELD_NAMES)


def welcome() -> list[list[Cell]]:
    """What to do, for who has not done it yet."""
    keys = (
        ("enter", "to the arguments"),
        ("esc", "back to the list"),
        ("ctrl+j", "runs, ctrl+x cancels"),
        ("f2", "form or JSON"),
        ("f4", "JSON in your editor"),
        ("ctrl+s", "keeps the call; S lists"),
        ("w", "a toolset, an adapter"),
    )
    return [[], *([Cell(f"  {key:<8}", Tone.ACCENT), Cell(told, Tone.DIM)] for key, told in keys)]
