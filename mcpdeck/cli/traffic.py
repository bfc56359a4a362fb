"""`mcpdeck traffic tail|record|export`: MCP messages as they flow, the flight recorder, and what is made of it."""

import argparse
import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK, USAGE, Failure
from mcpdeck.cli.words import count

if TYPE_CHECKING:
    from gateway.wire.traffic import TrafficMessage
    from mcpdeck.cli.output import Printer
    from mcpdeck.cli.words import Words
    from mcpdeck.client import GatewayClient, Heard
    from mcpdeck.traffic.filter import Filter

FIRST_PAUSE: Final = 1.0  # seconds
LONGEST_PAUSE: Final = 30.0
_MOMENT: Final = 0.1  # seconds
_FILTER_HELP: Final = "only what it keeps, such as 'method:tools/* status:404,5xx >500ms'"


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "MCP messages: as they flow, and recorded."
    verbs = commands.add_parser("traffic", help=line, description=line).nested()
    line = "Messages as they flow, until Ctrl-C. Secrets are hidden."
    tail = verbs.add_parser("tail", help=line, description=line)
    which = tail.add_mutually_exclusive_group()
    which.add_argument(
        "--adapter", default="", metavar="NAME", help="one adapter's; all that you may see where none is named"
    )
    which.add_argument("--session", default="", metavar="ID", help="one session's, until it ends")
    add_filter(tail)
    tail.add_argument("--reveal", action="store_true", help="do not hide secrets; for who may change the adapter")
    tail.add_argument("-n", "--count", type=count, default=0, metavar="N", help="end after that many messages")
    tail.add_argument("-o", "--output", choices=("table", "jsonl"), default="table", help="table, jsonl")
    tail.set_defaults(run=_tail)
    line = "Have the gateway keep an adapter's last messages, secrets hidden, encrypted where they lie."
    record = verbs.add_parser("record", help=line, description=line)
    record.add_argument("name", metavar="ADAPTER")
    record.add_argument("--off", action="store_true", help="keep none any more; what is kept is gone")
    record.add_argument("--max-messages", type=int, metavar="N", help="the last N; 1000")
    record.add_argument(
        "--sample", type=float, metavar="SHARE", help="of sessions, or calls without one; 1, which is all"
    )
    record.set_defaults(run=_record)
    line = "A recording as JSON lines, HTTP archive, or a pytest file."
    export = verbs.add_parser("export", help=line, description=line)
    export.add_argument("source", metavar="ADAPTER|FILE", help="what the gateway holds, or a file of JSON lines")
    export.add_argument("--format", choices=("jsonl", "har", "pytest"), default="jsonl", help="jsonl, har, pytest")
    add_filter(export)
    export.add_argument("-w", "--write", type=Path, metavar="FILE", help="there, not to stdout")
    export.set_defaults(run=_export)


def add_filter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--filter", type=_filter, default="", metavar="FILTER", help=_FILTER_HELP)


def _filter(text: str) -> "Filter":
    from mcpdeck.traffic.filter import Filter

    try:
        return Filter(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# tail


def _tail(words: argparse.Namespace, desk: Desk) -> int:
    if words.reveal and not (words.adapter or words.session):
        raise Failure(USAGE, "secrets are shown of one adapter or session at a time: --adapter NAME, --session ID")
    asyncio.run(_print_tail(words, desk))
    return OK


async def _print_tail(words: argparse.Namespace, desk: Desk) -> None:
    from mcpdeck.cli.traffic_lines import Lines

    lines = Lines(desk.printer, of_several=not (words.adapter or words.session)) if words.output == "table" else None
    left = words.count
    messages = followed(desk, session=words.session, adapter=words.adapter, reveal=words.reveal)
    async with aclosing(messages):
        async for message in messages:
            if not words.filter.keeps(message):
                continue
            if lines is None:
                desk.printer.jsonl(message)
            else:
                lines.print(message)
            left -= 1
            if left == 0:
                return


async def followed(
    desk: Desk, *, session: str = "", adapter: str = "", reveal: bool = False
) -> "AsyncGenerator[TrafficMessage]":
    """Until the gateway says that nothing more comes. A stream that breaks goes on, however long that takes; where the
    adapter records, where it was."""
    from mcpdeck.errors import Unreachable

    place, pause = _Place(), FIRST_PAUSE
    async with desk.target.client() as client:
        while True:
            try:
                stream = client.traffic(
                    session=session, adapter=adapter, reveal=reveal, last_event_id=place.event_id or None
                )
                async with aclosing(stream):
                    async for heard in stream:
                        pause = FIRST_PAUSE
                        message = place.taken(heard, desk.printer)
                        if message is not None:
                            yield message
                        if place.is_over:
                            return
                why = "the stream ended"
            except Unreachable as error:
                if not place.has_begun:
                    raise
                why = str(error)
            desk.printer.tell(f"{why}; trying again in {pause:g} s: what is not recorded meanwhile is missed")
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)


