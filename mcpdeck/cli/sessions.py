"""`mcpdeck sessions list|get|record|end`: the live MCP sessions of a gateway."""

import argparse
from contextlib import aclosing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from mcpdeck import control
from mcpdeck.cli import output
from mcpdeck.cli.consent import add_consent, must_consent
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK
from mcpdeck.cli.traffic import followed, recording_file

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words


DRAIN_SECONDS: Final = 60
MOST_DRAIN: Final = 300


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "Live MCP sessions."
    verbs = commands.add_parser("sessions", help=line, description=line).nested()
    line = "Every session that you may see."
    listed = verbs.add_parser("list", aliases=["ls"], help=line, description=line)
    listed.add_argument("--adapter", default="", metavar="NAME", help="of one adapter")
    output.add_options(listed)
    listed.set_defaults(run=_list)
    line = "One session."
    got = verbs.add_parser("get", help=line, description=line)
    got.add_argument("id", metavar="ID")
    output.add_options(got, table=False)
    got.set_defaults(run=_get)
    line = "Write a session's messages to a file, until it ends or Ctrl-C. Secrets are hidden."
    record = verbs.add_parser("record", help=line, description=line)
    record.add_argument("id", metavar="ID")
    record.add_argument("-w", "--write", type=Path, metavar="FILE", help="a new one; ID.jsonl")
    record.set_defaults(run=_record)
    line = "End sessions; their clients begin anew."
    end = verbs.add_parser("end", help=line, description=line)
    end.add_argument("ids", nargs="+", metavar="ID")
    end.add_argument(
        "--drain", type=_seconds, nargs="?", const=DRAIN_SECONDS, default=0, metavar="SECONDS",
        help=f"only once the calls in flight are answered, or after so long (1 to {MOST_DRAIN}; {DRAIN_SECONDS})",
    )  # fmt: skip
    add_consent(end)
    end.set_defaults(run=_end)


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_DRAIN:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 1 to {MOST_DRAIN}")
    return int(text)


def _list(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.kinds import SESSIONS

    found = desk.target.do(control.sessions(desk.printer.tell_lack))
    chosen = [session for session in found if words.adapter in ("", session.adapter)]
    desk.printer.many(SESSIONS, chosen)
    if not chosen:
        if words.adapter:
            desk.target.do(control.adapter(words.adapter))  # or there is none of that name
        desk.printer.tell("no live sessions" + (f" of {words.adapter}" if words.adapter else ""))
    return OK


def _get(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.kinds import SESSIONS

    desk.printer.one(SESSIONS, desk.target.do(control.session(words.id)))
    return OK


def _record(words: argparse.Namespace, desk: Desk) -> int:
    import asyncio

    path = words.write or Path(f"{words.id}.jsonl")
    with recording_file(path) as file:
        try:
            asyncio.run(_write(words.id, desk, file))
        finally:
            if count := file.tell():
                desk.printer.tell(f"{path}: {count} bytes; mcpdeck replay {path} --against ADAPTER")
            else:
                path.unlink()
        if not count:
            desk.printer.tell(f"nothing was heard; there is no {path}")
    return OK


async def _write(session: str, desk: Desk, file: IO[bytes]) -> None:
    from mcpdeck.traffic.recording import written

    async with aclosing(followed(desk, session=session)) as messages:
        async for message in messages:
            file.write(written(message))
            file.flush()


def _end(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.changes import each

    desk.target.must_be_writable()
    must_consent(words, desk, verb="End", names=words.ids, lost=str)

    def end(session_id: str) -> None:
        desk.target.do(control.end_session(session_id, drain=words.drain))
        desk.printer.tell(f"{session_id} is ended")

    return each(desk, words.ids, end, str)
