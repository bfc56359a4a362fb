"""What can be tried at an MCP endpoint, as requests, and what came of one, as lines. Pure.

Everything that a server said is plain by the time it comes here: the client sees to that.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, assert_never
from urllib.parse import quote

import msgspec

from mcpdeck.model.filters import Fields
from mcpdeck.model.folding import FoldLine, lines_of
from mcpdeck.model.formatting import size
from mcpdeck.model.plain import one_line
from mcpdeck.model.table import Column, TableSpec
from mcpdeck.model.words import UNICODE, Cell, Glyphs, Sign, Tone

OWN: Final = "/mcp"
HEARD: Final = 200  # notifications of one call that are kept
_EXPRESSION = re.compile(r"\{([+#./;?&]?)([^{}]+)\}")  # of RFC 6570
_BAR: Final = 24


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
            names = [name for _, names in _expressions(subject.name) for name in names]
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
            params = {"uri": expanded(subject.name, arguments)}
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


def _expressions(template: str) -> list[tuple[str, list[str]]]:
    return [
        (operator, [name.rstrip("*").partition(":")[0].strip() for name in names.split(",")])
        for operator, names in _EXPRESSION.findall(template)
    ]


def expanded(template: str, values: Mapping[str, Any]) -> str:
    """RFC 6570, for texts: reserved and fragment expansion keep what a URI may hold, the others encode it."""

    def expand(match: re.Match[str]) -> str:
        operator, names = (
            match.group(1),
            [name.rstrip("*").partition(":")[0].strip() for name in match.group(2).split(",")],
        )
        safe = ":/?#[]@!$&'()*+,;=" if operator in "+#" and operator else ""
        told = [(name, quote(str(values[name]), safe=safe)) for name in names if values.get(name) not in (None, "")]
        if operator in ("?", "&", ";"):
            joined = (";" if operator == ";" else "&").join(f"{name}={value}" for name, value in told)
        else:
            joined = {".": ".", "/": "/"}.get(operator, ",").join(value for _, value in told)
        return (operator if operator != "+" else "") + joined if told else ""

    return _EXPRESSION.sub(expand, template)


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


# What came of a call


class Stage(StrEnum):
    """How a call stands."""

    RUNNING = "running"
    DONE = "done"
    TOOL_ERROR = "tool error"  # the tool ran, and says that it failed
    ERROR = "error"  # the server answered with a JSON-RPC error
    BROKEN = "broken"  # no answer came: refused, cut, not allowed
    CANCELLED = "cancelled"


SIGNS: Final[Mapping[Stage, Sign]] = {
    Stage.RUNNING: Sign("◐", "[..]", "Running", Tone.BUSY),
    Stage.DONE: Sign("✓", "[ok]", "Done", Tone.OK),
    Stage.TOOL_ERROR: Sign("▲", "[!!]", "The tool failed", Tone.WARN),
    Stage.ERROR: Sign("✖", "[XX]", "Protocol error", Tone.BAD),
    Stage.BROKEN: Sign("✖", "[XX]", "No answer", Tone.BAD),
    Stage.CANCELLED: Sign("○", "[--]", "Cancelled", Tone.DIM),
}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A call under way, or over. heard: notifications, the last ones; told: why it came to nothing; note: on a result.

    progress and total are the server's own numbers; share of them, if both are known, is what a bar shows.
    """

    request: Request
    stage: Stage = Stage.RUNNING
    seconds: float = 0.0
    progress: float | None = None
    total: float | None = None
    message: str = ""
    heard: tuple[dict[str, Any], ...] = ()
    result: dict[str, Any] | None = None
    told: str = ""
    note: str = ""
    data: Any = None  # of a JSON-RPC error

    @property
    def share(self) -> float | None:
        if self.progress is None or not self.total or self.total <= 0:
            return None
        return max(0.0, min(1.0, self.progress / self.total))


