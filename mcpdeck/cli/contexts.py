"""`mcpdeck contexts list|use|add|remove`: the gateways that the reader knows by name."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mcpdeck.cli import output
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK
from mcpdeck.config.contexts import Context, checked_url

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "The gateways that you know by name."
    verbs = commands.add_parser("contexts", help=line, description=line).nested()
    line = "All of them, and which one is meant."
    listed = verbs.add_parser("list", aliases=["ls"], help=line, description=line)
    output.add_options(listed)
    listed.set_defaults(run=_list)
    line = "Mean this one from now on."
    use = verbs.add_parser("use", help=line, description=line)
    use.add_argument("name", metavar="NAME")
    use.set_defaults(run=_use)
    line = "Name a gateway, or change what a name means."
    add = verbs.add_parser("add", help=line, description=line)
    add.add_argument("name", metavar="NAME")
    add.add_argument("address", metavar="URL")
    add.add_argument("--ca-file", default="", metavar="FILE", help="one more authority to trust, PEM")
    add.add_argument("--read-only", action="store_true", help="change nothing through it")
    add.add_argument("--protected", action="store_true", help="deleting asks for the name")
    add.add_argument("--use", action="store_true", help="and mean it from now on")
    add.set_defaults(run=_add)
    line = "Forget a name. A sign-in stays until `mcpdeck logout`."
    remove = verbs.add_parser("remove", aliases=["rm"], help=line, description=line)
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(run=_remove)


def _list(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.auth.account import Accounts, origin_of
    from mcpdeck.cli.output import Column, View

    accounts = Accounts(desk.places.accounts_file)
    chosen = desk.contexts.chosen(
        name=getattr(words, "context", ""), url=getattr(words, "gateway", ""), environ=os.environ
    )

    def account(context: Context) -> str:
        found = accounts.find(context.name, origin_of(context.url))
        return "" if found is None else found.username or str(found.method)

    view = View[Context](
        kind="Context",
        columns=[
            Column("CURRENT", lambda context: "*" if context.name == chosen.name else ""),
            Column("NAME", lambda context: context.name),
            Column("URL", lambda context: context.url),
            Column("SIGNED IN", account),
            Column("RULES", lambda context: " ".join(_rules(context))),
        ],
        name=lambda context: context.name,
    )
    found = desk.contexts.all()
    desk.printer.many(view, found)
    if not found:
        desk.printer.tell(
            "no gateway is known; mcpdeck up starts one here, mcpdeck contexts add NAME URL names another"
        )
    return OK


def _rules(context: Context) -> list[str]:
    return ["read-only"] * context.read_only + ["protected"] * context.protected


def _use(words: argparse.Namespace, desk: Desk) -> int:
    desk.contexts.use(words.name)
    desk.printer.tell(f"{words.name} is meant from now on")
    return OK


def _add(words: argparse.Namespace, desk: Desk) -> int:
    context = Context(
        name=words.name,
        url=checked_url(words.address),
        ca_file=str(Path(words.ca_file).resolve()) if words.ca_file else "",
        read_only=words.read_only,
        protected=words.protected,
    )
    is_new = desk.contexts.add(context, use=words.use)
    desk.printer.tell(f"{context.name} is {'added' if is_new else 'changed'}: {context.url}")
    if desk.contexts.current() == context.name:
        desk.printer.tell(f"{context.name} is meant from now on")
    return OK


def _remove(words: argparse.Namespace, desk: Desk) -> int:
    desk.contexts.remove(words.name)
    desk.printer.tell(f"{words.name} is forgotten")
    return OK
