"""What the reader is asked: before something is lost, and which adapter is meant. Does nothing without an answer."""

from collections.abc import Callable, Sequence

from mcpdeck.tui.deck import Deck


def name_adapter(deck: Deck, word: str) -> None:
    """Let the reader type an adapter's name after this command; the one under the cursor in Adapters stands there."""
    name = next(iter(deck.place.adapter_names or deck.adapters_view.adapter_names), "")
    deck.prompt.open(":", f"{word} {name}", select_from=len(word) + 1)


def ask(
    deck: Deck,
    question: str,
    *,
    facts: Sequence[tuple[str, str]],
    lost: str,
    verb: str,
    then: Callable[[], None],
    name: str = "",
    is_own: bool = False,
) -> None:
    """Names the context, and what it is about, before it is done.

    name: to be typed where the context is protected. is_own: it is about the reader's own files, and no gateway.
    """
    from mcpdeck.tui.screens.confirm import ConfirmScreen

    def answered(yes: bool | None) -> None:
        if yes:
            then()

    here = deck.state.here
    context = ("Context", f"{here.name}, protected" if here.protected else here.name)
    told = facts if is_own else [context, *facts]
    typed = name if here.protected and not is_own else ""
    deck.push_screen(ConfirmScreen(question, facts=told, consequence=lost, verb=verb, typed=typed), answered)