def hearing(run: Run, message: Mapping[str, Any]) -> Run:
    """The run with one more notification taken in."""
    params = message.get("params")
    told = params if isinstance(params, dict) else {}
    if message.get("method") == "notifications/progress":
        return msgspec.structs.replace(
            run,
            progress=_float(told.get("progress")),
            total=_float(told.get("total")),
            message=one_line(str(told.get("message") or "")),
        )
    kept = (*run.heard, {"method": message.get("method"), "params": told})[-HEARD:]
    return msgspec.structs.replace(run, heard=kept)


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def finished(run: Run, result: Mapping[str, Any], seconds: float, *, note: str = "") -> Run:
    stage = Stage.TOOL_ERROR if result.get("isError") is True else Stage.DONE
    return msgspec.structs.replace(run, stage=stage, result=dict(result), seconds=seconds, note=note)


def bar(run: Run, glyphs: Glyphs) -> str:
    """`████░░░░ 40%  4 of 10  reading`; without a total what was counted so far."""
    words = []
    if (share := run.share) is not None:
        full = round(share * _BAR)
        solid, empty = ("█", "░") if glyphs is UNICODE else ("#", ".")
        words.append(f"{solid * full}{empty * (_BAR - full)} {share:.0%}")
    if run.progress is not None:
        words.append(f"{run.progress:g}" + (f" of {run.total:g}" if run.total is not None else ""))
    return "  ".join([*words, run.message] if run.message else words)


def lines(run: Run, glyphs: Glyphs = UNICODE, folded: Collection[str] = frozenset()) -> Iterator[FoldLine]:
    """All that is known of it: how it stands, what was said on the way, what came."""
    sign = SIGNS[run.stage]
    took = f"  {run.seconds:.2f}s" if run.stage is not Stage.RUNNING else ""
    yield _line(Cell(glyphs.sign(sign), sign.tone), Cell(took, Tone.DIM), Cell(f"  {_what(run.request)}", Tone.DIM))
    if told := bar(run, glyphs):
        yield _line(Cell(told, Tone.BUSY if run.stage is Stage.RUNNING else Tone.DIM))
    for each in run.heard:
        yield _line(*_heard(each, glyphs))
    if run.told:
        yield from (_line(Cell(line, sign.tone)) for line in run.told.splitlines())
    if run.note:
        yield _line(Cell(run.note, Tone.WARN))
    if run.data is not None:
        yield from lines_of(run.data, folded=folded, glyphs=glyphs, name="data", path="data")
    if run.result is not None:
        yield _line(Cell(""))
        yield from result_lines(run.result, glyphs, folded)


def _line(*cells: Cell) -> FoldLine:
    return FoldLine(tuple(cells))


def _what(request: Request) -> str:
    named = request.params.get("name") or request.params.get("uri") or ""
    return one_line(f"{request.method} {named}")


def _heard(message: Mapping[str, Any], glyphs: Glyphs) -> list[Cell]:
    params = message.get("params") or {}
    if message.get("method") == "notifications/message":
        level = str(params.get("level", "info"))
        tone = (
            Tone.BAD
            if level in ("error", "critical", "alert", "emergency")
            else Tone.WARN
            if level == "warning"
            else Tone.DIM
        )
        data = params.get("data")
        text = data if isinstance(data, str) else msgspec.json.encode(data).decode()
        return [Cell(f"{glyphs.dot} {one_line(level)} ", tone), Cell(one_line(text))]
    return [Cell(f"{glyphs.dot} {one_line(str(message.get('method')))}", Tone.DIM)]


def result_lines(result: Mapping[str, Any], glyphs: Glyphs, folded: Collection[str]) -> Iterator[FoldLine]:
    """Blocks one after the other; then what is structured; then whatever else there is."""
    rest = {
        name: it for name, it in result.items() if name not in ("content", "isError", "resultType", "structuredContent")
    }
    for number, block in enumerate(blocks_of(result)):
        yield from _block_lines(block, number, glyphs, folded)
    for kind in ("messages", "contents"):
        if isinstance(rest.get(kind), list):
            rest.pop(kind)
    if "structuredContent" in result:
        yield from lines_of(
            result["structuredContent"], folded=folded, glyphs=glyphs, name="structuredContent", path="structured"
        )
    if rest:
        yield from lines_of(rest, folded=folded, glyphs=glyphs, name="besides", path="rest")


