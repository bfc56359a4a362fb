"""What an adapter has to offer: its tools, prompts, resources and templates, all pages of them, as it describes them.

Reads; judges nothing but how much there may be.
"""

from typing import Any, Final, Protocol

import msgspec
from msgspec import Raw

from gateway.toolrouter.asking import Unanswered
from gateway.wire import envelope, jsonrpc

MAX_PAGES: Final = 200
MAX_ITEMS: Final = 10_000  # of one kind from one adapter

type Item = dict[str, Any]


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """problem: what could not be read, in a sentence; what could is there all the same. ttl: seconds, 0 for none."""

    tools: tuple[Item, ...] = ()
    prompts: tuple[Item, ...] = ()
    resources: tuple[Item, ...] = ()
    templates: tuple[Item, ...] = ()
    problem: str = ""
    ttl: float = 0.0


class Questions(Protocol):
    """asking.Asker, and tests' stand-ins."""

    capabilities: envelope.Message

    async def ask(self, method: str, params: dict[str, Any] | None = None) -> Raw: ...


class _Page(msgspec.Struct, rename="camel"):
    tools: list[Any] = []
    prompts: list[Any] = []
    resources: list[Any] = []
    resource_templates: list[Any] = []
    next_cursor: str | None = None
    ttl_ms: float = 0


_LISTS: Final = (  # a field of Listing, its method, the capability that announces it, its field of _Page
    ("tools", "tools/list", "tools", "tools"),
    ("prompts", "prompts/list", "prompts", "prompts"),
    ("resources", "resources/list", "resources", "resources"),
    ("templates", "resources/templates/list", "resources", "resource_templates"),
)
_page = msgspec.json.Decoder(_Page)


async def read(questions: Questions) -> Listing:
    """Raises Unanswered when there is nothing at all to be had; otherwise says what is missing."""
    found: dict[str, Any] = {}
    problems: list[str] = []
    ttl = 0.0
    for field, method, capability, member in _LISTS:
        if capability not in questions.capabilities:
            continue
        try:
            found[field], ttl_ms = await _all(questions, method, member)
        except Unanswered as problem:
            if problem.code != jsonrpc.METHOD_NOT_FOUND:  # many servers with resources know no templates
                problems.append(str(problem))
        else:
            ttl = min(ttl, ttl_ms / 1000) if ttl else ttl_ms / 1000
    if problems and not found:
        raise Unanswered("; ".join(problems))
    return Listing(**found, problem="; ".join(problems), ttl=ttl)


async def _all(questions: Questions, method: str, member: str) -> tuple[tuple[Item, ...], float]:
    """All pages. A server that never comes to an end is cut off, not followed."""
    items: list[Item] = []
    seen: set[str] = set()
    cursor, ttl = None, 0.0
    for _ in range(MAX_PAGES):
        page = _decoded(await questions.ask(method, None if cursor is None else {"cursor": cursor}), method)
        items += [each for each in getattr(page, member) if isinstance(each, dict)]
        ttl, cursor = page.ttl_ms, page.next_cursor
        if cursor is None:
            return tuple(items), ttl
        if cursor in seen or len(items) > MAX_ITEMS:
            break
        seen.add(cursor)
    raise Unanswered(f"{method} does not come to an end: {len(items)} items on {len(seen) + 1} pages and more")


def _decoded(result: Raw, method: str) -> _Page:
    try:
        return _page.decode(result)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unanswered(f"{method} was answered with no list: {error}") from error
