"""Keys that come in one go with the one that ends a jump: they are for what lies below it."""

from textual import events

from mcpdeck.model.commands import View
from tests.support import scenes
from tests.support.deck import deck_on


async def test_digit_behind_the_key_that_ends_a_jump_goes_to_the_view() -> None:
    async with deck_on(scenes.team()) as deck:
        await deck.type("<ctrl+o>")
        await deck.until(lambda: len(deck.app.screen_stack) == 2)
        deck.app.post_message(events.Key("escape", None))
        deck.app.post_message(events.Key("3", "3"))
        await deck.until(lambda: len(deck.app.screen_stack) == 1 and deck.view is View.SESSIONS)
