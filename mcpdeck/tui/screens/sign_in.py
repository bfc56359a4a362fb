"""Where a gateway would have one sign in, shown before anything is sent there. Signs nobody in."""

from typing import ClassVar

from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Label

from mcpdeck.auth.account import Method
from mcpdeck.tui.identity import Plan


class SignInScreen(ModalScreen[Plan | None]):
    """Dismissed with the plan, and the way that was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,n", "dismiss(None)", "Cancel", show=False),
        Binding("right,tab,l", "app.focus_next", "Next button", show=False),
        Binding("left,shift+tab,h", "app.focus_previous", "Button before", show=False),
    ]

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def compose(self) -> ComposeResult:
        account = self._plan.account
        kept = "the keyring of this machine" if self._plan.is_lasting else "memory only: there is no keyring here"
        facts = [
            ("Gateway", account.gateway),
            ("Sign in at", self._plan.place),
            ("As client", account.client_id),
            ("Asking for", account.scope or "no scope in particular"),
            ("Kept in", kept),
        ]
        with Vertical(classes="dialog -sign-in"):
            yield Label("Sign in?", classes="dialog-title", markup=False)
            for label, value in facts:
                with Horizontal(classes="fact"):
                    yield Label(label, classes="fact-label", markup=False)
                    yield Label(value, classes="fact-value", markup=False)
            yield Label("The gateway names this place. Go on if you know it.", classes="consequence", markup=False)
            if not self._plan.opens_window:
                yield Label("No browser opens in a window here: the code is typed elsewhere.", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Device code", id=Method.DEVICE_CODE, compact=True)
                if self._plan.opens_window:
                    yield Button("Browser", id=Method.BROWSER, compact=True)

    def on_mount(self) -> None:
        self.set_focus(self.query_one(f"#{self._plan.account.method}"))

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "cancel":
            self.dismiss(None)
        else:
            chosen = replace(self._plan.account, method=Method(event.button.id or ""))
            self.dismiss(replace(self._plan, account=chosen))
