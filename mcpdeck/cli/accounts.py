"""`mcpdeck login|logout|whoami|token` for the context that is meant. What they do is `identity`'s."""

import argparse
import os
from typing import TYPE_CHECKING

from mcpdeck.cli import identity
from mcpdeck.cli.target import none_runs
from mcpdeck.config.contexts import Contexts
from mcpdeck.config.places import places
from mcpdeck.config.running import Running

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    identity.add_parsers(commands, target=_target, accounts=places().accounts_file)


def _target(words: argparse.Namespace) -> identity.Aim:
    here = places()
    contexts = Contexts(here.contexts_file, Running(here.running))
    context = contexts.chosen(name=getattr(words, "context", ""), url=getattr(words, "gateway", ""), environ=os.environ)
    if not context.url:
        raise none_runs(context.name)
    return identity.Aim(context.name, context.url, context.ca_file, is_forwarded=contexts.is_forwarded(context.name))
