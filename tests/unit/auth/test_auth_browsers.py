"""A browser is used for signing in where it opens in a window of its own, and leaves the terminal alone."""

import sys
import webbrowser
from pathlib import Path

import pytest

from mcpdeck.auth import browsers
from mcpdeck.auth.account import Method


@pytest.fixture
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSH_CONNECTION", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)


def finds(monkeypatch: pytest.MonkeyPatch, browser: webbrowser.BaseBrowser | None) -> None:
    def get(using: str | None = None) -> webbrowser.BaseBrowser:
        if browser is None:
            raise webbrowser.Error("could not locate runnable browser")
        return browser

    monkeypatch.setattr(webbrowser, "get", get)


@pytest.mark.usefixtures("no_display")
@pytest.mark.parametrize("name", sorted(browsers.TEXT_BROWSERS))
def test_browser_that_draws_in_the_terminal_is_not_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, webbrowser.GenericBrowser(f"/usr/bin/{name}"))
    assert not browsers.opens_window()
    assert browsers.usual_method() is Method.DEVICE_CODE


@pytest.mark.usefixtures("no_display")
def test_machine_without_a_browser_signs_in_by_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, None)
    assert not browsers.opens_window()
    assert browsers.usual_method() is Method.DEVICE_CODE
    browsers.hush()


@pytest.mark.usefixtures("no_display")
@pytest.mark.parametrize("found", [webbrowser.Chrome("chromium"), webbrowser.GenericBrowser("/opt/editor/open.sh")])
def test_browser_with_a_window_is_the_usual_way(found: webbrowser.BaseBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, found)
    assert browsers.usual_method() is Method.BROWSER


def test_from_afar_a_code_is_the_usual_way_unless_windows_are_forwarded(monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, webbrowser.Chrome("chromium"))
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")
    monkeypatch.delenv("DISPLAY", raising=False)
    assert browsers.usual_method() is Method.DEVICE_CODE
    monkeypatch.setenv("DISPLAY", "localhost:10.0")
    assert browsers.usual_method() is Method.BROWSER


def test_command_of_the_environment_writes_nothing_into_the_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seen = tmp_path / "seen"
    script = f"import sys; print('loud'); sys.stderr.write('loud'); open({str(seen)!r}, 'w').write(sys.argv[1])"
    finds(monkeypatch, webbrowser.GenericBrowser([sys.executable, "-c", script, "%s"]))
    registered: list[webbrowser.BaseBrowser] = []
    monkeypatch.setattr(webbrowser, "register", lambda _name, _kind, it, *, preferred: registered.append(it))
    browsers.hush()
    [quiet] = registered
    assert isinstance(quiet, browsers.QuietBrowser)
    assert quiet.open("https://idp.example/authorize?a=%s")
    assert quiet.started is not None
    assert quiet.started.wait(30) == 0
    assert seen.read_text() == "https://idp.example/authorize?a=%s"
    assert capfd.readouterr() == ("", "")


def test_command_that_is_not_there_is_said_to_have_opened_nothing(tmp_path: Path) -> None:
    assert not browsers.QuietBrowser(str(tmp_path / "none"), ["%s"]).open("https://idp.example")
