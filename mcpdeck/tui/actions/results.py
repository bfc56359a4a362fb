"""What is done with what came of a call: read in a pager, copied, kept as files, opened."""

import asyncio
import base64
import binascii
import tempfile
from collections.abc import Mapping
from mimetypes import guess_extension
from pathlib import Path
from typing import Any

import msgspec
from textual.app import SuspendNotSupported

from mcpdeck.model import runs
from mcpdeck.model.call_rows import subject_name
from mcpdeck.tui.actions.handlers import do_plainly
from mcpdeck.tui.deck import Deck


def _result_text(deck: Deck) -> str:
    run = deck.playground_view.outcome.run
    if run is None or run.result is None:
        deck.say("there is no result yet")
        return ""
    return msgspec.json.format(msgspec.json.encode(run.result), indent=2).decode()


def _page(deck: Deck) -> None:
    if text := _result_text(deck):
        try:
            deck.surroundings.page_text(deck, text)
        except SuspendNotSupported:
            deck.say("there is no terminal here to hand over to a pager; W keeps the result as a file", "warning")


def _copy(deck: Deck) -> None:
    deck.copy(_result_text(deck), "the result")


def _keep_files(deck: Deck) -> None:
    run = deck.playground_view.outcome.run
    if run is None or run.result is None:
        deck.say("there is no result yet")
        return
    deck.begin(_write, deck, run.result, subject_name(run.request), group="keep")


async def _write(deck: Deck, result: Mapping[str, Any], name: str) -> None:
    """The result as JSON, and beside it every image, sound and file that it holds."""
    folder = deck.surroundings.dump_folder
    stem = f"{''.join(c if c.isalnum() else '-' for c in name)[:40]}-{deck.surroundings.clock():%Y%m%d-%H%M%S}"
    try:
        written = await asyncio.to_thread(_files, folder, stem, result)
    except (OSError, binascii.Error, ValueError) as error:
        deck.say(f"not kept: {error}", "error")
    else:
        deck.say(f"kept {', '.join(path.name for path in written)} in {folder}")


def _files(folder: Path, stem: str, result: Mapping[str, Any]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / f"{stem}.json"
    whole.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2))
    written = [whole]
    for number, block in enumerate(runs.blocks_of(result), 1):
        if data := runs.data_of(block):
            path = folder / f"{stem}-{number}{guess_extension(runs.media_type(block)) or '.bin'}"
            path.write_bytes(base64.b64decode(data, validate=True))
            written.append(path)
    return written


def _open(deck: Deck) -> None:
    """Not in a browser tab: its reader sits before another machine."""
    run = deck.playground_view.outcome.run
    if deck.is_web:
        deck.say("it would open where the deck runs; W keeps it as a file", "warning")
    elif run is None or run.result is None:
        deck.say("there is no result yet")
    else:
        deck.begin(_show, deck, run.result, group="keep")


async def _show(deck: Deck, result: Mapping[str, Any]) -> None:
    try:
        shown = await asyncio.to_thread(_shown, result)
    except (OSError, binascii.Error, ValueError) as error:
        deck.say(f"not opened: {error}", "error")
        return
    if not shown:
        deck.say("there is no picture and no sound in it; W keeps files")
    elif not all([deck.surroundings.open_file(path) for path in shown]):  # noqa: C419  (each is opened)
        deck.say("there is no desktop here that opens files; W keeps them", "warning")


def _shown(result: Mapping[str, Any]) -> list[Path]:
    """In a folder that is for this user alone. It stays: whoever shows them may read them later."""
    from mcpdeck.opener import SUFFIXES

    blocks = [(SUFFIXES.get(runs.media_type(block)), runs.data_of(block))
              for block in runs.blocks_of(result)]  # fmt: skip
    wanted = [(suffix, base64.b64decode(data, validate=True)) for suffix, data in blocks if suffix and data]
    if not wanted:
        return []
    folder = Path(tempfile.mkdtemp(prefix="mcpdeck-"))
    paths = [folder / f"{number}{suffix}" for number, (suffix, _) in enumerate(wanted, 1)]
    for path, (_, content) in zip(paths, wanted, strict=True):
        path.write_bytes(content)
    return paths


do_plainly(
    {
        "call.pager": _page,
        "call.copy": _copy,
        "call.keep": _keep_files,
        "call.open": _open,
        "call.fold": lambda deck: deck.playground_view.outcome.toggle_fold(),
    }
)
