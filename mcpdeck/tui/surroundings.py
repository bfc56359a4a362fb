"""What the deck takes from the world, and how it begins. Opens nothing itself."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from textual.app import App

from mcpdeck.model.commands import View
from mcpdeck.tui.cache import Cache
from mcpdeck.tui.identity import Identity

if TYPE_CHECKING:
    from mcpdeck.client import GatewayClient

type Connect = Callable[[str], AbstractAsyncContextManager["GatewayClient"]]


def in_editor(app: App[Any], text: str) -> str | None:
    """Let the reader edit it on this terminal. None if nothing was saved. Raises SuspendNotSupported, NoEditor."""
    from mcpdeck import editor

    with app.suspend():
        return editor.edit(text, suffix=".yaml")


@dataclass(kw_only=True)
class Surroundings:
    """Tests give the deck others."""

    connect: Connect
    cache: Cache | None = None
    identity: Identity | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    random: Random = field(default_factory=Random)
    dump_folder: Path = Path()
    edit_text: Callable[[App[Any], str], str | None] = in_editor


@dataclass(kw_only=True)
class Opening:
    """How the deck begins."""

    context: str
    url: str = ""
    view: View = View.ADAPTERS
    adapter: str = ""
    filter: str = ""
    theme: str = "dark"
    read_only: bool = False
    ascii: bool = False