class _Place:
    """How far a reader has come."""

    def __init__(self) -> None:
        self.event_id = ""
        self.has_begun = self.is_over = False

    def taken(self, heard: "Heard", printer: "Printer") -> "TrafficMessage | None":
        from gateway.wire.traffic import Dropped, Ended, Kind, TrafficMessage
        from mcpdeck.traffic.kept import missing

        self.has_begun = True
        self.event_id = heard.event_id or self.event_id
        match heard.what:
            case Dropped(count=count):
                printer.tell(f"{count} messages were lost here: they came faster than they were read")
            case Ended(reason=reason):
                printer.tell(reason)
                self.is_over = True
            case TrafficMessage(kind=Kind.GAP) as gap:
                printer.tell(missing(gap))
            case message:
                return message
        return None


# record, export


def _record(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck import control

    desk.target.must_be_writable()
    rule: dict[str, object] = {"enabled": not words.off}
    rule |= {} if words.max_messages is None else {"maxMessages": words.max_messages}
    rule |= {} if words.sample is None else {"sample": words.sample}
    changed = desk.target.do(control.patch(words.name, {"recording": rule}, None))
    kept = changed.recording
    share = "" if kept.sample == 1 else f", of {kept.sample:.0%} of its sessions"
    desk.printer.tell(
        f"{words.name}: the last {kept.max_messages} messages are kept{share}; mcpdeck traffic export {words.name}"
        if kept.enabled
        else f"{words.name}: nothing is recorded any more, and what was is gone"
    )
    for line in what_is_kept(words.name, desk, tries=10) if kept.enabled else ():
        desk.printer.tell(line)
    return OK


def what_is_kept(adapter: str, desk: Desk, *, tries: int = 1) -> "list[str]":
    """How much of its traffic and where, a line for each replica; none for who may not know.

    tries: a tenth of a second between two, for a recorder that is about to begin.
    """
    import time

    from mcpdeck import control
    from mcpdeck.errors import ProblemError
    from mcpdeck.traffic.kept import in_words

    for left in reversed(range(tries)):
        try:
            return list(in_words(desk.target.do(control.recording_status(adapter)).parts))
        except ProblemError as error:
            if error.problem.status not in (403, 404):
                raise
            if error.problem.status == 403 or not left:
                break
        time.sleep(_MOMENT)
    return []


def _export(words: argparse.Namespace, desk: Desk) -> int:
    everything = recorded(words.source, desk)
    messages = [message for message in everything if words.filter.keeps(message)]
    _tell_missing(everything, desk)
    if not messages:
        desk.printer.tell("nothing is recorded" + (" of that kind" if words.filter else " yet"))
    text = _exported(words, desk, messages)
    if words.write is None:
        print(text, end="")
        return OK
    try:
        words.write.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(USAGE, f"{words.write}: {error.strerror}") from error
    desk.printer.tell(f"{words.write}: {len(messages)} messages")
    return OK


def _tell_missing(messages: "list[TrafficMessage]", desk: Desk) -> None:
    """Whose parts these are, where they are several gateways', and what is not among them."""
    from gateway.wire.traffic import Kind
    from mcpdeck.traffic.kept import missing

    replicas = sorted({message.replica for message in messages if message.replica})
    if len(replicas) > 1:
        desk.printer.tell(f"of {len(replicas)} gateways: {', '.join(replicas)}")
    for message in messages:
        if message.kind is Kind.GAP:
            desk.printer.tell(f"{message.at.astimezone():%d %b %H:%M:%S}  {missing(message)}")


def recorded(source: str, desk: Desk) -> "list[TrafficMessage]":
    """What a file holds, or the gateway of an adapter. A file has a dot or a slash in its name, or is `-`: stdin."""
    import sys

    from mcpdeck.traffic.recording import read

    if source != "-" and not set(source) & set("./\\"):
        return asyncio.run(_held(source, desk))
    try:
        data = sys.stdin.read().encode() if source == "-" else Path(source).read_bytes()
        return list(read(data.splitlines()))
    except OSError as error:
        raise Failure(USAGE, f"{source}: {error.strerror}") from error
    except ValueError as error:
        raise Failure(USAGE, f"{source}: {error}") from error


async def _held(adapter: str, desk: Desk) -> "list[TrafficMessage]":
    async with desk.target.client() as client:
        return await _all(client, adapter)


async def _all(client: "GatewayClient", adapter: str) -> "list[TrafficMessage]":
    return [message async for message in client.recording(adapter)]


def _exported(words: argparse.Namespace, desk: Desk, messages: "list[TrafficMessage]") -> str:
    from mcpdeck.traffic import exporting

    match words.format:
        case "jsonl":
            return exporting.jsonl(messages)
        case "har":
            return exporting.har(messages, url=desk.target.url)
    name = words.write.name if words.write is not None else "FILE"
    try:
        text, left = exporting.pytest(messages, url=desk.target.url, file=name)
    except ValueError as error:
        raise Failure(USAGE, f"{words.source}: {error}") from error
    if left:
        desk.printer.tell(f"{len(left)} calls are left out, such as {left[0].call.request.method}: {left[0].reason}")
    return text


def recording_file(path: Path) -> IO[bytes]:
    """A new file for a recording; never over another one."""
    try:
        return path.open("xb")
    except FileExistsError as error:
        raise Failure(USAGE, f"{path} is there already: another name, or move it away") from error
    except OSError as error:
        raise Failure(USAGE, f"{path}: {error.strerror}") from error
