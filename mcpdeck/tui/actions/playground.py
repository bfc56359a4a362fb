"""What is done in the playground: run, cancel, answer, keep, take up again."""

import asyncio
import base64
import binascii
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from mimetypes import guess_extension
from pathlib import Path
from typing import Any

import msgspec
from textual.app import SuspendNotSupported

from mcpdeck.calls import CallBook
from mcpdeck.model import playground, runs
from mcpdeck.model.call_rows import subject_name
from mcpdeck.model.commands import View
from mcpdeck.model.playground import OWN, Call, Request
from mcpdeck.model.prompt import Order
from mcpdeck.tui.actions.handlers import do_plainly, does
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.playground import cancel_call, open_bench, start_call
from mcpdeck.tui.telling import SOON
from mcpdeck.tui.views.playground import ERAS


@does("view.playground")
def show(deck: Deck, order: Order) -> None:
    """Of what is named, else of the tool or adapter that one is at. `/mcp` reads like a filter, and is none here."""
    if deck.place.view is View.TOOL and not order.arguments and order.filter is None:
        call_tool(deck, order)
        return
    view = deck.playground_view
    text = order.filter or ""
    is_own = text == OWN[1:] or text.startswith(f"{OWN[1:]}/")
    here = deck.place.of_adapter or view.endpoint
    wanted = order.arguments[0] if order.arguments else f"/{text}" if is_own else here
    if wanted != view.endpoint:
        view.choose(wanted)
    deck.go(View.PLAYGROUND)
    if order.filter is not None and not is_own:
        view.set_filter(text)


@does("adapter.playground")
def try_adapter(deck: Deck, _order: Order) -> None:
    name = next(iter(deck.place.adapter_names), "")
    if name and name != deck.playground_view.endpoint:
        deck.playground_view.choose(name)
    deck.go(View.PLAYGROUND)


@does("tool.call")
def call_tool(deck: Deck, order: Order) -> None:
    """The named tool, or the one under the cursor; `name=value` words become its arguments."""
    row = next(iter(deck.place.tool_rows), None) if not order.arguments else None
    name = order.arguments[0] if order.arguments else row.name if row else ""
    endpoint, named = OWN, name
    if row is not None and not row.is_offered:
        adapter = row.tool.adapter if row.tool else row.source
        if adapter not in deck.state.adapters:
            deck.say(f"{row.name} is not offered, and its server is no adapter that you may read", "warning")
            return
        endpoint, named = adapter, row.original
    words = [word.partition("=") for word in order.arguments[1:]]
    arguments = {key: _value(text) for key, equals, text in words if equals}
    deck.playground_view.fill(endpoint, "tools/call", {"name": named, "arguments": arguments})
    deck.go(View.PLAYGROUND)


