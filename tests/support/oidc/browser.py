"""A browser for tests: follows redirects and submits self-posting forms, as a person's does, in a thread of its own."""

import html
import re
import ssl
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

_FORM = re.compile(r'<form method="post" action="([^"]+)">')
_INPUT = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


class TestBrowser(webbrowser.BaseBrowser):
    __test__ = False

    def __init__(self, authority: Path) -> None:
        super().__init__("test")
        self._trust = ssl.create_default_context(cafile=str(authority))
        self.visited: list[str] = []
        self.threads: list[threading.Thread] = []

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        thread = threading.Thread(target=self.visit, args=(url,), name="test browser")
        self.threads.append(thread)
        thread.start()
        return True

    def visit(self, url: str) -> None:
        with httpx.Client(verify=self._trust, follow_redirects=True, timeout=10, trust_env=False) as client:
            page = client.get(url)
            self.visited += [str(each.url) for each in [*page.history, page]]
            if form := _FORM.search(page.text):
                fields = {html.unescape(name): html.unescape(value) for name, value in _INPUT.findall(page.text)}
                self.visited.append(str(client.post(html.unescape(form[1]), data=fields).url))


@contextmanager
def the_only_browser(authority: Path) -> Iterator[TestBrowser]:
    """What `webbrowser.open` opens, for the block."""
    browser = TestBrowser(authority)
    webbrowser.register("test", None, browser, preferred=True)
    before = webbrowser._tryorder  # type: ignore[attr-defined]
    webbrowser._tryorder = ["test"]  # type: ignore[attr-defined]
    try:
        yield browser
    finally:
        webbrowser._tryorder = [each for each in before if each != "test"]  # type: ignore[attr-defined]
        for thread in browser.threads:
            thread.join(10)
