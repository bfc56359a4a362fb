"""Where a file can be opened before whoever reads."""

import pytest

from mcpdeck.opener import SUFFIXES, opener


@pytest.mark.parametrize(
    ("platform", "environ", "command"),
    [
        ("linux", {"DISPLAY": ":0"}, "xdg-open"),
        ("linux", {"WAYLAND_DISPLAY": "w"}, "xdg-open"),
        ("linux", {}, ""),
        ("linux", {"SSH_CONNECTION": "x"}, ""),
        ("linux", {"SSH_CONNECTION": "x", "DISPLAY": ":10"}, "xdg-open"),
        ("darwin", {}, "open"),
        ("darwin", {"SSH_CONNECTION": "x"}, ""),
    ],
)
def test_a_desktop_is_one_that_somebody_sits_before(platform: str, environ: dict[str, str], command: str) -> None:
    assert opener(platform, environ) == command


def test_nothing_opens_that_could_run() -> None:
    assert {kind.partition("/")[0] for kind in SUFFIXES} == {"image", "audio"}
    assert "image/svg+xml" not in SUFFIXES
