"""A call while it runs and when it is over, and what came of it, as lines. Pure.

Everything that a server said is plain by the time it comes here: the client sees to that.
"""

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from mcpdeck.model.folding import FoldLine, lines_of
from mcpdeck.model.formatting import size
from mcpdeck.model.plain import one_line
from mcpdeck.model.playground import Request
from mcpdeck.model.words import UNICODE, Cell, Glyphs, Sign, Tone

HEARD: Final = 200  # notifications of one call that are kept
_BAR: Final = 24
_TONES: Final = dict.fromkeys(("error", "critical", "alert", "emergency"), Tone.BAD) | {"warning": Tone.WARN}


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
        data = params.get("data")
        text = data if isinstance(data, str) else msgspec.json.encode(data).decode()
        return [Cell(f"{glyphs.dot} {one_line(level)} ", _TONES.get(level, Tone.DIM)), Cell(one_line(text))]
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
