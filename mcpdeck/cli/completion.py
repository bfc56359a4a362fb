"""`mcpdeck completion`: a script for the reader's shell, made of the commands themselves.

Names of adapters come from what `adapters list` last saw: a completion asks no gateway and starts no Python.
"""

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words

NAMED = ("adapters get", "adapters edit", "adapters delete", "adapters rm", "adapters scale", "adapters restart",
         "adapters status", "logs", "tools list", "call", "connect", "stdio")  # fmt: skip


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "Print a completion script for a shell."
    completion = commands.add_parser("completion", help=line, description=line + " In bash: source <(mcpdeck "
                                     "completion bash); in fish: mcpdeck completion fish | source.")  # fmt: skip
    completion.add_argument("shell", metavar="SHELL", choices=sorted(_SHELLS), help=", ".join(sorted(_SHELLS)))
    completion.set_defaults(run=_print)


def _print(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.main import parser

    print(_SHELLS[words.shell](list(places_of(parser())), desk.places.names), end="")
    return OK


class Place(NamedTuple):
    """What may follow some words: commands and options with their help."""

    words: str
    commands: dict[str, str]
    options: dict[str, str]

    @property
    def takes_name(self) -> bool:
        return self.words in NAMED


def places_of(parser: "Words", path: tuple[str, ...] = ()) -> Iterator[Place]:
    """Every place of the command line, from the top."""
    verbs = parser.verbs()
    options = {name: told for names, told in parser.options() for name in names}
    commands = {name: verb.description or "" for name, verb in verbs.items()}
    yield Place(" ".join(path), commands or dict.fromkeys(parser.values(), ""), options)
    for name, verb in verbs.items():
        yield from places_of(verb, (*path, name))


def _bash(places: list[Place], names: Path) -> str:
    cases = "\n".join(
        f'    "{place.words}") words={shlex.quote(" ".join([*place.commands, *place.options]))}; '
        f"named={int(place.takes_name)} ;;"
        for place in places
    )
    return f"""\
# mcpdeck: completion for bash
_mcpdeck() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" place="" word words="" named=0 index
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="${{COMP_WORDS[index]}}"
    [[ "$word" == -- ]] && return
    [[ "$word" == -* ]] && continue
    case "${{place:+$place }}$word" in
{_known(places)}) place="${{place:+$place }}$word" ;;
    esac
  done
  case "$place" in
{cases}
  esac
  if [[ "$named" == 1 && "$current" != -* ]]; then
    words="$({_cat(names)})"
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o default -F _mcpdeck mcpdeck
"""


def _known(places: list[Place]) -> str:
    return "      " + "|".join(f'"{place.words}"' for place in places if place.words)


def _zsh(places: list[Place], names: Path) -> str:
    cases = "\n".join(
        f'    "{place.words}") named={int(place.takes_name)}; candidates=({_zsh_words(place)}) ;;' for place in places
    )
    return f"""\
#compdef mcpdeck
# mcpdeck: completion for zsh
_mcpdeck() {{
  local place="" word named=0
  local -a candidates
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    [[ "$word" == -- ]] && return
    [[ "$word" == -* ]] && continue
    case "${{place:+$place }}$word" in
{_known(places)}) place="${{place:+$place }}$word" ;;
    esac
  done
  case "$place" in
{cases}
  esac
  if (( named )) && [[ "$PREFIX" != -* ]]; then
    candidates=(${{(f)"$({_cat(names)})"}})
    compadd -a candidates
  else
    _describe mcpdeck candidates
  fi
}}
if [[ "${{funcstack[1]}}" == _mcpdeck ]]; then _mcpdeck "$@"; else compdef _mcpdeck mcpdeck; fi
"""


def _zsh_words(place: Place) -> str:
    described = {**place.commands, **place.options}
    return " ".join(
        shlex.quote(word.replace(":", r"\:") + ":" + " ".join(told.split())) for word, told in described.items()
    )


def _fish(places: list[Place], names: Path) -> str:
    known = " ".join(shlex.quote(place.words) for place in places if place.words)
    lines = [
        "# mcpdeck: completion for fish",
        "function __mcpdeck_place",
        "    set -l place",
        "    for word in (commandline -opc)[2..]",
        "        string match -q -- '-*' $word; and continue",
        "        set -l next (string join ' ' $place $word)",
        f"        contains -- $next {known}; and set place $next",
        "    end",
        "    echo $place",
        "end",
        "complete -c mcpdeck -e",
        "complete -c mcpdeck -f",
    ]
    for place in places:
        where = f"""complete -c mcpdeck -n 'test "$(__mcpdeck_place)" = "{place.words}"'"""
        lines += [f"{where} -a {shlex.quote(name)} -d {_fish_quoted(told)}" for name, told in place.commands.items()]
        lines += [f"{where} {_fish_option(name)} -d {_fish_quoted(told)}" for name, told in place.options.items()]
        if place.takes_name:
            lines.append(f"{where} -a '({_cat(names)})'")
    return "\n".join(lines) + "\n"


def _fish_option(name: str) -> str:
    return f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"


def _fish_quoted(text: str) -> str:
    return "'" + " ".join(text.split()).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _cat(names: Path) -> str:
    """Names that any gateway told; nothing where none has been asked yet."""
    return f"find {shlex.quote(str(names))} -type f -exec cat {{}} + 2>/dev/null | sort -u"


def _powershell(places: list[Place], names: Path) -> str:
    table = "\n".join(
        f"    '{place.words}' = @({', '.join(_single(word) for word in (*place.commands, *place.options))})"
        for place in places
    )
    named = ", ".join(_single(place.words) for place in places if place.takes_name)
    return f"""\
# mcpdeck: completion for PowerShell
Register-ArgumentCompleter -Native -CommandName mcpdeck -ScriptBlock {{
  param($current, $command, $cursor)
  $places = @{{
{table}
  }}
  $named = @({named})
  $place = ''
  foreach ($word in $command.CommandElements | Select-Object -Skip 1 | ForEach-Object {{ $_.ToString() }}) {{
    if ($word -eq $current -and $word -ne '') {{ break }}
    if ($word.StartsWith('-')) {{ continue }}
    $next = if ($place) {{ "$place $word" }} else {{ $word }}
    if ($places.ContainsKey($next)) {{ $place = $next }}
  }}
  $found = $places[$place]
  if ($named -contains $place -and -not $current.StartsWith('-')) {{
    $found = Get-Content -Path (Join-Path {_single(str(names))} '*') -ErrorAction SilentlyContinue
  }}
  $found | Where-Object {{ $_ -like "$current*" }} | ForEach-Object {{
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }}
}}
"""


def _single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish, "powershell": _powershell}
