"""Contexts, settings and running gateways: which is meant, and what a mistake in a file says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mcpdeck.config.contexts import Context, Contexts
from mcpdeck.config.running import SCRATCH, Running
from mcpdeck.config.settings import Color, Output, Settings, settings
from mcpdeck.errors import Misconfigured

PROD = Context(name="prod", url="https://mcp.example.com")


@pytest.fixture
def contexts(tmp_path: Path) -> Contexts:
    return Contexts(tmp_path / "config" / "contexts.yaml", Running(tmp_path / "running"))


def chosen(contexts: Contexts, *, name: str = "", url: str = "", **environ: str) -> Context:
    return contexts.chosen(name=name, url=url, environ=environ)


def test_without_anything_the_gateway_of_this_machine_is_meant(contexts: Contexts, tmp_path: Path) -> None:
    assert chosen(contexts) == Context(name="local", url="")
    Running(tmp_path / "running").announce("local", "http://127.0.0.1:8700")
    assert chosen(contexts).url == "http://127.0.0.1:8700"
    assert [it.name for it in contexts.all()] == ["local"]


def test_first_context_added_is_meant_and_others_when_told(contexts: Contexts) -> None:
    assert contexts.add(PROD, use=False)
    assert chosen(contexts) == PROD
    assert contexts.add(Context(name="test", url="https://test.example.com"), use=False)
    assert chosen(contexts) == PROD
    contexts.use("test")
    assert chosen(contexts).name == "test"
    contexts.remove("test")
    assert chosen(contexts).name == "local"
    assert not contexts.add(PROD, use=False)


def test_flag_goes_before_variable_before_file(contexts: Contexts) -> None:
    contexts.add(PROD, use=True)
    contexts.add(Context(name="test", url="https://test.example.com"), use=False)
    assert chosen(contexts, MCPDECK_CONTEXT="test").name == "test"
    assert chosen(contexts, name="prod", MCPDECK_CONTEXT="test").name == "prod"
    assert chosen(contexts, name="prod", MCPDECK_URL="http://x").name == "prod"
    assert chosen(contexts, MCPDECK_URL="https://gw.example:8443/").url == "https://gw.example:8443"
    assert chosen(contexts, url="https://gw.example:8443", MCPDECK_CONTEXT="test").name == "gw.example:8443"


def test_all_of_a_context_is_kept(contexts: Contexts, tmp_path: Path) -> None:
    strict = Context(name="prod", url="https://p", ca_file="/ca.pem", read_only=True, protected=True)
    contexts.add(strict, use=True)
    assert contexts.find("prod") == strict
    assert "caFile: /ca.pem" in (tmp_path / "config" / "contexts.yaml").read_text()


@pytest.mark.parametrize(
    ("name", "url", "told"),
    [
        ("a b", "https://x", "no name for a context"),
        ("local", "https://x", "choose another name"),
        ("x", "ftp://x", "no gateway's URL"),
        ("x", "https://u:p@x", "no user"),
        ("x", "https://x?q=1", "query"),
    ],
)
def test_what_can_be_no_context_is_refused(contexts: Contexts, name: str, url: str, told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        contexts.add(Context(name=name, url=url), use=False)


def test_unknown_context_is_told_with_the_known_ones(contexts: Contexts) -> None:
    contexts.add(PROD, use=False)
    with pytest.raises(Misconfigured, match=r"no context 'prd' \(known: prod\)"):
        chosen(contexts, name="prd")
    with pytest.raises(Misconfigured, match="no context"):
        contexts.remove("prd")
    with pytest.raises(Misconfigured, match="built in"):
        contexts.remove("local")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("contexts:\n  prod:\n    ulr: https://x\n", r":3: ulr: no such key; did you mean url\?"),
        ("contexts:\n  prod:\n    url: https://x\n    readOnly: 7\n", ":4: readOnly: expected `bool`, got `int`"),
        ("contexts:\n  prod: {}\n", ":1: url is missing"),
        ("contexts:\n  prod: x\n", ":2: prod: must be a map"),
        ("current: [x]\n", ":1: current: must be a context's name"),
        ("contxts: {}\n", r":1: contxts: no such key; did you mean contexts\?"),
        ("# a\ncurrent: x\ncontexts: [\n", ":4: "),
        ("- a\n", ":1: must be a map"),
    ],
)
def test_mistake_in_the_file_is_told_with_file_and_line(
    contexts: Contexts, tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "config" / "contexts.yaml"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(Misconfigured, match=r"contexts\.yaml" + told):
        contexts.all()


def test_empty_files_say_nothing(contexts: Contexts, tmp_path: Path) -> None:
    path = tmp_path / "config" / "contexts.yaml"
    path.parent.mkdir()
    path.write_text("# nothing yet\n")
    assert contexts.all() == []
    assert settings(path, {}) == Settings()


def test_settings_come_from_variables_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("output: yaml\ncolor: never\nreadOnly: true\n")
    assert settings(path, {}) == Settings(output=Output.YAML, color=Color.NEVER, read_only=True)
    changed = settings(path, {"MCPDECK_OUTPUT": "json", "MCPDECK_READ_ONLY": "false", "MCPDECK_THEME": ""})
    assert changed == Settings(output=Output.JSON, color=Color.NEVER)


def test_wrong_setting_names_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("\noutput: xml\n")
    with pytest.raises(Misconfigured, match=r"config\.yaml:2: output: invalid enum value 'xml'"):
        settings(path, {})
    with pytest.raises(Misconfigured, match="MCPDECK_ASCII=maybe"):
        settings(tmp_path / "absent.yaml", {"MCPDECK_ASCII": "maybe"})


def test_only_who_announced_a_gateway_withdraws_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(tmp_path)
    running.announce("local", "http://a")
    monkeypatch.setattr(os, "getpid", lambda: 1)
    running.withdraw("local")
    assert running.url_of("local") == "http://a"
    monkeypatch.undo()
    running.withdraw("local")
    assert running.url_of("local") == ""
    (tmp_path / "local.1.json").write_text("{broken")
    assert running.url_of("local") == ""


def test_of_two_gateways_of_one_name_the_newest_is_meant_and_then_the_other_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Running(tmp_path)
    running.announce("demo", "http://first")
    monkeypatch.setattr(os, "getpid", lambda: 1)
    running.announce("demo", "")
    assert running.url_of("demo") == "http://first"
    running.announce("demo", "http://second")
    os.utime(tmp_path / "demo.1.json", ns=(2**62, 2**62))
    assert running.url_of("demo") == "http://second"
    running.withdraw("demo")
    assert running.url_of("demo") == "http://first"


def test_what_a_killed_process_left_is_not_told_and_goes_with_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    scratch, other = tmp_path / f"{SCRATCH}abc", tmp_path / "precious"
    for folder in (scratch, other):
        folder.mkdir()
    running = Running(tmp_path / "running")
    running.announce("local", "http://alive", folder=other)
    monkeypatch.setattr(os, "getpid", lambda: ended.pid)
    running.announce("demo", "http://dead", folder=scratch)
    running.announce("local", "http://dead", folder=other)
    monkeypatch.undo()
    assert (running.url_of("demo"), running.url_of("local")) == ("", "http://alive")
    running.tidy()
    assert [file.name for file in (tmp_path / "running").iterdir()] == [f"local.{os.getpid()}.json"]
    assert (scratch.exists(), other.exists()) == (False, True)


def test_of_a_process_of_another_machine_nothing_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that several share: whether it is alive, nobody here can see."""
    running = Running(tmp_path)
    monkeypatch.setattr("platform.node", lambda: "elsewhere")
    monkeypatch.setattr(os, "getpid", lambda: 2**22 + 1)
    running.announce("local", "http://a")
    monkeypatch.undo()
    running.tidy()
    assert running.url_of("local") == "http://a"
