"""The client of a gateway's control plane, against a gateway on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest

from gateway.wire.resources import ChangeEvent
from mcpdeck.auth.errors import SignInNeeded
from mcpdeck.client import GatewayClient, Synced
from mcpdeck.errors import ProblemError, Unreachable
from tests.support import scenes
from tests.support.fake_gateway import FakeGateway, Fault


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(scenes.team()).running() as it:
        yield it


@pytest.fixture
async def client(gateway: FakeGateway) -> AsyncIterator[GatewayClient]:
    async with GatewayClient(gateway.url) as it:
        yield it


async def test_everything_of_an_adapters_life(client: GatewayClient, gateway: FakeGateway) -> None:
    made = await client.create(scenes.stdio("new", "server", "--fast"))
    assert await client.get("new") == made
    assert made in await client.list()
    scaled = await client.patch("new", {"replicaCount": 3}, made.etag)
    assert scaled.replica_count == 3
    with pytest.raises(ProblemError) as stale:
        await client.replace("new", scenes.stdio("new", "other"), made.etag)
    assert stale.value.problem.status == 412
    await client.restart("new")
    await client.delete("new", scaled.etag)
    with pytest.raises(ProblemError, match="there is no adapter 'new'"):
        await client.get("new")
    assert gateway.seen("PATCH", "/adapters/new")[0].headers["content-type"] == "application/merge-patch+json"


async def test_whoami_status_and_sessions(client: GatewayClient) -> None:
    assert (await client.whoami()).name == "Ada"
    assert (await client.status("search")).reason == "OOMKilled"
    assert len(await client.sessions()) == len(scenes.team().sessions)


async def test_events_name_what_there_is_and_then_what_changes(client: GatewayClient, gateway: FakeGateway) -> None:
    named = set()
    events = client.events()
    async for event in events:
        if isinstance(event, Synced):
            break
        named.add(event.name)
    assert named == scenes.team().adapters.keys()
    gateway.remove("weather")
    change = await anext(events)
    assert change == ChangeEvent(type="deleted", kind="Adapter", name="weather")
    assert client.last_event_id == "1"
    await events.aclose()
    gateway.remove("search")
    resumed = client.events("1")
    assert await anext(resumed) == ChangeEvent(type="deleted", kind="Adapter", name="search")
    await resumed.aclose()


async def test_followed_log_comes_line_by_line_and_its_end_is_the_readers(
    client: GatewayClient, gateway: FakeGateway
) -> None:
    lines = client.logs("weather", follow=True, tail=2, timestamps=True)
    first = [await anext(lines), await anext(lines)]
    assert first == scenes.weather_log()[-2:]
    gateway.write_log("weather", "red \x1b[31malert\x1b[0m \x07", "half a ", "東京")
    assert [await anext(lines) for _ in range(3)] == ["red alert �", "half a ", "東京"]
    await lines.aclose()
    query = gateway.seen("GET", "/adapters/weather/logs")[0].query
    assert query == {"instance": "all", "follow": "true", "timestamps": "true", "tail": "2"}


async def test_problem_says_what_the_gateway_says_with_its_fields(client: GatewayClient, gateway: FakeGateway) -> None:
    gateway.fail("GET", "/whoami", Fault(400, "not \x1b[31mvalid", {"name": ["is \x07 taken"]}))
    with pytest.raises(ProblemError) as error:
        await client.whoami()
    assert str(error.value) == "not valid: name is � taken"


async def test_nothing_there_is_told_with_the_address() -> None:
    async with GatewayClient("http://127.0.0.1:9") as client:
        with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9 can not be reached"):
            await client.whoami()


@pytest.mark.parametrize("url", ["ftp://example.com", "nonsense", "http://"])
async def test_what_is_no_address_is_unreachable(url: str) -> None:
    async with GatewayClient(url) as client:
        with pytest.raises(Unreachable):
            await client.whoami()


async def test_cut_connection_is_unreachable(client: GatewayClient, gateway: FakeGateway) -> None:
    gateway.fail("GET", "/whoami", Fault(0))
    with pytest.raises(Unreachable, match="broke off"):
        await client.whoami()


async def test_stream_that_breaks_is_unreachable(client: GatewayClient, gateway: FakeGateway) -> None:
    events = client.events()
    await anext(events)
    gateway.cut_streams()
    with pytest.raises(Unreachable, match="broke off"):
        async for _ in events:
            pass


class _SignedOut(httpx.Auth):
    async def async_auth_flow(self, request: httpx.Request):  # type: ignore[no-untyped-def]
        raise SignInNeeded("nobody is signed in; run: mcpdeck login")
        yield request


async def test_missing_sign_in_is_the_same_as_the_gateways_401(gateway: FakeGateway) -> None:
    async with GatewayClient(gateway.url, auth=_SignedOut()) as client:
        with pytest.raises(ProblemError, match="mcpdeck login") as error:
            await client.whoami()
        assert error.value.problem.status == 401
    assert gateway.requests == []


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """A server that answers everything with this."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_something_else_at_the_address_is_not_taken_for_a_gateway() -> None:
    page = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>"
    async with answering(page) as url, GatewayClient(url) as client:
        with pytest.raises(Unreachable, match="no gateway of this version"):
            await client.whoami()


