"""The demo's servers: small, of the standard library alone, and right about the protocol."""

import subprocess
import sys
from typing import Any

import pytest

from mcpdeck.samples import dice, notes, weather
from mcpdeck.samples.lines import RpcError, answered
from tests.support.programs import ROOT

META = {f"{dice.PREFIX}protocolVersion": dice.VERSION, f"{dice.PREFIX}clientCapabilities": {}}


@pytest.mark.parametrize("name", ["weather", "dice", "notes"])
def test_samples_need_nothing_but_python(name: str) -> None:
    code = (
        f"import sys, mcpdeck.samples.{name}; "
        "print(sorted({it.partition('.')[0] for it, found in sys.modules.items() if found} - sys.stdlib_module_names - {'__main__'}))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout == "['mcpdeck']\n"


def test_forecast_is_the_same_whenever_it_is_asked_for() -> None:
    asked: dict[str, Any] = {"name": "get_forecast", "arguments": {"city": "Oslo", "days": 7}}
    first, second = (weather.handle("tools/call", asked) for _ in range(2))
    assert first == second
    assert len(first["structuredContent"]["days"]) == 7


@pytest.mark.parametrize(
    "arguments", [{"city": "Atlantis"}, {}, {"city": "Oslo", "days": 9}, {"city": "Oslo", "days": "x"}]
)
def test_what_the_weather_does_not_know_is_the_tools_own_error(arguments: dict[str, Any]) -> None:
    assert weather.handle("tools/call", {"name": "get_forecast", "arguments": arguments})["isError"]


def test_handshake_agrees_on_a_version_that_both_speak() -> None:
    for module in (weather, notes):
        assert module.handle("initialize", {"protocolVersion": "2025-06-18"})["protocolVersion"] == "2025-06-18"
        assert module.handle("initialize", {"protocolVersion": "1999"})["protocolVersion"] == "2025-11-25"


def test_dice_speak_one_version_and_name_it_to_all_others() -> None:
    other: dict[str, Any] = {"_meta": META | {f"{dice.PREFIX}protocolVersion": "x"}}
    asked: list[tuple[str, dict[str, Any]]] = [("initialize", {}), ("tools/list", other)]
    for method, params in asked:
        with pytest.raises(RpcError) as error:
            dice.handle(method, params)
        assert error.value.error["code"] == -32022
        assert error.value.error["data"]["supported"] == ["2026-07-28"]
    assert dice.handle("server/discover", {"_meta": META})["supportedVersions"] == ["2026-07-28"]
    assert answered({"method": "tools/list", "params": {}}, dice.handle)["error"]["code"] == -32602


@pytest.mark.parametrize("text", ["lots", "0d6", "2d", ""])
def test_what_is_no_dice_is_the_tools_own_error(text: str) -> None:
    params = {"name": "roll", "arguments": {"dice": text}, "_meta": META}
    assert dice.handle("tools/call", params)["isError"]


def test_notes_are_kept_and_found() -> None:
    notes.handle("tools/call", {"name": "add_note", "arguments": {"text": "Buy Milk"}})
    found = notes.handle("tools/call", {"name": "search_notes", "arguments": {"word": "buy milk"}})
    assert found["structuredContent"] == {"notes": ["Buy Milk"]}


@pytest.mark.parametrize("module", [weather, notes])
def test_what_there_is_not_is_a_protocol_error(module: Any) -> None:
    for method, params, code in (("prompts/list", {}, -32601), ("tools/call", {"name": "nope"}, -32602)):
        assert answered({"method": method, "params": params}, module.handle)["error"]["code"] == code
