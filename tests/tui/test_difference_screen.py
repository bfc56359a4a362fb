"""Before an edit is sent: the arrows go between the buttons, and never into the difference, where they would scroll."""

from textual.app import App
from textual.widgets import Button

from mcpdeck.tui.screens.difference import DifferenceScreen


async def test_arrows_go_between_the_buttons() -> None:
    answers: list[bool | None] = []
    app = App[None]()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(DifferenceScreen("Change?", before="a: 1", after="a: 2"), answers.append)
        seen = []
        for key in ("left", "right", "h", "left"):
            await pilot.press(key)
            assert isinstance(app.focused, Button)
            seen.append(app.focused.id)
        assert seen == ["cancel", "apply", "cancel", "apply"]
        await pilot.press("left", "enter")
        await pilot.pause()
        assert answers == [False]
