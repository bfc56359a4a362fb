"""`mcpdeck adapters` against a gateway on a real socket: what is printed, what is sent, how it ends."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from gateway.wire.resources import AdapterSpec, Phase
from tests.support import scenes
from tests.support.command import Command
from tests.support.fake_gateway import FakeGateway, Fault, stored


async def test_list_is_a_table_for_people_without_colour_where_it_is_piped(mcpdeck: Command) -> None:
    ended = await mcpdeck("adapters", "list")
    head, *rows = ended.out.splitlines()
    assert (ended.code, len(rows)) == (0, 14)
    assert head.split()[:4] == ["NAME", "STATUS", "READY", "SESSIONS"]
    assert "\x1b" not in ended.out
    [crm] = [row for row in rows if "legacy-crm" in row]
    assert "Failed" in crm
    assert "ImagePullBackOff" in crm


async def test_list_has_every_format(mcpdeck: Command) -> None:
    names = sorted(scenes.team().adapters)
    assert (await mcpdeck("adapters", "list", "-o", "name")).out.splitlines() == names
    told = (await mcpdeck("adapters", "list", "-o", "json")).json
    assert (told["apiVersion"], told["kind"], len(told["items"])) == ("mcpdeck.dev/v1", "AdapterList", 14)
    assert [it["name"] for it in (await mcpdeck("adapters", "list", "-o", "jsonl")).jsonl] == names
    assert (await mcpdeck("adapters", "list", "-o", "yaml")).out.count("\n---\n") == 13
    assert "OWNER" in (await mcpdeck("adapters", "list", "-o", "wide")).out
    assert not (await mcpdeck("adapters", "list", "--no-headers")).out.startswith("NAME")


async def test_list_is_sorted_by_any_column(mcpdeck: Command) -> None:
    ended = await mcpdeck("adapters", "list", "--sort-by=-restarts", "--no-headers")
    assert ended.out.startswith("search")
    wrong = await mcpdeck("adapters", "list", "--sort-by", "weight")
    assert wrong.code == 2
    assert "no such column" in wrong.err


async def test_empty_list_is_empty_and_says_how_to_begin_beside_it(mcpdeck: Command, gateway: FakeGateway) -> None:
    gateway.scene.adapters.clear()
    ended = await mcpdeck("adapters", "list")
    assert (ended.code, ended.out) == (0, "")
    assert "adapters create" in ended.err
    assert (await mcpdeck("adapters", "list", "--quiet")).err == ""


async def test_names_are_kept_for_the_shells_completion(mcpdeck: Command, gateway: FakeGateway) -> None:
    await mcpdeck("adapters", "list")
    [file] = (mcpdeck.folder / "cache" / "mcpdeck" / "names").iterdir()
    assert file.read_text().splitlines() == sorted(gateway.scene.adapters)


async def test_get_gives_one_and_several(mcpdeck: Command) -> None:
    one = (await mcpdeck("adapters", "get", "weather", "-o", "json")).json
    assert (one["name"], one["status"]["phase"]) == ("weather", "Ready")
    assert len((await mcpdeck("adapters", "get", "weather", "time", "--no-headers")).out.splitlines()) == 2
    assert "name: weather" in (await mcpdeck("adapters", "get", "weather", "-o", "yaml")).out


async def test_status_is_told_in_words_and_as_data(mcpdeck: Command) -> None:
    ended = await mcpdeck("adapters", "status", "search")
    assert "OOMKilled" in ended.out
    assert "Raise resources.limits.memory" in ended.out
    assert (await mcpdeck("adapters", "status", "search", "-o", "json")).json["phase"] == "Degraded"
    assert (await mcpdeck("adapters", "status", "absent")).code == 6


async def test_what_is_not_there_is_exit_6_with_one_line_of_json(mcpdeck: Command) -> None:
    ended = await mcpdeck("adapters", "get", "absent", "-o", "json")
    assert (ended.code, ended.out) == (6, "")
    [line] = ended.err.splitlines()
    assert msgspec.json.decode(line) == {
        "error": {"code": "not-found", "message": "there is no adapter 'absent'", "status": 404}
    }


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Fault(401), 3), (Fault(403), 7), (Fault(409), 8), (Fault(412), 8), (Fault(429), 4), (Fault(500), 1),
     (Fault(502), 4), (Fault(503), 4), (Fault(504), 4), (Fault(400), 2), (Fault(0), 4)],
)  # fmt: skip
async def test_every_kind_of_failure_has_its_exit_code(
    mcpdeck: Command, gateway: FakeGateway, fault: Fault, code: int
) -> None:
    gateway.fail("POST", "/adapters/time/restart", fault)
    assert (await mcpdeck("adapters", "restart", "time")).code == code


async def test_create_sends_what_the_words_say(mcpdeck: Command, gateway: FakeGateway, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# keys\nexport A='1'\n")
    ended = await mcpdeck(
        "adapters", "create", "new", "--stdio", "--replicas", "2", "--env-file", str(tmp_path / ".env"), "--env", "B=x=y",
        "--secret-env", "TOKEN=vault/key", "--role", "ops", "--role", "dev", "--description", "It's new",
        "--isolation", "shared", "--resurrect", "-o", "name", "--", "uvx", "server", "--", "-x",
    )  # fmt: skip
    assert (ended.code, ended.out) == (0, "new\n")
    assert ended.err == f"new is deployed: {gateway.url}/adapters/new/mcp\n"
    [request] = gateway.seen("POST", "/adapters")
    assert msgspec.json.decode(request.body) == {
        "name": "new",
        "stdio": {"command": "uvx", "args": ["server", "--", "-x"]},
        "environmentVariables": {"A": "1", "B": "x=y"},
        "secretEnvironment": {"TOKEN": {"secret": "vault", "key": "key"}},
        "replicaCount": 2,
        "description": "It's new",
        "requiredRoles": ["ops", "dev"],
        "session": {"isolation": "shared", "idleTimeout": 1800.0, "max": 1000, "resurrect": True},
    }


async def test_create_takes_urls_and_images(mcpdeck: Command, gateway: FakeGateway) -> None:
    assert (await mcpdeck("adapters", "create", "a", "--url", "https://x/mcp", "--header", "X-Key=s/k")).code == 0
    assert (
        await mcpdeck("adapters", "create", "b", "--image", "ghcr.io/a/b:1.2", "--port", "9", "--", "serve")
    ).code == 0
    a, b = (msgspec.json.decode(it.body) for it in gateway.seen("POST", "/adapters"))
    assert a == {"name": "a", "url": "https://x/mcp", "headers": {"X-Key": {"secret": "s", "key": "k"}}}
    assert b == {"name": "b", "imageName": "ghcr.io/a/b", "imageVersion": "1.2", "port": 9, "command": ["serve"]}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["x"], "where is the server?"),
        (["--url", "https://x"], "needs a NAME"),
        (["x", "--stdio"], "needs the server's command"),
        (["x", "--url", "https://x", "--", "cmd"], "what is 'cmd' after --?"),
        (["x", "--stdio", "--url", "https://x"], "not allowed with"),
        (["No Name", "--url", "nope"], "is not a DNS label"),
        (["x", "--url", "https://x", "--env", "B"], "wanted NAME=VALUE"),
        (["x", "--url", "https://x", "--secret-env", "B=c"], "wanted SECRET/KEY"),
        (["x", "--url", "https://x", "--env-file", "/no/such"], "/no/such: No such file"),
        (["-f", "/no/such"], "/no/such: No such file"),
    ],
)
async def test_create_that_can_not_be_is_exit_2_and_sends_nothing(
    mcpdeck: Command, gateway: FakeGateway, words: list[str], told: str
) -> None:
    ended = await mcpdeck("adapters", "create", *words)
    assert ended.code == 2
    assert told in ended.err
    assert gateway.seen("POST", ".*") == []


async def test_taken_name_and_the_servers_own_checks_are_told(mcpdeck: Command, gateway: FakeGateway) -> None:
    taken = await mcpdeck("adapters", "create", "weather", "--url", "https://x/mcp")
    assert (taken.code, "exists" in taken.err) == (8, True)
    gateway.fail("POST", "/adapters", Fault(400, "not valid", {"stdio.command": ["is not allowed"]}))
    refused = await mcpdeck("adapters", "create", "n", "--stdio", "--", "rm")
    assert refused.code == 2
    assert "stdio.command is not allowed" in refused.err


async def test_dry_run_prints_and_sends_nothing(mcpdeck: Command, gateway: FakeGateway) -> None:
    ended = await mcpdeck("adapters", "create", "n", "--url", "https://x/mcp", "--dry-run")
    assert ended.out == "name: n\nurl: https://x/mcp\n"
    told = (await mcpdeck("adapters", "create", "n", "--url", "https://x/mcp", "--dry-run=client", "-o", "json")).json
    assert told == {"name": "n", "url": "https://x/mcp"}
    assert gateway.requests == []


async def test_apply_creates_changes_and_leaves_alone(mcpdeck: Command, gateway: FakeGateway, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(
        "name: new\nurl: https://n/mcp\n---\nname: github\nurl: https://other/mcp\n---\n"
        "name: linear\nurl: https://mcp.linear.app/mcp\n"
    )
    ended = await mcpdeck("adapters", "apply", "-f", str(file))
    assert ended.code == 0
    assert ended.err.splitlines() == [
        f"new is deployed: {gateway.url}/adapters/new/mcp",
        "github is changed",
        "linear is unchanged",
    ]
    [put] = gateway.seen("PUT", ".*")
    assert put.headers["if-match"] == scenes.team().adapters["github"].etag


async def test_what_get_prints_can_be_applied(mcpdeck: Command, gateway: FakeGateway) -> None:
    for form in ("json", "yaml"):
        printed = (await mcpdeck("adapters", "list", "-o", form)).out
        ended = await mcpdeck("adapters", "apply", "-f", "-", stdin=printed)
        assert ended.code == 0, ended.err
        assert ended.err.count("is unchanged") == 14
    assert gateway.seen("P.*", "/adapters") == []


async def test_one_of_several_that_fails_holds_up_none_and_is_exit_9(mcpdeck: Command, gateway: FakeGateway) -> None:
    gateway.fail("POST", "/adapters/absent/restart", Fault(404, "no adapter"))
    ended = await mcpdeck("adapters", "restart", "time", "absent", "fetch")
    assert (ended.code, ended.err) == (9, "time restarts\nabsent: no adapter\nfetch restarts\n")
    gateway.fail("POST", ".*/restart", Fault(403, "no"))
    assert (await mcpdeck("adapters", "restart", "time", "fetch")).code == 7


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: x\nulr: https://x\n", "ulr is not a known field; did you mean url?"),
        ("name: x\nreplicaCount: many\n", "replicaCount"),
        ("name: [\n", ":2: "),
        ("", "holds no specification"),
        ("- a\n", "a specification is a map"),
    ],
)
async def test_file_that_is_not_right_is_told_with_its_place(
    mcpdeck: Command, tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    ended = await mcpdeck("adapters", "apply", "-f", str(file))
    assert ended.code == 2
    assert told in ended.err
    assert "wrong.yaml" in ended.err


async def test_scale_patches_the_number_alone(mcpdeck: Command, gateway: FakeGateway) -> None:
    ended = await mcpdeck("adapters", "scale", "sentry", "5")
    assert (ended.code, ended.err) == (0, "sentry scales to 5 replicas\n")
    assert msgspec.json.decode(gateway.seen("PATCH", ".*")[0].body) == {"replicaCount": 5}


async def test_delete_without_a_terminal_does_not_ask(mcpdeck: Command, gateway: FakeGateway) -> None:
    ended = await mcpdeck("adapters", "delete", "time", "fetch")
    assert ended.code == 0
    assert not {"time", "fetch"} & gateway.scene.adapters.keys()


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 2), ("no\n", 2)])
async def test_delete_on_a_terminal_asks_and_says_what_is_lost(
    mcpdeck: Command, gateway: FakeGateway, answer: str, code: int
) -> None:
    ended = await mcpdeck("adapters", "delete", "weather", typed=answer)
    assert ended.code == code
    assert "12 live sessions will drop" in ended.err
    assert ("weather" in gateway.scene.adapters) is (code != 0)
    assert (await mcpdeck("adapters", "delete", "time", "--yes", typed="")).code == 0


async def test_protected_context_wants_the_name_and_a_read_only_one_nothing(
    mcpdeck: Command, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MCPDECK_URL")
    await mcpdeck("contexts", "add", "prod", gateway.url, "--protected", "--use")
    refused = await mcpdeck("adapters", "delete", "time", "--yes")
    assert refused.code == 2
    assert "--confirm time" in refused.err
    assert (await mcpdeck("adapters", "delete", "time", "fetch", "--confirm", "time")).code == 2
    assert (await mcpdeck("adapters", "delete", "time", "--confirm", "time")).code == 0
    await mcpdeck("contexts", "add", "look", gateway.url, "--read-only")
    for words in (["scale", "sentry", "2"], ["restart", "sentry"], ["delete", "sentry"], ["edit", "sentry"]):
        ended = await mcpdeck("--context", "look", "adapters", *words)
        assert (ended.code, "read-only" in ended.err) == (7, True)


async def test_edit_needs_a_terminal_and_the_values_it_edits(mcpdeck: Command, gateway: FakeGateway) -> None:
    assert "needs a terminal" in (await mcpdeck("adapters", "edit", "time")).err
    hidden = scenes.stdio("hidden", "x")
    adapter = msgspec.structs.replace(stored(hidden, owner="tom"), environment_variables={"TOKEN": None})
    gateway.scene.adapters["hidden"] = adapter
    assert (await mcpdeck("adapters", "edit", "hidden")).code == 7


async def test_edit_sends_what_was_saved_and_keeps_what_was_refused(
    mcpdeck: Command, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcpdeck.editor.edit", lambda text, suffix: text.replace("replicaCount: 2", "replicaCount: 4"))
    assert (await mcpdeck("adapters", "edit", "sentry", typed="")).err == "sentry is changed\n"
    [put] = gateway.seen("PUT", "/adapters/sentry")
    assert msgspec.json.decode(put.body, type=AdapterSpec).replica_count == 4
    assert put.headers["if-match"] == '"1"'
    assert (await mcpdeck("adapters", "edit", "time", typed="")).err == "time is unchanged\n"
    gateway.fail("PUT", ".*", Fault(412, "somebody changed it"))
    refused = await mcpdeck("adapters", "edit", "filesystem", typed="")
    assert refused.code == 8
    kept = Path(refused.err.split("is kept in ")[1].split(":")[0])
    assert "replicaCount: 4" in kept.read_text()  # noqa: ASYNC240
    kept.unlink()  # noqa: ASYNC240


async def test_wait_ends_when_the_adapter_stands(mcpdeck: Command, gateway: FakeGateway) -> None:
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(mcpdeck("adapters", "create", "n", "--url", "https://x/mcp", "--wait"))
        await gateway.request("GET", "/events")
        gateway.put_status("n", scenes.status(Phase.STARTING, [scenes.instance("n-0", Phase.STARTING)]))
        gateway.put_status("n", scenes.status(Phase.READY, [scenes.instance("n-0")]))
    ended = waiting.result()
    assert ended.code == 0
    assert ended.err.splitlines()[-1] == "n is ready"


async def test_wait_in_vain_is_exit_10(mcpdeck: Command, gateway: FakeGateway) -> None:
    ended = await mcpdeck("adapters", "scale", "sentry", "4", "--wait=Ready", "--timeout", "0.1s")
    assert ended.code == 10
    assert "not ready after 0.1 s" in ended.err
    gateway.put_status("time", scenes.status(Phase.FAILED, [], reason="ImagePullBackOff", message="no such image"))
    hopeless = await mcpdeck("adapters", "scale", "time", "1", "--wait")
    assert hopeless.code == 10
    assert "no such image" in hopeless.err


async def test_restart_waits_for_other_instances_than_before(mcpdeck: Command, gateway: FakeGateway) -> None:
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(mcpdeck("adapters", "restart", "time", "--wait"))
        await gateway.request("GET", "/events")
        gateway.put_status("time", scenes.status(Phase.READY, [scenes.instance("time-0")]))  # still the old one
        gateway.put_status("time", scenes.status(Phase.READY, [scenes.instance("time-0", uid="another")]))
    assert waiting.result().code == 0


async def test_watch_tells_changes_as_json_lines_until_the_gateway_goes(mcpdeck: Command, gateway: FakeGateway) -> None:
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(mcpdeck("adapters", "list", "--watch", "-o", "jsonl"))
        await gateway.request("GET", "/events")
        gateway.remove("time")
        gateway.cut_streams()
    ended = watching.result()
    assert ended.code == 4
    assert ended.jsonl[-1] == {"type": "deleted", "kind": "Adapter", "name": "time", "resource": None}


async def test_watch_for_people_is_the_table_and_a_row_for_each_change(mcpdeck: Command, gateway: FakeGateway) -> None:
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(mcpdeck("adapters", "list", "--watch"))
        await gateway.request("GET", "/events")
        gateway.put_status("time", scenes.status(Phase.FAILED, [], reason="Gone"))
        gateway.cut_streams()
    ended = watching.result()
    lines = ended.out.splitlines()
    assert len(lines) == 16
    assert lines[-1].split()[:2] == ["time", "Failed"]


async def test_no_escape_sequence_of_a_server_is_printed(mcpdeck: Command, gateway: FakeGateway) -> None:
    evil = "A\x1b]0;PWNED\x07\x9b31mB\u202e\nC"
    adapter = gateway.scene.adapters["time"]
    gateway.scene.adapters["time"] = msgspec.structs.replace(adapter, description=evil, created_by=evil)
    for form in ("table", "wide", "json", "jsonl", "yaml"):
        out = (await mcpdeck("adapters", "list", "-o", form)).out
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(out), form
    gateway.fail("POST", ".*", Fault(500, evil))
    assert "\x1b" not in (await mcpdeck("adapters", "restart", "time")).err
