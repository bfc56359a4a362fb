"""The deck's end of a browser tab: Textual's driver for it, which leaves when the other end does. Serves nothing."""

from textual import messages
from textual.drivers.web_driver import WebDriver


class TabDriver(WebDriver):
    """Textual's own would go on without input when the server is gone, and nobody would end it."""

    def run_input_thread(self) -> None:
        super().run_input_thread()
        self._app.post_message(messages.ExitApp())