def _value(text: str) -> Any:
    """As JSON where it is that, else as text."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _run(deck: Deck) -> None:
    view = deck.playground_view
    if view.is_running:
        deck.say("a call is under way; ctrl+x cancels it", "warning")
        return
    if view.peer is None:
        deck.say(f"{view.endpoint} is not connected yet; R tries again", "warning")
        return
    if (request := view.request()) is not None:
        start_call(deck, request, view.subject)


def _cancel(deck: Deck) -> None:
    if not cancel_call(deck):
        deck.say("nothing is under way")


def _turn(deck: Deck) -> None:
    if why := deck.playground_view.turn():
        deck.say(why, "warning")


def _answer(deck: Deck) -> None:
    from mcpdeck.tui.screens.answer import screen_for

    view = deck.playground_view
    if not view.questions:
        deck.say("nothing is asked")
        return
    question = view.questions[0]
    who = view.info.name if view.info and view.info.name else view.endpoint

    def answered(given: tuple[dict[str, Any] | None] | None) -> None:
        if given is not None and not question.answer.done():
            question.answer.set_result(given[0])

    deck.push_screen(screen_for(question.method, question.params, who=who), answered)


def _where(deck: Deck) -> None:
    text = f"playground {deck.playground_view.endpoint}"
    deck.prompt.open(":", text, select_from=len("playground "))


def _era(deck: Deck) -> None:
    view = deck.playground_view
    view.era = ERAS[(ERAS.index(view.era) + 1) % len(ERAS)]
    deck.say(f"era: {view.era or 'the newest that the server speaks'}")
    open_bench(deck)


# Kept and remembered


def _book(deck: Deck) -> CallBook | None:
    if deck.surroundings.calls is None:
        deck.say("nothing is kept here", "warning")
    return deck.surroundings.calls


def _save(deck: Deck) -> None:
    from mcpdeck.tui.screens.calls import NameScreen

    view = deck.playground_view
    request = view.request()
    book = _book(deck)
    if request is None or book is None:
        return

    def named(name: str | None) -> None:
        if name:
            call = Call(request=request, at=deck.surroundings.clock(), name=name)
            deck.begin(_keep, deck, book, call, group="keep")

    subject = subject_name(request)
    deck.push_screen(NameScreen(f"{request.method} {subject} at {request.endpoint}", name=""), named)


async def _keep(deck: Deck, book: CallBook, call: Call) -> None:
    try:
        await asyncio.to_thread(book.save, call)
    except (OSError, ValueError) as error:
        deck.say(f"not kept: {error}", "error")
    else:
        deck.say(f"kept as {call.name}; S lists, mcpdeck call --saved {shlex.quote(call.name)} runs it")


def _saved(deck: Deck) -> None:
    deck.begin(_choose, deck, True, group="calls", opens_within=SOON)


def _history(deck: Deck) -> None:
    deck.begin(_choose, deck, False, group="calls", opens_within=SOON)


async def _choose(deck: Deck, kept: bool) -> None:
    from mcpdeck.tui.screens.calls import CallsScreen

    book = _book(deck)
    if book is None:
        return
    calls = await _calls(deck, book, kept=kept)
    if not calls:
        deck.say("no call is kept yet; ctrl+s keeps one" if kept else "nothing was called yet")
        return

    def chosen(call: Call | None) -> None:
        if call is not None:
            _take(deck, call.request)

    def forget(name: str) -> None:
        deck.begin(_forget, deck, book, name, group="keep")

    screen = CallsScreen(
        "Kept calls" if kept else "What was called", calls,
        glyphs=deck.glyphs, clock=deck.surroundings.clock, forget=forget if kept else None,
    )  # fmt: skip
    deck.push_screen(screen, chosen)


async def _calls(deck: Deck, book: CallBook, *, kept: bool) -> Sequence[Call]:
    try:
        if kept:
            return list((await asyncio.to_thread(book.saved)).values())
        return await asyncio.to_thread(book.history)
    except (OSError, ValueError) as error:
        deck.say(str(error), "error")
        return []


async def _forget(deck: Deck, book: CallBook, name: str) -> None:
    try:
        await asyncio.to_thread(book.forget, name)
    except (OSError, ValueError) as error:
        deck.say(f"not forgotten: {error}", "error")
    else:
        deck.say(f"{name} is forgotten")


def _take(deck: Deck, request: Request) -> None:
    deck.playground_view.fill(request.endpoint, request.method, request.params)


def _earlier(deck: Deck) -> None:
    deck.begin(_step, deck, -1, group="calls")


def _later(deck: Deck) -> None:
    deck.begin(_step, deck, 1, group="calls")


async def _step(deck: Deck, step: int) -> None:
    """Through what was called of this subject at this endpoint, as a shell goes through its history."""
    book, view = _book(deck), deck.playground_view
    if book is None:
        return
    method = playground.request_of(view.subject, {}, view.endpoint).method
    calls = [
        call.request
        for call in await _calls(deck, book, kept=False)
        if call.request.endpoint == view.endpoint
        and call.request.method == method
        and playground.subject_of(call.request, view.subjects)[0].key == view.subject.key
    ]
    distinct = list({msgspec.json.encode(request): request for request in calls}.values())
    if not distinct:
        deck.say("this was not called before")
        return
    place = view.back_in_time(step, len(distinct))
    view.put(playground.subject_of(distinct[place], view.subjects)[1])


# The editor, the pager, files


def _edit(deck: Deck) -> None:
    view = deck.playground_view
    try:
        text = deck.surroundings.edit_json(deck, view.text())
    except SuspendNotSupported:
        deck.say("there is no terminal here to hand over to an editor; f2 edits JSON here", "warning")
        return
    except Exception as error:
        from mcpdeck.errors import NoEditor

        if not isinstance(error, NoEditor):
            raise
        deck.say(str(error), "error")
        return
    if text is None:
        return
    try:
        arguments = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        view.put_text(text)
        deck.say(f"no JSON object yet: {error}", "warning")
    else:
        view.put(arguments)


def _result_text(deck: Deck) -> str:
    run = deck.playground_view.run
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


def _copy_command(deck: Deck) -> None:
    view = deck.playground_view
    request = view.request()
    if request is None or request.method != "tools/call":
        deck.say("only a tool's call is a command")
        return
    arguments = msgspec.json.encode(request.params["arguments"]).decode()
    words = ["mcpdeck", "--context", deck.state.context, "call", request.endpoint, subject_name(request)]
    deck.copy(shlex.join([*words, "--args-json", arguments]), "the command")


def _keep_files(deck: Deck) -> None:
    run = deck.playground_view.run
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
    run = deck.playground_view.run
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
        "call.run": _run,
        "call.cancel": _cancel,
        "call.turn": _turn,
        "call.answer": _answer,
        "call.where": _where,
        "call.era": _era,
        "call.reload": open_bench,
        "call.save": _save,
        "call.saved": _saved,
        "call.history": _history,
        "call.earlier": _earlier,
        "call.later": _later,
        "call.edit": _edit,
        "call.pager": _page,
        "call.keep": _keep_files,
        "call.open": _open,
        "call.copy": _copy,
        "call.copy-command": _copy_command,
        "call.fold": lambda deck: deck.playground_view.toggle_fold(),
    }
)