def blocks_of(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Content of a tool, of a prompt's messages, of a resource, all as blocks. A message's has its `role`."""
    content = result.get("content")
    found = [each for each in content if isinstance(each, dict)] if isinstance(content, list) else []
    for message in result.get("messages") or []:
        if isinstance(message, dict):
            inner = message.get("content")
            several = inner if isinstance(inner, list) else [inner]
            found += [{"role": message.get("role"), **each} for each in several if isinstance(each, dict)]
    for each in result.get("contents") or []:
        if isinstance(each, dict):
            found.append({"type": "resource", "resource": each})
    return found


def _block_lines(block: Mapping[str, Any], number: int, glyphs: Glyphs, folded: Collection[str]) -> Iterator[FoldLine]:
    if role := block.get("role"):
        yield _line(Cell(f"{one_line(str(role))}:", Tone.ACCENT))
    text = text_of(block)
    if text is None:
        yield _line(
            Cell(described(block), Tone.ACCENT), Cell("  W keeps it as a file" if data_of(block) else "", Tone.DIM)
        )
        return
    if block.get("type") == "resource":
        yield _line(Cell(described(block), Tone.DIM))
    value = _as_json(text)
    if value is not None:
        yield from lines_of(value, folded=folded, glyphs=glyphs, path=f"text{number}")
    else:
        yield from (_line(Cell(line.expandtabs(4))) for line in text.splitlines() or [""])


def _as_json(text: str) -> Any:
    """An object or an array that a server wrote as text; None for all else."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return None


def text_of(block: Mapping[str, Any]) -> str | None:
    resource = block.get("resource")
    if block.get("type") == "text":
        return str(block.get("text", ""))
    if isinstance(resource, dict) and isinstance(resource.get("text"), str):
        return str(resource["text"])
    return None


def data_of(block: Mapping[str, Any]) -> str:
    """Base64, of an image, a sound, a file; empty where there is none."""
    resource = block.get("resource")
    data = block.get("data") if "data" in block else resource.get("blob") if isinstance(resource, dict) else ""
    return data if isinstance(data, str) else ""


def media_type(block: Mapping[str, Any]) -> str:
    resource = block.get("resource")
    told = block.get("mimeType") or (resource.get("mimeType") if isinstance(resource, dict) else "")
    return one_line(str(told or ""))


def described(block: Mapping[str, Any]) -> str:
    """`image, image/png, 12K`; `resource_link, file:///a.txt`."""
    resource = block.get("resource")
    where = block.get("uri") or (resource.get("uri") if isinstance(resource, dict) else "")
    data = data_of(block)
    told = [block.get("type"), where, block.get("name"), media_type(block), size(len(data) * 3 // 4) if data else ""]
    return one_line(", ".join(str(each) for each in told if each))


def json_blocks(result: Mapping[str, Any]) -> Iterator[tuple[int, Any]]:
    """Texts that are JSON, by their number."""
    for number, block in enumerate(blocks_of(result)):
        text = text_of(block)
        if text is not None and (value := _as_json(text)) is not None:
            yield number, value


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


def wrapped(line: FoldLine, width: int) -> Iterator[FoldLine]:
    """A line as several that fit, broken at spaces where there are some. What folds is left as it is."""
    text = "".join(cell.text for cell in line.cells)
    if line.path or len(text) <= width or width < 8:
        yield line
        return
    start = 0
    while start < len(text):
        end = start + width
        if end < len(text) and (space := text.rfind(" ", start + 1, end + 1)) > start:
            end = space + 1
        yield FoldLine(tuple(_cut(line.cells, start, end)))
        start = end


def _cut(cells: Sequence[Cell], start: int, end: int) -> Iterator[Cell]:
    at = 0
    for cell in cells:
        part = cell.text[max(0, start - at) : max(0, end - at)]
        at += len(cell.text)
        if part:
            yield Cell(part, cell.tone)
