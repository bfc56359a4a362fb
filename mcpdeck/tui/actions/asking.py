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
    deck.open_above(ConfirmScreen(question, facts=told, consequence=lost, verb=verb, typed=typed), answered)
