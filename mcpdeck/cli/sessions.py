"""`mcpdeck sessions list|get|end`: the live MCP sessions of a gateway."""

import argparse
from typing import TYPE_CHECKING

from mcpdeck import control
from mcpdeck.cli import output
from mcpdeck.cli.consent import add_consent, must_consent
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words


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
    line = "End sessions; their clients begin anew."
    end = verbs.add_parser("end", help=line, description=line)
    end.add_argument("ids", nargs="+", metavar="ID")
    add_consent(end)
    end.set_defaults(run=_end)


def _list(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.kinds import SESSIONS

    found = desk.target.do(control.sessions())
    chosen = [session for session in found if words.adapter in ("", session.adapter)]
    desk.printer.many(SESSIONS, chosen)
    if not chosen:
        desk.printer.tell("no live sessions")
    return OK


def _get(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.kinds import SESSIONS

    desk.printer.one(SESSIONS, desk.target.do(control.session(words.id)))
    return OK


def _end(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.changes import each

    desk.target.must_be_writable()
    must_consent(words, desk, verb="End", names=words.ids, lost=str)

    def end(session_id: str) -> None:
        desk.target.do(control.end_session(session_id))
        desk.printer.tell(f"{session_id} is ended")

    return each(desk, words.ids, end, str)
