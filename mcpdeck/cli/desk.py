"""What every command works with: its gateway, its printer, the reader's places and settings. Opened when first used."""

import argparse
import os
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from mcpdeck.config.contexts import Context, Contexts
from mcpdeck.config.places import Places, places
from mcpdeck.config.running import Running

if TYPE_CHECKING:
    from mcpdeck.cli.output import Printer
    from mcpdeck.cli.target import Target
    from mcpdeck.client import GatewayClient
    from mcpdeck.config.settings import Settings


class ShowDeck(Protocol):
    """Opens the deck and returns its exit status. The command line knows no more of it."""

    def __call__(self, desk: "Desk", words: argparse.Namespace) -> int: ...


class Desk:
    """trailing: what stood behind `--`, None without one."""

    def __init__(self, words: argparse.Namespace, trailing: list[str] | None, show_deck: ShowDeck) -> None:
        self._words = words
        self.trailing = trailing
        self.show_deck = show_deck

    @cached_property
    def places(self) -> Places:
        return places()

    @cached_property
    def settings(self) -> "Settings":
        from mcpdeck.config.settings import settings

        return settings(self.places.settings_file, os.environ)

    @cached_property
    def printer(self) -> "Printer":
        from mcpdeck.cli.output import printer

        return printer(self._words, self.settings)

    @cached_property
    def running(self) -> Running:
        running = Running(self.places.running)
        running.tidy()
        return running

    @cached_property
    def contexts(self) -> Contexts:
        return Contexts(self.places.contexts_file, self.running)

    @cached_property
    def target(self) -> "Target":
        name, url = getattr(self._words, "context", ""), getattr(self._words, "gateway", "")
        return self.target_of(self.contexts.chosen(name=name, url=url, environ=os.environ))

    def target_of(self, context: Context) -> "Target":
        from mcpdeck.auth.account import Accounts
        from mcpdeck.cli.target import Target

        return Target(context, Accounts(self.places.accounts_file), os.environ)

    def connect(self, context: str) -> "GatewayClient":
        """A client of a context, to be entered, for who switches between them."""
        from mcpdeck.cli.switching import client_of

        return client_of(
            context,
            chosen=self.target.context,
            contexts=self.contexts,
            open_client=lambda found: self.target_of(found).client(),
        )

    def remember_names(self, names: Iterable[str]) -> None:
        """For the shell's completion, which asks no gateway. A cache that can not be written is done without."""
        file = self.places.names / self.target.context.name.replace("/", "_")
        text = "".join(f"{name}\n" for name in names)
        try:
            if not file.exists() or file.read_text() != text:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        except OSError:
            return
