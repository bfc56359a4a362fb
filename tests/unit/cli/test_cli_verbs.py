"""Logs, sessions, contexts, info and the rest, against a gateway on a real socket."""

import asyncio
import os
import re
import socket
import sys
from pathlib import Path

import msgspec
import pytest

from mcpdeck import VERSION
from mcpdeck.cli.main import VERBS, parser
from mcpdeck.cli.words import Words, seconds, split
from tests.support import scenes
from tests.support.command import Command
from tests.support.fake_gateway import FakeGateway, Fault


async def test_log_is_printed_as_it_is(mcpdeck: Command, gateway: FakeGateway) -> None:
    ended = await mcpdeck("logs", "weather", "--tail", "2", "--timestamps")
    assert ended.out.splitlines() == scenes.weather_log()[-2:]
    await mcpdeck("logs", "weather", "--previous", "--since", "5m", "--instance", "1")
    first, second = gateway.seen("GET", "/adapters/weather/logs")
    assert (first.query["instance"], first.query["tail"]) == ("all", "2")
    assert (second.query["instance"], second.query["previous"], "tail" in second.query) == ("1", "true", False)
    assert re.match(r"\d{4}-\d\d-\d\dT", second.query["since"])


async def test_log_is_cut_to_what_is_looked_for_and_told_as_data(mcpdeck: Command) -> None:
    ended = await mcpdeck("logs", "weather", "--grep", "ERROR|WARN")
    assert ended.out
    assert all(re.search("ERROR|WARN", line) for line in ended.out.splitlines())
    line = (await mcpdeck("logs", "weather", "--tail", "1", "--jsonl")).jsonl[0]
    assert line["instance"].startswith("weather-")
    assert line["time"].startswith("2026-11-24T")
    assert "\x1b[1;31mERROR\x1b[0m" in (await mcpdeck("--color", "always", "logs", "weather", "--grep", "ERROR")).out


