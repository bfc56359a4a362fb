"""What README and docs say of the command line is what it takes, and every command is told of."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcpdeck.cli import exits
from mcpdeck.cli.main import VERBS, parser
from mcpdeck.cli.words import Words
from tests.support.programs import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
LINE = re.compile(r"^(?:source <\()?mcpdeck\s+(.*)$")
INLINE = re.compile(r"`mcpdeck ([^`\n]+)`")


def said(page: Path) -> Iterator[str]:
    """Each command line of a page, without what a shell does with it."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if found := LINE.match(line.removeprefix("$ ").strip()):
                yield re.split(r"\s+#\s|\s[|>]\s+(?![-A-Z])|\)$", found[1])[0]
    yield from (line for line in INLINE.findall(text) if line.split()[0] in VERBS)


def command_of(words: list[str]) -> tuple[Words, list[str]]:
    """The innermost command that the words name, and what else they say."""
    command = parser()
    while words and words[0] in command.verbs():
        command, words = command.verbs()[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_are_commands_with_such_options(page: Path) -> None:
    wrong = []
    for line in said(page):
        ours = line.partition(" -- ")[0]
        first = next((word for word in ours.split() if not word.startswith("-")), "")
        command, rest = command_of(re.split(r"[\s\[\]()]+", ours))
        if command.verbs() and first and first.islower() and "`" not in line and rest[:1] != ["…"]:
            wrong += [line] if rest and rest[0] and not rest[0].startswith("-") else []
        known = {name for names, _ in command.options() for name in names}
        given = re.findall(r"(?<![\w-])--?[a-z][a-z-]*", re.sub(r"'[^']*'", "", " ".join(rest)))
        wrong += [f"{line}: {option}" for option in given if option not in known]
    assert wrong == []


def test_every_command_is_told_of_in_the_documentation() -> None:
    told = " ".join(line for page in PAGES for line in said(page)) + (ROOT / "docs" / "cli.md").read_text("utf-8")
    assert [path for path in _leaves(parser(), ()) if " ".join(path[-2:]) not in told and path[-1] not in told] == []


def _leaves(command: Words, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if not command.verbs():
        yield path
    names = {id(inner): name for name, inner in reversed(command.verbs().items())}  # without aliases
    for name in names.values():
        yield from _leaves(command.verbs()[name], (*path, name))


def test_exit_statuses_are_told_as_they_are() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    told = {int(number) for number in re.findall(r"^\| (\d+) \| ", page, re.MULTILINE)}
    numbers = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert told == numbers


def _helps(command: Words, path: str) -> Iterator[tuple[str, Words]]:
    yield path, command
    for name, inner in command.verbs().items():
        yield from _helps(inner, f"{path} {name}")


def test_helps_are_all_of_one_shape() -> None:
    """A sentence that begins with a capital and ends with a full stop; options begin small and end without one."""
    wrong = []
    for path, command in list(_helps(parser(), "mcpdeck"))[1:]:
        said = command.description or ""
        if not re.fullmatch(r"[A-Z].*\.", said, re.DOTALL):
            wrong.append(f"{path}: {said}")
        for names, text in command.options():
            if names[0] != "-h" and text and ((text[0].isupper() and not text[:2].isupper()) or text.endswith(".")):
                wrong.append(f"{path} {names[-1]}: {text}")
    assert wrong == []
