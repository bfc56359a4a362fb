"""What the deck takes from the world, and how it begins. Opens nothing itself."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from textual.app import App
from textual.theme import Theme

from mcpdeck.calls import CallBook
from mcpdeck.config.contexts import Context
from mcpdeck.model.commands import View
from mcpdeck.model.findings import Finding
from mcpdeck.model.keymap import STANDARD, Keymap
from mcpdeck.tui.cache import Cache
from mcpdeck.tui.clipboard import Clipboard
from mcpdeck.tui.identity import Identity
from mcpdeck.tui.journal import Journal
from mcpdeck.tui.themes import THEMES

if TYPE_CHECKING:
    from mcpdeck.client import GatewayClient

type Connect = Callable[[str], AbstractAsyncContextManager["GatewayClient"]]


class Book(Protocol):
    """The reader's contexts file. Everything blocks and raises Misconfigured."""

    def all(self) -> list[Context]: ...

    def current(self) -> str: ...

    def add(self, context: Context, *, use: bool) -> bool: ...

    def use(self, name: str) -> None: ...

    def remove(self, name: str) -> None: ...


def in_editor(app: App[Any], text: str) -> str | None:
    """Let the reader edit it on this terminal. None if nothing was saved. Raises SuspendNotSupported, NoEditor."""
    from mcpdeck import editor

    with app.suspend():
        return editor.edit(text, suffix=".yaml")


def json_in_editor(app: App[Any], text: str) -> str | None:
    """The same for JSON."""
    from mcpdeck import editor

    with app.suspend():
        return editor.edit(text, suffix=".json")


def in_pager(app: App[Any], text: str) -> None:
    """Let the reader page through it on this terminal. Raises SuspendNotSupported."""
    from mcpdeck import editor

    with app.suspend():
        editor.page(text)


def on_the_desktop(path: Path) -> bool:
    """False where there is none, or it has nothing for this."""
    from mcpdeck.opener import open_file

    return open_file(path)


async def over_the_network(context: Context) -> float:
    """Seconds until its gateway's answer. Raises Unreachable."""
    from mcpdeck.reach import reach

    return await reach(context.url, ca_file=context.ca_file)


@dataclass(kw_only=True)
class Surroundings:
    """Tests give the deck others."""

    connect: Connect
    cache: Cache | None = None
    identity: Identity | None = None
    contexts: Book | None = None
    journal: Journal | None = None
    reach: Callable[[Context], Awaitable[float]] = over_the_network
    examine: Callable[[Context], AsyncIterator[Finding]] | None = None  # None: the doctor's own examination
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    random: Random = field(default_factory=Random)
    dump_folder: Path = Path()
    calls: CallBook | None = None
    locks: Path | None = None  # where what was accepted of tools is kept
    clipboard: Clipboard = field(default_factory=Clipboard)
    keymap: Keymap = STANDARD
    themes: Mapping[str, Theme] = field(default_factory=lambda: dict(THEMES))
    complaints: Sequence[str] = ()  # about the reader's own files, told once the deck stands
    edit_text: Callable[[App[Any], str], str | None] = in_editor
    edit_json: Callable[[App[Any], str], str | None] = json_in_editor
    page_text: Callable[[App[Any], str], None] = in_pager
    open_file: Callable[[Path], bool] = on_the_desktop
    stands: Callable[[], None] = lambda: None  # called once all places do


@dataclass(kw_only=True)
class Opening:
    """How the deck begins."""

    context: Context
    view: View = View.ADAPTERS
    adapter: str = ""
    filter: str = ""
    theme: str = "dark"
    read_only: bool = False
    ascii: bool = False