async def test_followed_log_goes_on_where_it_was_when_its_stream_broke(
    mcpdeck: Command, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcpdeck.cli.logs.FIRST_PAUSE", 0.01)
    gateway.scene.logs["weather"] = ["[weather-0] 2026-11-24T12:00:00Z first"]
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(mcpdeck("logs", "weather", "-f", "--tail", "1"))
        await gateway.followed("weather")
        gateway.write_log("weather", "[weather-0] 2026-11-24T12:00:01Z before")
        gateway.cut_streams()
        async with asyncio.timeout(10), gateway._arrived:
            await gateway._arrived.wait_for(
                lambda: len(gateway.seen("GET", "/adapters/weather/logs")) == 2 and bool(gateway._followers["weather"])
            )
        gateway.fail("GET", "/adapters/weather/logs", Fault(404, "it is gone"))
        gateway.write_log("weather", "[weather-0] 2026-11-24T12:00:02Z after")
        gateway.cut_streams()
    ended = following.result()
    assert ended.out.splitlines() == ["[weather-0] first", "[weather-0] before", "[weather-0] after"]
    assert (ended.code, "it is gone" in ended.err) == (6, True)
    assert gateway.seen("GET", "/adapters/weather/logs")[1].query["since"] == "2026-11-24T12:00:01Z"


async def test_log_of_a_gateway_that_was_never_there_is_exit_4(mcpdeck: Command, gateway: FakeGateway) -> None:
    gateway.fail("GET", "/adapters/weather/logs", Fault(0))
    assert (await mcpdeck("logs", "weather", "-f")).code == 4


@pytest.mark.parametrize(
    "words", [["--since", "soon"], ["--grep", "("], ["--instance", "x"], ["--instance", "0", "--all-replicas"]]
)
async def test_log_that_can_not_be_asked_for_is_exit_2(mcpdeck: Command, words: list[str]) -> None:
    assert (await mcpdeck("logs", "weather", *words)).code == 2


async def test_sessions_are_listed_shown_and_ended(mcpdeck: Command, gateway: FakeGateway) -> None:
    listed = await mcpdeck("sessions", "list", "--adapter", "weather", "--no-headers")
    assert len(listed.out.splitlines()) == 12
    assert "claude-code" in listed.out
    first = listed.out.split()[0]
    assert (await mcpdeck("sessions", "get", first, "-o", "json")).json["adapter"] == "weather"
    ended = await mcpdeck("sessions", "end", first)
    assert (ended.code, ended.err) == (0, f"{first} is ended\n")
    assert first not in gateway.scene.sessions
    assert (await mcpdeck("sessions", "end", first)).code == 6


async def test_contexts_are_added_used_listed_and_removed(mcpdeck: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MCPDECK_URL")
    assert "no gateway is known" in (await mcpdeck("contexts", "list")).err
    added = await mcpdeck("contexts", "add", "prod", "https://p.example", "--protected")
    assert added.err == "prod is added: https://p.example\nprod is meant from now on\n"
    await mcpdeck("contexts", "add", "test", "https://t.example")
    told = (await mcpdeck("contexts", "list", "-o", "json")).json["items"]
    assert told == [
        {"name": "prod", "url": "https://p.example", "protected": True},
        {"name": "test", "url": "https://t.example"},
    ]
    await mcpdeck("contexts", "use", "test")
    assert re.search(r"^\* +test ", (await mcpdeck("contexts", "list")).out, re.MULTILINE)
    await mcpdeck("contexts", "remove", "test")
    assert (await mcpdeck("contexts", "use", "test")).code == 2
    assert (await mcpdeck("contexts", "add", "x", "nonsense")).code == 2


async def test_mistake_in_a_file_is_exit_2_with_its_line(mcpdeck: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MCPDECK_URL")
    folder = mcpdeck.folder / "config" / "mcpdeck"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("output: table\ncolour: never\n")
    ended = await mcpdeck("version")
    assert ended.code == 0  # needs no settings
    ended = await mcpdeck("contexts", "list")
    assert ended.code == 2
    assert "config.yaml:2: colour: no such key; did you mean color?" in ended.err


async def test_no_gateway_is_exit_4_with_what_to_do(mcpdeck: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MCPDECK_URL")
    ended = await mcpdeck("adapters", "list")
    assert ended.code == 4
    assert "mcpdeck up starts one" in ended.err
    ended = await mcpdeck("--gateway", "http://127.0.0.1:9", "adapters", "list")
    assert ended.code == 4
    assert "http://127.0.0.1:9 can not be reached" in ended.err


async def test_info_prints_paths_and_versions_though_no_gateway_answers(
    mcpdeck: Command, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = (await mcpdeck("info", "-o", "json")).json
    assert told["versions"]["mcpdeck"] == VERSION
    assert told["paths"]["contexts"] == str(mcpdeck.folder / "config" / "mcpdeck" / "contexts.yaml")
    assert told["gateway"]["you"] == "Ada (mcp.admin)"
    monkeypatch.delenv("MCPDECK_URL")
    ended = await mcpdeck("info")
    assert ended.code == 0
    assert "no gateway of `mcpdeck up` runs" in ended.out


async def test_whoami_is_of_the_context_that_is_meant(mcpdeck: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Ada (ada)" in (await mcpdeck("whoami")).out
    assert (await mcpdeck("whoami", "-o", "json")).json["roles"] == ["mcp.admin"]
    monkeypatch.delenv("MCPDECK_URL")
    assert (await mcpdeck("whoami")).code == 4


async def test_token_of_the_environment_goes_with_every_request(
    mcpdeck: Command, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCPDECK_TOKEN", "t0ken")
    await mcpdeck("sessions", "list")
    await mcpdeck("adapters", "list")
    await mcpdeck("logs", "weather", "--tail", "1")
    assert {it.headers["authorization"] for it in gateway.requests} == {"Bearer t0ken"}
    gateway.fail("GET", "/sessions/live", Fault(401, "expired"))
    ended = await mcpdeck("sessions", "list")
    assert ended.code == 3


async def test_deck_is_opened_where_it_was_asked_for(mcpdeck: Command, gateway: FakeGateway) -> None:
    assert (await mcpdeck("tui", "--view", "logs", "--adapter", "weather", "--read-only")).code == 0
    [(context, words)] = mcpdeck.shown
    assert (context.url, words.view, words.adapter, words.read_only) == (gateway.url, "logs", "weather", True)


async def test_deck_opens_without_a_command_whichever_gateway_is_meant(mcpdeck: Command, gateway: FakeGateway) -> None:
    for words in ([], ["--gateway", gateway.url], [f"--gateway={gateway.url}", "-q"]):
        assert (await mcpdeck(*words, typed="")).code == 0
    assert [context.url for context, _ in mcpdeck.shown] == [gateway.url] * 3
    for words in (["--gateway"], ["--nope"]):
        assert (await mcpdeck(*words, typed="")).code == 2
    assert len(mcpdeck.shown) == 3


async def test_place_that_does_not_exist_is_told_before_the_deck_opens(mcpdeck: Command) -> None:
    ended = await mcpdeck("tui", "--view", "kitchen")
    assert (ended.code, mcpdeck.shown) == (2, [])
    assert "'kitchen' is no view; there are adapters, " in ended.err


async def test_words_that_make_no_sense_are_exit_2_with_the_way_to_help(mcpdeck: Command) -> None:
    for words in (["adapters"], ["adaptrs"], ["adapters", "list", "--nope"], ["version", "--", "x"], ["--context"]):
        ended = await mcpdeck(*words)
        assert (ended.code, ended.out) == (2, ""), words
        assert "mcpdeck: " in ended.err
        assert "--help" in ended.err


async def test_without_words_and_terminal_help_goes_to_stderr(mcpdeck: Command) -> None:
    ended = await mcpdeck()
    assert (ended.code, ended.out) == (2, "")
    assert "adapters" in ended.err


async def test_defect_is_one_sentence_unless_it_is_looked_for(
    mcpdeck: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcpdeck.control.sessions", lambda _note: 1 / 0)
    ended = await mcpdeck("sessions", "list")
    assert ended.code == 1
    assert "a defect of mcpdeck: ZeroDivisionError" in ended.err
    monkeypatch.setenv("MCPDECK_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        await mcpdeck("sessions", "list")


async def test_failure_is_json_wherever_json_is_wanted(mcpdeck: Command, gateway: FakeGateway) -> None:
    folder = mcpdeck.folder / "config" / "mcpdeck"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("output: json\n")
    gateway.fail("POST", ".*", Fault(403, "no"))
    ended = await mcpdeck("adapters", "restart", "time")
    assert msgspec.json.decode(ended.err)["error"]["code"] == "forbidden"


async def test_interrupt_is_exit_130(mcpdeck: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_note: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mcpdeck.control.sessions", interrupted)
    assert (await mcpdeck("sessions", "list")).code == 130


def test_every_command_says_what_it_does() -> None:
    def check(words: str, of: Words) -> None:
        verbs = of.verbs()
        for name, verb in verbs.items():
            assert verb.description, f"{words} {name}"
            check(f"{words} {name}", verb)

    top = parser()
    assert top.verbs().keys() == VERBS.keys()
    check("mcpdeck", top)


def test_what_stands_behind_two_dashes_is_kept_apart() -> None:
    assert split(["a", "--wait", "--", "--wait", "--"]) == (["a", "--wait=Ready"], ["--wait", "--"])
    assert split(["a", "--dry-run"]) == (["a", "--dry-run=client"], None)


def test_durations_are_read_as_people_write_them() -> None:
    assert [seconds(text) for text in ("90", "1.5m", "2h", "1d", "250ms")] == [90, 90, 7200, 86400, 0.25]


def test_version_is_that_of_the_package() -> None:
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert f'version = "{VERSION}"' in project


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="looks for bash")
async def test_completion_of_bash_knows_commands_options_and_names(mcpdeck: Command) -> None:
    await mcpdeck("adapters", "list")
    script = (await mcpdeck("completion", "bash")).out
    asked = {
        "ad": "adapters",
        "adapters cr": "create",
        "adapters create --repl": "--replicas",
        "logs wea": "weather",
        "--context prod logs wea": "weather",
        "completion z": "zsh",
        "adapters create x --stdio -- w": "",
    }
    lines = "\n".join(
        f"COMP_WORDS=(mcpdeck {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=(); _mcpdeck; "
        'echo "${COMPREPLY[*]}"'
        for words in asked
    )
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", f"{script}\n{lines}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await shell.communicate()
    assert out.decode().splitlines() == list(asked.values())


async def test_completion_is_there_for_every_shell(mcpdeck: Command) -> None:
    for shell in ("zsh", "fish", "powershell"):
        script = (await mcpdeck("completion", shell)).out
        assert "adapters" in script
        assert "--replicas" in script or "replicas" in script


@pytest.mark.parametrize(
    ("line", "told", "advice"),
    [
        ("adapter list", "there is no 'adapter'; did you mean adapters?", "mcpdeck --help"),
        ("adapters lst", "there is no 'lst'; did you mean list?", "mcpdeck adapters --help"),
        ("adapters list -o xml2", "it is one of table, wide, json, jsonl, yaml, name", "mcpdeck adapters list --help"),
        ("adapters list --nonsense", "not understood: --nonsense", "mcpdeck adapters list --help"),
        ("audit verify", "missing: FILE", "mcpdeck audit verify --help"),
        ("completion", "missing: SHELL", "mcpdeck completion --help"),
    ],
)
async def test_words_that_are_not_right_are_told_with_the_help_of_that_very_command(
    mcpdeck: Command, line: str, told: str, advice: str
) -> None:
    ended = await mcpdeck(*line.split())
    assert (ended.code, ended.out) == (2, "")
    first, second = ended.err.splitlines()
    assert first.startswith("mcpdeck: ")
    assert first.endswith(told)
    assert second == f"  {advice}"


@pytest.mark.parametrize("verb", ["whoami", "login", "adapters list", "logs weather", "call weather forecast"])
async def test_gateway_that_is_away_is_told_alike_by_every_verb(mcpdeck: Command, verb: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    ended = await mcpdeck(*verb.split(), "--gateway", url)
    assert ended.code == 4
    assert ended.err.startswith(f"mcpdeck: {url}")
    assert "can not be reached: Connection refused\n  does it run? mcpdeck up starts one here" in ended.err


async def test_recording_in_which_nothing_was_said_leaves_no_file(mcpdeck: Command, tmp_path: Path) -> None:
    file = tmp_path / "none.jsonl"
    ended = await mcpdeck("sessions", "record", "nobody", "-w", str(file))
    assert ended.code == 6
    assert ended.err.startswith("mcpdeck: ")
    assert len(ended.err.splitlines()) == 1
    assert not file.exists()


async def test_help_fits_sixty_columns(mcpdeck: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert max(len(line) for line in (await mcpdeck("--help")).out.splitlines()) <= 60
