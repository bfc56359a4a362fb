"""Traffic through a whole gateway, over real sockets, with the SDK's client and a server written with the SDK."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from mcp import types
from mcp.client import Client
from mcp.client.context import ClientRequestContext

from gateway.wire.traffic import JSONL, TrafficMessage
from tests.support.gateways import Gateway, gateway
from tests.support.programs import fixture_server
from tests.support.sidecar_process import McpClient
from tests.support.traffic import Watcher, watching

BEA = {"X-Dev-UserId": "bea", "X-Dev-Roles": "forecasters"}
KIM = {"X-Dev-UserId": "kim", "X-Dev-Roles": "forecasters"}
EVE = {"X-Dev-UserId": "eve", "X-Dev-Roles": "others"}


@asynccontextmanager
async def deployed(folder: Path, *options: str, **spec: Any) -> AsyncIterator[tuple[Gateway, str]]:
    """A gateway, and the URL of adapter `x` there."""
    async with fixture_server() as upstream, gateway(folder / "data", *options) as house:
        yield house, await house.deploy("x", url=upstream, requiredRoles=["forecasters"], **spec)


def response_to(method: str, target: str = "") -> Any:
    def is_it(message: TrafficMessage) -> bool:
        return message.kind == "response" and message.method == method and target in ("", message.target)

    return is_it


async def answer(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"username": "ada", "password": "hunter2"})


async def heard_progress(progress: float, total: float | None, message: str | None) -> None:
    """As a client does that shows a bar."""


def links(watcher: Watcher, *methods: str) -> list[tuple[str, str, str]]:
    """Sender, kind and method of what is about these methods."""
    return [(each.sender, each.kind, each.method) for each in watcher.heard if each.method in methods]


async def test_a_handshake_session_is_seen_whole_with_what_comes_in_the_course_of_its_calls(tmp_path: Path) -> None:
    async with (
        deployed(tmp_path) as (house, url),
        watching(house.client, "/adapters/x/traffic") as watcher,
        Client(url, mode="legacy", elicitation_callback=answer) as client,
    ):
        await client.call_tool("test_tool_with_progress", {}, progress_callback=heard_progress)
        await client.call_tool("test_elicitation", {"message": "who?"})
        done = await watcher.until(response_to("tools/call", "test_elicitation"))
        by_number = {each.number: each for each in watcher.heard}
        progress = [each for each in watcher.heard if each.method == "notifications/progress"]
        assert len(progress) == 3
        assert {by_number[each.under].target for each in progress} == {"test_tool_with_progress"}
        assert links(watcher, "elicitation/create") == [
            ("server", "request", "elicitation/create"),
            ("client", "response", "elicitation/create"),
        ]
        question, reply = [each for each in watcher.heard if each.method == "elicitation/create"]
        assert (question.under, reply.answers) == (done.answers, question.number)
        assert reply.duration is not None
        content = reply.payload["result"]["content"]
        assert content == {"username": "ada", "password": "[redacted: 7 characters]"}
        assert reply.redacted == 1
        initialized = next(each for each in watcher.heard if each.method == "initialize")
        (live,) = (await house.client.get("/sessions/live")).json()
        assert {each.session for each in watcher.heard} == {live["id"]} == {initialized.session}
        assert live["p95"] > 0
        assert [each.number for each in watcher.heard] == sorted(by_number)


async def test_a_modern_client_is_seen_and_a_call_taken_up_again_follows_the_first(tmp_path: Path) -> None:
    async def say(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async with (
        deployed(tmp_path) as (house, url),
        watching(house.client, "/adapters/x/traffic") as watcher,
        Client(url, mode="2026-07-28", elicitation_callback=say) as client,
    ):
        await client.call_tool("test_input_required_result_request_state", {})
        again = await watcher.until(lambda message: message.follows > 0)
        first = next(each for each in watcher.heard if each.number == again.follows)
        assert {first.era, again.era} == {"modern"}
        assert (first.method, again.method) == ("tools/call", "tools/call")
        assert first.session == again.session


async def test_one_session_is_watched_and_no_other_and_the_stream_ends_with_it(tmp_path: Path) -> None:
    async with deployed(tmp_path) as (house, url), httpx.AsyncClient() as http:
        one, two = McpClient(http, url), McpClient(http, url)
        await one.initialize()
        await two.initialize()
        first, _ = sorted((await house.client.get("/sessions/live")).json(), key=lambda each: each["openedAt"])
        async with watching(house.client, f"/sessions/live/{first['id']}/traffic") as watcher:
            await two.call("echo", text="two")
            await one.call("echo", text="one")
            said = await watcher.until(response_to("tools/call"))
            assert said.session == first["id"]
            assert (await house.client.delete(f"/sessions/live/{first['id']}")).status_code == 204
            assert await watcher.ended() == "the session has ended"
            assert {each.session for each in watcher.heard} == {first["id"]}
            assert "two" not in msgspec.json.encode(watcher.heard).decode()
        assert (await house.client.get(f"/sessions/live/{first['id']}/traffic")).status_code == 404


async def test_users_watch_their_own_and_others_nothing(tmp_path: Path) -> None:
    async with deployed(tmp_path) as (house, url), httpx.AsyncClient(headers=BEA) as http:
        bea = McpClient(http, url)
        await bea.initialize()
        (live,) = (await house.client.get("/sessions/live", headers=BEA)).json()
        own = f"/sessions/live/{live['id']}/traffic"
        for who, path, status in (
            (KIM, own, 403),
            (EVE, own, 403),
            (EVE, "/adapters/x/traffic", 403),
            (BEA, f"{own}?reveal=true", 403),
            (BEA, "/adapters/x/traffic?reveal=true", 403),
            (BEA, "/adapters/x/recording", 403),
            (BEA, "/adapters/none/traffic", 404),
            (BEA, f"{own}?reveal=perhaps", 400),
            (BEA, "/traffic?reveal=true", 400),
        ):
            async with house.client.stream("GET", path, headers=who) as refused:
                assert refused.status_code == status, (who, path)
        async with (
            watching(house.client, own, **BEA) as hers,
            watching(house.client, "/adapters/x/traffic", **KIM) as his,
            watching(house.client, "/adapters/x/traffic") as all_of_it,
            watching(house.client, "/traffic", **KIM) as his_everywhere,
            watching(house.client, "/traffic") as everything,
            watching(house.client, "/traffic", **EVE) as nothing,
        ):
            await bea.call("echo", text="mine")
            await hers.until(response_to("tools/call"))
            await everything.until(response_to("tools/call"))
            await all_of_it.until(response_to("tools/call"))
            async with httpx.AsyncClient(headers=KIM) as other:
                kim = McpClient(other, url)
                await kim.initialize()
            await his.until(response_to("initialize"))
            await his_everywhere.until(response_to("initialize"))
            for watcher in (his, his_everywhere):
                assert {each.principal for each in watcher.heard} == {"kim"}
            assert not nothing.heard


async def test_secrets_are_shown_to_writers_who_ask_and_that_is_in_the_audit_log(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    async with deployed(tmp_path, "--audit", str(log)) as (house, url), httpx.AsyncClient() as http:
        client = McpClient(http, url)
        async with (
            watching(house.client, "/adapters/x/traffic") as hidden,
            watching(house.client, "/adapters/x/traffic?reveal=true") as shown,
        ):
            await client.initialize()
            await client.call("echo", text="password=hunter2")
            for watcher, is_shown in ((hidden, False), (shown, True)):
                await watcher.until(response_to("tools/call"))
                assert ("hunter2" in msgspec.json.encode(watcher.heard).decode()) is is_shown
        actions = [each["action"] for each in (await house.client.get("/audit?q=traffic.reveal")).json()]
        assert actions == ["traffic.reveal"]


async def test_the_flight_recorder_keeps_what_nobody_watched_and_those_who_come_later_get_it_first(
    tmp_path: Path,
) -> None:
    async with deployed(tmp_path, recording={"enabled": True, "maxMessages": 6}) as (house, url):
        async with httpx.AsyncClient() as http:
            client = McpClient(http, url)
            await client.initialize()
            for number in range(4):
                await client.call("echo", text=f"token={number}-secret")
            lines = await _recorded(house)
            assert len(lines) == 6
            assert [each.method for each in lines] == ["tools/call"] * 6
            assert "-secret" not in msgspec.json.encode(lines).decode()
            async with watching(house.client, "/adapters/x/traffic") as watcher:
                await watcher.until(lambda message: message.number == lines[-1].number)
                assert [each.number for each in watcher.heard] == [each.number for each in lines]
                await client.call("echo", text="and now")
                await watcher.until(lambda message: message.number == lines[-1].number + 2)
                last = watcher.last_event_id
            await client.call("echo", text="while away")
            async with watching(house.client, "/adapters/x/traffic", Last_Event_ID=last) as again:
                await again.until(response_to("tools/call"))
                assert len(again.heard) == 2
            session = lines[0].session
            other = await house.client.get("/adapters/x/recording?session=none")
            assert (other.status_code, other.text, other.headers["content-type"]) == (200, "", JSONL)
            assert len(await _recorded(house, f"?session={session}")) == 6
        off = await house.client.patch("/adapters/x", json={"recording": {"enabled": False}})
        assert off.status_code == 200
        async with asyncio.timeout(30):
            while (await house.client.get("/adapters/x/recording")).status_code != 404:
                await house.ready("x")
        assert "mcpdeck traffic record x" in (await house.client.get("/adapters/x/recording")).json()["detail"]


async def _recorded(house: Gateway, query: str = "") -> list[TrafficMessage]:
    answered = await house.client.get(f"/adapters/x/recording{query}")
    assert answered.status_code == 200, answered.text
    return [msgspec.json.decode(line, type=TrafficMessage) for line in answered.text.splitlines()]


async def test_who_begins_to_watch_hears_the_whole_of_a_call_under_way(tmp_path: Path) -> None:
    async with deployed(tmp_path) as (house, url), asyncio.TaskGroup() as tasks:
        asked = asyncio.Event()
        go_on = asyncio.Event()

        async def slowly(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
            asked.set()
            await go_on.wait()
            return types.ElicitResult(action="accept", content={"username": "ada", "email": "a@b"})

        async with Client(url, mode="legacy", elicitation_callback=slowly) as client:
            call = tasks.create_task(client.call_tool("test_elicitation", {"message": "who?"}))
            await asked.wait()
            async with watching(house.client, "/adapters/x/traffic") as watcher:
                go_on.set()
                await call
                done = await watcher.until(response_to("tools/call"))
                request = next(each for each in watcher.heard if each.number == done.answers)
                assert (request.kind, request.target) == ("request", "test_elicitation")


async def test_a_call_translated_between_eras_is_seen_as_its_client_has_it(tmp_path: Path) -> None:
    async with (
        deployed(tmp_path, era="bridge") as (house, url),
        watching(house.client, "/adapters/x/traffic") as watcher,
        Client(url, mode="legacy") as client,
    ):
        await client.call_tool("echo", {"text": "across"})
        done = await watcher.until(response_to("tools/call", "echo"))
        assert done.era == "legacy"
        assert "across" in msgspec.json.encode(done.payload).decode()


async def test_streams_end_when_the_adapter_goes_and_when_the_gateway_stops(tmp_path: Path) -> None:
    async with deployed(tmp_path) as (house, _):
        async with watching(house.client, "/adapters/x/traffic") as watcher:
            assert (await house.client.delete("/adapters/x")).status_code == 204
            assert await watcher.ended() == "adapter 'x' is gone"
        async with fixture_server() as upstream:
            await house.deploy("y", url=upstream)
            async with watching(house.client, "/adapters/y/traffic") as watcher:
                house.program.process.terminate()
                assert await watcher.ended() == "the gateway stops"


@pytest.mark.parametrize("path", ["/sessions/live/none/traffic", "/adapters/none/recording"])
async def test_what_is_not_there_is_not_found(tmp_path: Path, path: str) -> None:
    async with gateway(tmp_path / "data") as house:
        assert (await house.client.get(path)).status_code == 404
