"""The command line's grammar: a parser whose every command also takes the words that all share. Runs nothing."""

import argparse
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NoReturn

from mcpdeck.cli.exits import USAGE, Failure
from mcpdeck.meant import meant

_IMPLIED: Final = {"--wait": "--wait=Ready", "--dry-run": "--dry-run=client"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Words(argparse.ArgumentParser):
    """What follows `--` is kept apart in `trailing`, for commands of servers; `takes_trailing` says who wants it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False} | options)
        self.register("type", int, _whole)
        shared = self.add_argument_group("every command")
        absent = argparse.SUPPRESS
        shared.add_argument("--context", metavar="NAME", default=absent, help="which gateway: mcpdeck contexts list")
        shared.add_argument("--gateway", metavar="URL", default=absent, help="which gateway, by its address")
        shared.add_argument(
            "--color", choices=("auto", "always", "never"), default=absent, help="auto heeds NO_COLOR and the terminal"
        )
        shared.add_argument("-q", "--quiet", action="store_true", default=absent, help="no messages, only data")

    def nested(self) -> "argparse._SubParsersAction[Words]":
        """The commands below this one."""
        self.set_defaults(run=self._without_command)
        return self.add_subparsers(dest="verb", metavar="COMMAND", title="commands", parser_class=Words)

    def _without_command(self, _words: argparse.Namespace, _desk: object) -> NoReturn:
        first = {id(parser): name for name, parser in reversed(self.verbs().items())}  # an alias is no other command
        self.error(f"which command? {', '.join(reversed(first.values()))}")

    def verbs(self) -> dict[str, "Words"]:
        """The commands below this one, by name."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  (argparse names its kind nowhere else)
                return dict(action.choices)
        return {}

    def options(self) -> Iterator[tuple[Sequence[str], str]]:
        """Of this command: names and help."""
        for action in self._actions:
            if action.option_strings and action.help != argparse.SUPPRESS:
                yield action.option_strings, action.help or ""

    def values(self) -> list[str]:
        """What its words may be, where that is a choice."""
        return [str(it) for action in self._actions if not action.option_strings for it in action.choices or ()]

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """What is not known is refused where it stands, so that the advice is about this command."""
        words, unknown = super().parse_known_args(args, namespace)
        if unknown:
            near = self._near(unknown[0]) if unknown[0].startswith("--") else ""
            self.error(f"not understood: {' '.join(unknown)}" + (f"; {near}" if near else ""))
        return words, unknown

    def _near(self, option: str) -> str:
        """Dashes do not make words alike."""
        known = [name[2:] for names, _ in self.options() for name in names if name.startswith("--")]
        return meant(option[2:].partition("=")[0], known).replace("mean ", "mean --")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """argparse lists what there is as Python writes it; a reader wants the word that was meant."""
        if action.choices is None or value in action.choices:
            return
        known = [str(it) for it in action.choices]
        advice = meant(str(value), known) or f"it is one of {', '.join(known)}"
        raise argparse.ArgumentError(action, f"there is no {str(value)!r}; {advice}")

    def error(self, message: str) -> NoReturn:
        message = message.replace("the following arguments are required:", "missing:")
        raise Failure(USAGE, message, hint=f"{self.prog} --help")


def split(argv: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """What is ours, and what stands behind `--`; None without one. A bare `--wait` means `--wait=Ready`."""
    words = list(argv)
    place = words.index("--") if "--" in words else None
    ours, trailing = (words, None) if place is None else (words[:place], words[place + 1 :])
    return [_IMPLIED.get(word, word) for word in ours], trailing


def seconds(text: str) -> float:
    """`90`, `5m`, `1.5h`, `2d` as seconds, for argparse."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration, such as 30s, 5m, 2h")
    return float(found[1]) * _SECONDS[found[2]]


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def port(text: str) -> int:
    """Where to listen; 0 is any that is free. For argparse."""
    number = _whole(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return number


def count(text: str) -> int:
    """At least one, for argparse."""
    number = _whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: at least 1 is wanted")
    return number


def pair(text: str) -> tuple[str, str]:
    """`NAME=VALUE`, for argparse."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r}: wanted NAME=VALUE")
    return name, value
