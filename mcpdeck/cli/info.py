"""`mcpdeck info` and `version`: what this is, where it keeps things, what it would talk to."""

import argparse
import platform
import sys
from typing import TYPE_CHECKING, Any

from mcpdeck import VERSION
from mcpdeck.cli import output
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK, failure_of

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "Versions, paths and settings: what a report of a problem needs."
    info = commands.add_parser("info", help=line, description=line)
    output.add_options(info, table=False)
    info.set_defaults(run=_info)
    line = "The version."
    commands.add_parser("version", help=line, description=line).set_defaults(run=_version)


def _version(_words: argparse.Namespace, _desk: Desk) -> int:
    print(VERSION)
    return OK


def _info(_words: argparse.Namespace, desk: Desk) -> int:
    told = {"versions": _versions(), "paths": _paths(desk), "settings": _settings(desk), "gateway": _gateway(desk)}
    if desk.printer.output in ("json", "jsonl"):
        desk.printer.json(told)
    elif desk.printer.output == "yaml":
        import yaml

        print(yaml.safe_dump(told, sort_keys=False, allow_unicode=True), end="")
    else:
        for part, facts in told.items():
            print(part)
            for name, value in facts.items():
                print(f"  {name:<12} {value}")
    return OK


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"mcpdeck": VERSION, "python": platform.python_version(), "platform": platform.platform()}
    for package in ("textual", "httpx", "hypercorn", "quart", "msgspec"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found | {"executable": sys.executable}


def _paths(desk: Desk) -> dict[str, str]:
    here = desk.places
    return {
        "contexts": str(here.contexts_file),
        "config": str(here.settings_file),
        "accounts": str(here.accounts_file),
        "gateway": str(here.gateway),
        "cache": str(here.cache),
        "logs": str(here.logs),
    }


def _settings(desk: Desk) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(desk.settings)
    return plain


def _gateway(desk: Desk) -> dict[str, str]:
    """What of it can be had: that it does not answer is worth telling, and no failure."""
    from mcpdeck import control

    told = {"context": desk.target.context.name}
    try:
        told["url"] = desk.target.url
        who = desk.target.do(control.whoami())
        told["you"] = f"{who.name or who.id} ({', '.join(who.roles) or 'no roles'})"
        told["version"] = str(desk.target.do(control.openapi()).get("info", {}).get("version", ""))
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        told["problem"] = failure.sentence
    return told
