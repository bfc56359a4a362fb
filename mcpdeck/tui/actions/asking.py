"""The question before something is lost. Does what was asked only after a yes."""

from collections.abc import Callable, Sequence

from mcpdeck.tui.deck import Deck


def ask(
    deck: Deck,
    question: str,
    *,
    facts: Sequence[tuple[str, str]],
    lost: str,
    verb: str,
    then: Callable[[], None],
) -> None:
    """Names the context, and what it is about, before it is done."""
    from mcpdeck.tui.screens.confirm import ConfirmScreen

    def answered(yes: bool | None) -> None:
        if yes:
            then()

    told = [("Context", deck.state.context), *facts]
    deck.open_above(ConfirmScreen(question, facts=told, consequence=lost, verb=verb), answered)
