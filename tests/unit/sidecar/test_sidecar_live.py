"""The sidecar as a process in front of real stdio servers, over real HTTP: both eras on both faces, and what goes wrong."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.sidecar_process import (
    McpClient,
    SidecarProcess,
    client,
    events,
    gone,
    next_event,
    scripted,
    sidecar,
    text_of,
)


@pytest.fixture
async def legacy(tmp_path: Path) -> AsyncIterator[SidecarProcess]:
    async with sidecar(scripted(), state=tmp_path) as process:
        yield process


@pytest.fixture
async def modern(tmp_path: Path) -> AsyncIterator[SidecarProcess]:
    async with sidecar(scripted("--era", "modern"), state=tmp_path) as process:
        yield process


@pytest.fixture
async def session(legacy: SidecarProcess) -> AsyncIterator[McpClient]:
    async with client(legacy.url) as mcp:
        await mcp.initialize()
        yield mcp


async def test_health_names_the_era(legacy: SidecarProcess) -> None:
    async with client(legacy.url) as mcp:
        health = await mcp.http.get(f"{legacy.base}/healthz")
    assert (health.status_code, health.text) == (200, "python speaks the legacy protocol\n")


async def test_health_says_why_there_is_no_server(tmp_path: Path) -> None:
    async with sidecar(["/nowhere/at-all"], state=tmp_path, ready=False) as process:
        await process.says("starting it again")
        async with client(process.url) as mcp:
            health = await mcp.http.get(f"{process.base}/healthz")
    assert health.status_code == 503
    assert "cannot start '/nowhere/at-all': No such file or directory" in health.text


async def test_call_is_answered_with_json_and_unknown_members_survive(session: McpClient) -> None:
    answer = await session.call("echo", text="grüße")
    assert answer.headers["content-type"] == "application/json"
    assert text_of(answer.json()) == "grüße"
    assert answer.json()["result"]["_unheard"] == {"of": 1.5}


async def test_sessions_have_processes_of_their_own(legacy: SidecarProcess) -> None:
    async with client(legacy.url) as one, client(legacy.url) as other:
        await one.initialize()
        await other.initialize()
        pids = [text_of((await mcp.call("pid")).json()) for mcp in (one, other, one, other)]
    assert pids[0] == pids[2] != pids[1] == pids[3]


async def test_progress_turns_the_answer_into_a_stream_with_the_clients_own_token(session: McpClient) -> None:
    said = events(await session.call("progress", {"progressToken": "mine"}))
    assert [event["params"]["progressToken"] for event in said[:-1]] == ["mine"] * 3
    assert text_of(said[-1]) == "done"


async def test_log_lines_of_a_call_travel_on_its_stream(session: McpClient) -> None:
    said = events(await session.call("log"))
    assert [event.get("method") for event in said] == ["notifications/message", None]


async def test_server_that_asks_gets_the_clients_answer(session: McpClient) -> None:
    request = session.request("tools/call", {"name": "ask", "arguments": {}})
    async with session.http.stream(
        "POST", session.url, json=request, headers=session.session | {"accept": "application/json, text/event-stream"}
    ) as stream:
        lines = stream.aiter_lines()
        asked = await next_event(lines)
        assert asked["method"] == "elicitation/create"
        answer = {"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "accept", "content": {"name": "Ada"}}}
        assert (await session.post(answer)).status_code == 202
        said = await next_event(lines)
    assert said["id"] == request["id"]
    assert "Ada" in text_of(said)


async def test_announcements_wait_for_the_get_stream(session: McpClient) -> None:
    await session.call("announce")
    headers = session.session | {"accept": "text/event-stream"}
    async with session.http.stream("GET", session.url, headers=headers) as stream:
        assert (await next_event(stream.aiter_lines()))["method"] == "notifications/tools/list_changed"


async def test_second_get_stream_takes_over_from_the_first(session: McpClient) -> None:
    headers = session.session | {"accept": "text/event-stream"}
    async with (
        session.http.stream("GET", session.url, headers=headers) as first,
        session.http.stream("GET", session.url, headers=headers) as second,
    ):
        async with asyncio.timeout(30):
            assert [line async for line in first.aiter_lines()] == []
        await session.call("announce")
        assert (await next_event(second.aiter_lines()))["method"] == "notifications/tools/list_changed"


async def test_deleted_session_is_unknown_and_its_process_gone(legacy: SidecarProcess, session: McpClient) -> None:
    pid = int(text_of((await session.call("pid")).json()))
    assert (await session.http.delete(session.url, headers=session.session)).status_code == 204
    answer = await session.call("echo", text="x")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Session not found"
    assert answer.json()["id"] is not None
    await gone([pid])


async def test_server_that_was_only_asked_whether_it_is_ready_runs_again_before_the_next_client(
    legacy: SidecarProcess, session: McpClient
) -> None:
    asked = int(text_of((await session.call("pid")).json()))
    await session.http.delete(session.url, headers=session.session)
    await gone([asked])
    async with asyncio.timeout(30):
        while not (warm := legacy.children):  # noqa: ASYNC110 - no one signals the start of a stranger
            await asyncio.sleep(0.02)
    served = []
    for _ in range(2):  # a client that comes while it is being started has one of its own, and leaves it to the next
        await session.initialize()
        served.append(int(text_of((await session.call("pid")).json())))
    assert warm[0] in served


async def test_request_without_session_is_refused(legacy: SidecarProcess) -> None:
    async with client(legacy.url) as mcp:
        assert (await mcp.call("echo", text="x")).status_code == 400


async def test_crash_fails_the_call_and_ends_the_session(session: McpClient) -> None:
    answer = await session.call("crash", code=7)
    assert answer.json()["error"]["code"] == -32603
    assert answer.json()["error"]["message"] == "server process exited (code 7)"
    assert (await session.call("echo", text="x")).status_code == 404


async def test_garbage_on_stdout_is_logged_and_skipped(legacy: SidecarProcess, session: McpClient) -> None:
    assert text_of((await session.call("garbage")).json()) == "fine"
    await legacy.says("this is no JSON")


async def test_answer_of_40_mib_comes_whole(session: McpClient) -> None:
    size = 40 * 1024 * 1024
    assert len(text_of((await session.call("big", size=size)).json())) == size


async def test_full_house_is_told_to_come_again(tmp_path: Path) -> None:
    async with sidecar(scripted(), "--max-sessions", "1", state=tmp_path) as process, client(process.url) as mcp:
        await mcp.initialize()
        answer = await mcp.initialize()
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


async def test_server_that_never_initializes_is_given_up(tmp_path: Path) -> None:
    command = scripted("--hangs-on-initialize")
    async with sidecar(command, "--start-timeout", "0.3", state=tmp_path) as process, client(process.url) as mcp:
        answer = await mcp.initialize()
    assert answer.status_code == 504
    assert "did not answer initialize within 0.3 s" in answer.json()["error"]["message"]


async def test_batch_is_taken_apart_for_the_one_version_that_has_it(session: McpClient) -> None:
    await session.initialize("2025-03-26")
    calls = [session.request("ping"), session.request("tools/call", {"name": "echo", "arguments": {"text": "b"}})]
    said = events(await session.post(calls))
    assert {event["id"] for event in said} == {call["id"] for call in calls}
    await session.initialize("2025-06-18")
    assert (await session.post([session.request("ping")])).status_code == 400


async def test_modern_client_of_a_legacy_server_is_told_both_versions(legacy: SidecarProcess) -> None:
    async with client(legacy.url) as mcp:
        answer = await mcp.modern("server/discover")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["data"]["requested"]) == (400, -32022, "2026-07-28")
    assert "2025-11-25" in error["data"]["supported"]


async def test_legacy_client_of_a_modern_server_is_told_both_versions(modern: SidecarProcess) -> None:
    async with client(modern.url) as mcp:
        answers = [await mcp.initialize(), await mcp.initialize()]
        assert (await mcp.http.get(mcp.url, headers={"accept": "text/event-stream"})).status_code == 405
    for answer in answers:
        assert answer.status_code == 400
        assert "speaks MCP 2026-07-28 only; this client asked for 2025-06-18" in answer.json()["error"]["message"]


async def test_dual_server_is_served_natively_in_either_era(tmp_path: Path) -> None:
    async with sidecar(scripted("--era", "dual"), state=tmp_path) as process, client(process.url) as mcp:
        assert (await mcp.modern_call("echo", text="new")).json()["result"]["resultType"] == "complete"
        assert (await mcp.initialize()).json()["result"]["protocolVersion"] == "2025-06-18"
        assert "resultType" not in (await mcp.call("echo", text="old")).json()["result"]


async def test_clients_of_a_modern_server_share_a_process_and_keep_their_own_ids(modern: SidecarProcess) -> None:
    async with client(modern.url) as one, client(modern.url) as other:
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(mcp.modern_call("pid")) for mcp in (one, other)]
        answers = [call.result().json() for call in calls]
    assert [answer["id"] for answer in answers] == [1, 1]
    assert text_of(answers[0]) == text_of(answers[1])


async def test_modern_progress_carries_the_clients_token(modern: SidecarProcess) -> None:
    async with client(modern.url) as mcp:
        said = events(await mcp.modern_call("progress", meta={"progressToken": 77}))
    assert [event["params"]["progressToken"] for event in said[:-1]] == [77] * 3


async def test_client_that_leaves_cancels_in_the_child(modern: SidecarProcess) -> None:
    async with client(modern.url) as mcp:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await mcp.modern_call("hang")
    await modern.says('"notifications/cancelled"')


async def test_subscription_outlives_the_child_and_reports_what_may_have_changed(modern: SidecarProcess) -> None:
    async with client(modern.url) as mcp:
        parts = mcp.modern_parts("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        async with mcp.http.stream("POST", mcp.url, **parts) as stream:
            lines = stream.aiter_lines()
            said = [await next_event(lines)]
            await mcp.modern_call("announce")
            said.append(await next_event(lines))
            crash = await mcp.modern_call("crash")
            assert "server process exited (code 3)" in crash.json()["error"]["message"]
            said.append(await next_event(lines))
            assert text_of((await mcp.modern_call("echo", text="back")).json()) == "back"
            await mcp.modern_call("announce")
            said.append(await next_event(lines))
    methods = [event["method"].removeprefix("notifications/") for event in said]
    assert methods == ["subscriptions/acknowledged", *["tools/list_changed"] * 3]
    assert {event["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] for event in said} == {1}


async def test_mirrored_argument_must_match_its_header(modern: SidecarProcess) -> None:
    add = {"name": "add", "arguments": {"n": 42, "where": {"city": "Köln"}}}
    city = "=?base64?S8O2bG4=?="
    async with client(modern.url) as mcp:
        good = await mcp.modern("tools/call", add, mcp_param_n="42.0", mcp_param_city=city)
        wrong = await mcp.modern("tools/call", add, mcp_param_n="41", mcp_param_city=city)
        missing = await mcp.modern("tools/call", add, mcp_param_n="42")
    assert text_of(good.json()) == "42"
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in (wrong, missing)] == [(400, -32020)] * 2


async def test_unknown_modern_method_is_404(modern: SidecarProcess) -> None:
    async with client(modern.url) as mcp:
        answers = [await mcp.modern("ping/pong"), await mcp.modern("initialize")]
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in answers] == [(404, -32601)] * 2


async def test_silent_server_is_asked_in_vain_only_once(tmp_path: Path) -> None:
    command = scripted("--silent")
    async with sidecar(command, "--probe-timeout", "0.2", state=tmp_path) as process, client(process.url) as mcp:
        assert (await mcp.initialize()).status_code == 200
        assert any("server/discover" in line for line in process.log)
    async with sidecar(command, "--probe-timeout", "60", state=tmp_path) as process, client(process.url) as mcp:
        assert (await mcp.initialize()).status_code == 200
        assert not any("server/discover" in line for line in process.log)


async def test_server_that_dies_of_the_question_is_asked_the_old_way(tmp_path: Path) -> None:
    async with sidecar(scripted("--dies-on-discover"), state=tmp_path) as process, client(process.url) as mcp:
        assert (await mcp.initialize()).status_code == 200


async def test_server_that_answers_nothing_is_restarted_and_health_says_so(tmp_path: Path) -> None:
    times = ("--probe-timeout", "0.1", "--start-timeout", "0.1")
    async with sidecar(scripted("--mute"), *times, state=tmp_path, ready=False) as process:
        await process.says("starting it again", times=2)
        async with client(process.url) as mcp:
            health = await mcp.http.get(f"{process.base}/healthz")
            assert (await mcp.initialize()).status_code == 503
    assert health.status_code == 503
    assert "neither to server/discover nor to initialize" in health.text


async def test_shared_isolation_serves_all_sessions_from_one_process(tmp_path: Path) -> None:
    async with (
        sidecar(scripted(), "--isolation", "shared", state=tmp_path) as process,
        client(process.url) as one,
        client(process.url) as other,
    ):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(one.initialize())
            tasks.create_task(other.initialize())
        assert one.session["mcp-session-id"] != other.session["mcp-session-id"]
        answers = [(await mcp.call("pid")).json() for mcp in (one, other)]
        assert answers[0]["result"] == answers[1]["result"]
        await one.http.delete(one.url, headers=one.session)
        assert (await one.call("pid")).status_code == 404
        assert (await other.call("pid")).status_code == 200
        assert sum('"initialize"' in line for line in process.log) == 1
        assert sum("notifications/initialized" in line for line in process.log) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://localhost:6274"}, 403),
        ({"content_type": "text/plain"}, 415),
        ({"accept": "text/html"}, 406),
    ],
)
async def test_heads_that_are_not_served(session: McpClient, headers: dict[str, str], status: int) -> None:
    assert (await session.post(session.request("ping"), **headers)).status_code == status


async def test_body_beyond_the_limit_is_refused(legacy: SidecarProcess, session: McpClient) -> None:
    assert (await session.call("echo", text="x" * 5_000_000)).status_code == 413


@pytest.mark.parametrize("flags", [[], ["--outlives-stdin"]])
async def test_sigterm_leaves_no_process_behind(tmp_path: Path, flags: list[str]) -> None:
    async with sidecar(scripted(*flags), state=tmp_path) as process:
        async with client(process.url) as mcp:
            await mcp.initialize()
            await mcp.initialize()
        pids = process.children
        assert len(pids) == 2
        assert await process.stop() == 0
        await gone(pids)


async def test_sidecar_that_is_killed_leaves_no_process_behind(legacy: SidecarProcess, session: McpClient) -> None:
    pids = legacy.children
    assert len(pids) == 1
    legacy.process.send_signal(signal.SIGKILL)
    await gone(pids)


async def test_stop_ends_streams_and_lets_calls_fail_with_a_reason(modern: SidecarProcess) -> None:
    async with client(modern.url) as mcp:
        parts = mcp.modern_parts("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        async with mcp.http.stream("POST", mcp.url, **parts) as stream:
            lines = stream.aiter_lines()
            await next_event(lines)
            modern.process.send_signal(signal.SIGTERM)
            assert (await next_event(lines))["result"]["resultType"] == "complete"
    assert await modern.stop() == 0
