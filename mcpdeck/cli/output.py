"""What a command prints: tables for people, JSON and YAML for programs. Data goes to stdout, all else to stderr."""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any, Final, NamedTuple

import msgspec

from mcpdeck.cli.exits import USAGE, Failure
from mcpdeck.config.settings import Color, Output, Settings
from mcpdeck.model.plain import one_line

API_VERSION: Final = "mcpdeck.dev/v1"
GAP: Final = "  "


class Column[Item](NamedTuple):
    """`tone` gives an SGR colour of a cell; `key` what it is sorted by, the cell itself by default."""

    title: str
    cell: Callable[[Item], str]
    is_wide: bool = False
    is_right: bool = False
    key: Callable[[Item], Any] | None = None
    tone: Callable[[Item], str] | None = None


class View[Item](NamedTuple):
    """One kind of thing as it is printed."""

    kind: str
    columns: Sequence[Column[Item]]
    name: Callable[[Item], str]
    plain: Callable[[Item], Any] = msgspec.to_builtins
    yaml: Callable[[Item], str] | None = None


class Printer:
    """Where a command's words go, in the way that was asked for."""

    def __init__(self, settings: Settings, *, quiet: bool = False, headers: bool = True, sort_by: str = "") -> None:
        self.output = settings.output
        self.is_quiet = quiet
        self._headers = headers
        self._sort_by = sort_by
        self.has_color = colored(settings.color, sys.stdout)

    def tell(self, sentence: str) -> None:
        """A message, on stderr."""
        if not self.is_quiet:
            print(sentence, file=sys.stderr, flush=True)

    def tell_lack(self, reason: str) -> None:
        """Of a list: it is not known to be whole."""
        self.tell(f"this list may lack what other gateways have: {reason}")

    def many[Item](self, view: View[Item], items: Iterable[Item]) -> None:
        items = self._sorted(view, list(items))
        match self.output:
            case Output.JSON:
                self.json(
                    {"apiVersion": API_VERSION, "kind": f"{view.kind}List", "items": list(map(view.plain, items))}
                )
            case Output.TABLE | Output.WIDE:
                self._table(view, items)
            case _:
                self._each(view, items)
        sys.stdout.flush()  # what follows may be a long wait, and who reads a pipe wants it now

    def one[Item](self, view: View[Item], item: Item) -> None:
        if self.output is Output.JSON:
            self.json(view.plain(item))
        else:
            self.many(view, [item])

    def row[Item](self, view: View[Item], item: Item, widths: Sequence[int]) -> None:
        """A line of a table whose widths are known."""
        columns = self._columns(view)
        print(self._line(columns, item, [column.cell(item) for column in columns], widths), flush=True)

    def json(self, value: Any) -> None:
        encoded = msgspec.json.format(msgspec.json.encode(value)) if sys.stdout.isatty() else msgspec.json.encode(value)
        print(encoded.decode(), flush=True)

    def jsonl(self, value: Any) -> None:
        print(msgspec.json.encode(value).decode(), flush=True)

    def _each[Item](self, view: View[Item], items: Sequence[Item]) -> None:
        for number, item in enumerate(items):
            match self.output:
                case Output.NAME:
                    print(one_line(view.name(item)))
                case Output.JSONL:
                    self.jsonl(view.plain(item))
                case _:
                    print("---\n" * bool(number) + _yaml(view, item), end="")

    def _sorted[Item](self, view: View[Item], items: list[Item]) -> list[Item]:
        if not self._sort_by:
            return items
        wanted = self._sort_by.removeprefix("-").upper()
        titles = {column.title: column for column in view.columns}
        if wanted not in titles:
            raise Failure(USAGE, f"--sort-by {self._sort_by}: no such column; there are {', '.join(titles).lower()}")
        column = titles[wanted]
        return sorted(items, key=column.key or column.cell, reverse=self._sort_by.startswith("-"))

    def _table[Item](self, view: View[Item], items: Sequence[Item]) -> None:
        columns = self._columns(view)
        rows = [[one_line(column.cell(item)) for column in columns] for item in items]
        widths = self.widths(view, items)
        if self._headers and rows:
            print(_joined([column.title for column in columns], columns, widths))
        for item, cells in zip(items, rows, strict=True):
            print(self._line(columns, item, cells, widths))

    def widths[Item](self, view: View[Item], items: Sequence[Item]) -> list[int]:
        columns = self._columns(view)
        return [
            max([len(column.title) if self._headers else 0, *(len(one_line(column.cell(item))) for item in items)])
            for column in columns
        ]

    def _columns[Item](self, view: View[Item]) -> Sequence[Column[Item]]:
        return [column for column in view.columns if self.output is Output.WIDE or not column.is_wide]

    def _line[Item](
        self, columns: Sequence[Column[Item]], item: Item, cells: Sequence[str], widths: Sequence[int]
    ) -> str:
        line = _joined(cells, columns, widths)
        if sys.stdout.isatty():
            line = line[: shutil.get_terminal_size().columns]
        if not self.has_color:
            return line
        place = 0
        for column, cell, width in zip(columns, cells, widths, strict=True):
            if column.tone and (tone := column.tone(item)):
                end = place + len(cell)
                return f"{line[:place]}\x1b[{tone}m{line[place:end]}\x1b[0m{line[end:]}"
            place += width + len(GAP)
        return line


def add_options(parser: argparse.ArgumentParser, *, table: bool = True) -> None:
    """-o and its like, for a command that prints data. table: whether it has rows."""
    parser.add_argument("-o", "--output", choices=list(Output), metavar="FORMAT", help=", ".join(Output))
    if table:
        parser.add_argument("--no-headers", action="store_true", help="a table without its titles")
        parser.add_argument("--sort-by", default="", metavar="COLUMN", help="by a column; =-COLUMN turns it round")


def printer(words: argparse.Namespace, settings: Settings) -> Printer:
    """As the words and settings have it."""
    if output := getattr(words, "output", None):
        settings = msgspec.structs.replace(settings, output=Output(output))
    if color := getattr(words, "color", None):
        settings = msgspec.structs.replace(settings, color=Color(color))
    return Printer(
        settings,
        quiet=getattr(words, "quiet", False),
        headers=not getattr(words, "no_headers", False),
        sort_by=getattr(words, "sort_by", ""),
    )


def colored(color: Color, stream: IO[str]) -> bool:
    """Whether to colour what goes there."""
    if color is Color.AUTO:
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return color is Color.ALWAYS


def _joined[Item](cells: Sequence[str], columns: Sequence[Column[Item]], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if column.is_right else cell.ljust(width)
        for cell, column, width in zip(cells, columns, widths, strict=True)
    )
    return GAP.join(padded).rstrip()


def _yaml[Item](view: View[Item], item: Item) -> str:
    if view.yaml:
        return view.yaml(item)
    import yaml

    return str(yaml.safe_dump(view.plain(item), sort_keys=False, allow_unicode=True, width=100))