async def test_error_that_is_no_problem_is_told_by_its_status_and_words() -> None:
    page = b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\nx-request-id: r1\r\ncontent-length: 9\r\n\r\ncome \x1b[1m"
    async with answering(page) as url, GatewayClient(url) as client:
        with pytest.raises(ProblemError, match=r"GET /whoami at .* gave 503: come") as error:
            await client.whoami()
    assert (error.value.retry_after, error.value.request_id) == (7.0, "r1")


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (b"retry-after: Wed, 25 Nov 2026 10:00:09 GMT\r\ndate: Wed, 25 Nov 2026 10:00:00 GMT\r\n", 9.0),
        (b"retry-after: Wed, 25 Nov 2026 09:00:00 GMT\r\ndate: Wed, 25 Nov 2026 10:00:00 GMT\r\n", 0.0),
        (b"retry-after: Wed, 25 Nov 2026 10:00:09 GMT\r\n", None),
        (b"retry-after: soon\r\n", None),
        (b"retry-after: " + b"9" * 400 + b"\r\n", 86400.0),
        (b"", None),
    ],
)
async def test_moment_to_come_again_is_a_number_of_seconds(lines: bytes, seconds: float | None) -> None:
    page = b"HTTP/1.1 503 Busy\r\n" + lines + b"content-length: 0\r\n\r\n"
    async with answering(page) as url, GatewayClient(url) as client:
        with pytest.raises(ProblemError) as error:
            await client.whoami()
    assert error.value.retry_after == seconds


async def test_page_of_a_proxy_is_told_by_its_title() -> None:
    page = b"<!DOCTYPE html><html><head>\n<title>\n502 Bad Gateway </title></head><body>nginx</body></html>"
    head = b"content-type: text/html\r\ncontent-length: %d\r\n\r\n" % len(page)
    async with answering(b"HTTP/1.1 502 X\r\n" + head + page) as url, GatewayClient(url) as client:
        with pytest.raises(ProblemError, match=r"gave 502: a page, '502 Bad Gateway'$"):
            await client.whoami()
    async with answering(b"HTTP/1.1 200 OK\r\n" + head + page) as url, GatewayClient(url) as client:
        with pytest.raises(
            Unreachable, match=r"no gateway of this version: GET /whoami gave a page, '502 Bad Gateway'$"
        ):
            await client.whoami()


async def test_who_leaves_takes_no_answer_away_and_asks_nothing_more(gateway: FakeGateway) -> None:
    gate = gateway.hold("DELETE", "/adapters/weather")
    async with asyncio.TaskGroup() as group:
        async with GatewayClient(gateway.url) as client:
            deleting = group.create_task(client.delete("weather"))
            await gateway.request("DELETE", "/adapters/weather")
        gate.set()
    assert deleting.exception() is None
    assert client._http.is_closed
    with pytest.raises(Unreachable, match="was given up for another"):
        await client.whoami()


async def test_stream_is_begun_before_anything_is_said_on_it(client: GatewayClient, gateway: FakeGateway) -> None:
    begun = asyncio.Event()
    gateway.scene.logs["weather"] = []
    async with asyncio.TaskGroup() as group:
        for stream in (client.events("0", begun=begun.set), client.logs("weather", follow=True, begun=begun.set)):
            begun.clear()
            reading = group.create_task(anext(stream))
            await begun.wait()
            assert not reading.done()
            reading.cancel()


async def test_stream_that_falls_silent_is_taken_for_dead(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcpdeck.client.SILENCE_SECONDS", 0.05)
    with pytest.raises(Unreachable, match=r"has said nothing for 0\.05 s on an open stream"):
        await anext(client.events("0"))


async def test_no_redirect_is_followed(gateway: FakeGateway) -> None:
    moved = f"HTTP/1.1 307 Moved\r\nlocation: {gateway.url}/whoami\r\ncontent-length: 0\r\n\r\n".encode()
    async with answering(moved) as url, GatewayClient(url) as client:
        with pytest.raises(
            ProblemError, match=r"gave 307: it leads elsewhere, to http.*/whoami; is it a gateway's URL"
        ):
            await client.whoami()
    assert gateway.requests == []


async def test_change_of_another_shape_says_so() -> None:
    body = b'event: change\ndata: {"type":1}\n\n'
    page = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    async with answering(page) as url, GatewayClient(url) as client:
        with pytest.raises(msgspec.ValidationError):
            await anext(client.events())


async def test_page_is_not_taken_for_a_log_nor_for_a_stream() -> None:
    page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"
    async with answering(page) as url, GatewayClient(url) as client:
        for stream in (client.logs("weather"), client.events()):
            with pytest.raises(Unreachable, match="gave text/html, wanted text/"):
                await anext(stream)
