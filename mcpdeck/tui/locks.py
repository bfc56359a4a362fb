"""What the reader accepted of tools, so that a change can be shown as a difference: the gateway keeps digests alone."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from mcpdeck.tui.deck import Deck

type Definitions = dict[str, dict[str, Any]]


def _file(deck: Deck) -> Path | None:
    folder = deck.surroundings.locks
    return None if folder is None else folder / f"{deck.state.context.replace('/', '_')}.json"


async def accepted_before(deck: Deck, registration: str) -> Definitions:
    """By the tools' own names; empty if nothing was accepted from here."""
    file = _file(deck)
    if file is None:
        return {}
    return (await asyncio.to_thread(_read, file)).get(registration, {})


async def keep_accepted(deck: Deck, registration: str, definitions: Mapping[str, Mapping[str, Any]]) -> None:
    from gateway.wire.toollock import pinned

    if (file := _file(deck)) is not None:
        kept = {name: pinned(definition) for name, definition in definitions.items()}
        try:
            await asyncio.to_thread(_write, file, registration, kept)
        except OSError as error:
            deck.say_once(f"what you accepted can not be kept for a later comparison: {error}")


def _read(file: Path) -> dict[str, Definitions]:
    """What can not be read was never accepted: a difference then shows everything as new."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Definitions])
    except (OSError, msgspec.DecodeError):
        return {}


def _write(file: Path, registration: str, definitions: Definitions) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.write_bytes(msgspec.json.encode(_read(file) | {registration: definitions}))
