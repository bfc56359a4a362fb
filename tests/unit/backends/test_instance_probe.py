"""Whether a server speaks MCP and in which eras, asked of servers of every kind."""

import ssl
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gateway.backends.reach.caller import open_caller
from gateway.backends.reach.patience import Patience
from gateway.backends.reach.probe import NotReady, Ready, answers, health, probe
from gateway.wire.http1 import Request
from gateway.wire.mcp import Era
from mcpdeck.devissuer.certificates import CertificateFiles, make_certificate
from tests.support.answering import Reply, answering, message, method_of

PATIENCE = Patience(answer=5, handshake=5)
HASTE = Patience(answer=0.05, handshake=0.05)
DISCOVERED = message({"supportedVersions": ["2026-07-28"], "capabilities": {}})
INITIALIZED = message({"protocolVersion": "2025-11-25", "capabilities": {}})
STREAM = ((b"content-type", b"text/event-stream"),)

type Answer = Callable[[Request], Reply]


def of(**by_method: Reply) -> Answer:
    """Answers by JSON-RPC method (`/` and all else as `_`), a GET by `get`; 404 for the rest."""

    def answer(request: Request) -> Reply:
        asked = method_of(request).replace("/", "_") or request.method.lower()
        return by_method.get(asked, Reply(404, body=b"nothing here"))

    return answer


async def judged(answer: Answer, *, patience: Patience = PATIENCE, **options: Any) -> tuple[Any, list[Request]]:
    async with answering(answer) as server, open_caller() as caller:
        return await probe(caller, server.endpoint(), (), patience=patience, **options), server.asked


@pytest.mark.parametrize(
    ("answer", "eras"),
    [
        (of(initialize=Reply(body=INITIALIZED)), {Era.LEGACY}),
        (of(server_discover=Reply(body=DISCOVERED)), {Era.MODERN}),
        (of(initialize=Reply(body=INITIALIZED), server_discover=Reply(body=DISCOVERED)), {Era.LEGACY, Era.MODERN}),
        (of(initialize=Reply(200, STREAM, b": hi\n\nevent: message\ndata: %b\n\n" % INITIALIZED)), {Era.LEGACY}),
        (
            of(
                initialize=Reply(body=INITIALIZED),
                server_discover=Reply(body=message({"supportedVersions": ["2099-01-01"]})),
            ),
            {Era.LEGACY},
        ),
        (
            of(initialize=Reply(body=INITIALIZED), server_discover=Reply(body=message({"supportedVersions": 7}))),
            {Era.LEGACY},
        ),
    ],
)
async def test_a_servers_eras_are_those_it_answers_in(answer: Answer, eras: set[Era]) -> None:
    verdict, _ = await judged(answer)
    assert verdict == Ready(frozenset(eras))


async def test_a_notification_before_the_answer_on_a_stream_is_passed_over() -> None:
    note = msgspec.json.encode({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
    body = b"data: %b\n\ndata: no json\n\ndata: %b\n\n" % (note, INITIALIZED)
    verdict, _ = await judged(of(initialize=Reply(200, STREAM, body)))
    assert verdict == Ready(frozenset({Era.LEGACY}))


async def test_a_server_of_http_and_sse_is_known_by_its_first_event() -> None:
    verdict, _ = await judged(of(get=Reply(200, STREAM, b"event: endpoint\ndata: /messages?id=1\n\n")))
    assert verdict == Ready(frozenset({Era.LEGACY}), is_sse=True)


async def test_a_session_that_was_opened_for_the_question_is_ended() -> None:
    opened = Reply(200, (*Reply().headers, (b"mcp-session-id", b"s-1")), INITIALIZED)
    _, asked = await judged(of(initialize=opened))
    last = asked[-1]
    assert (last.method, last.header(b"mcp-session-id")) == ("DELETE", b"s-1")
    assert last.header(b"mcp-protocol-version") == b"2025-11-25"


async def test_no_session_is_opened_where_none_may_be() -> None:
    verdict, asked = await judged(of(server_discover=Reply(400)), opens_session=False)
    assert verdict == Ready(frozenset({Era.LEGACY}))
    assert [method_of(each) for each in asked] == ["server/discover"]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_server_that_wants_credentials_is_there_though_nobody_knows_what_it_speaks(status: int) -> None:
    verdict, _ = await judged(lambda request: Reply(status))
    assert verdict.eras == frozenset()
    assert str(status) in verdict.note


async def test_a_server_that_refuses_all_the_credentials_that_it_will_ever_see_is_not_ready() -> None:
    verdict, _ = await judged(lambda request: Reply(401), is_credible=True)
    assert verdict.reason == "CredentialsRefused"
    assert "expired" in verdict.sentence


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("the server is starting", ""),
        ("server process ran out of memory and was killed; its limit is 128 MiB, before it answered", "OOMKilled"),
        ("no answer within 60 s, neither to server/discover nor to initialize", "HandshakeFailed"),
        ("server process exited (code 3)", "CrashLoopBackOff"),
    ],
)
async def test_what_a_sidecar_says_of_its_server_has_the_word_that_clusters_use(said: str, reason: str) -> None:
    async with answering(lambda request: Reply(503, body=said.encode())) as server, open_caller() as caller:
        assert await health(caller, server.endpoint(), patience=PATIENCE) == NotReady(reason, said)


async def test_headers_of_its_own_go_with_every_question() -> None:
    async with answering(of(initialize=Reply(body=INITIALIZED))) as server, open_caller() as caller:
        await probe(caller, server.endpoint(), [(b"authorization", b"Bearer t")], patience=PATIENCE)
    assert {each.header(b"authorization") for each in server.asked} == {b"Bearer t"}


async def test_a_server_that_is_none_is_quoted() -> None:
    answer = of(
        initialize=Reply(body=message(error={"code": -32000, "message": "no database"})), server_discover=Reply(500)
    )
    verdict, _ = await judged(answer)
    assert verdict == NotReady(
        "HandshakeFailed", "it answers 200 with the error -32000: no database to initialize, 500 to discover"
    )


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, message({}), message("text"), message(error="text"), b""])
async def test_nonsense_is_no_handshake(body: bytes) -> None:
    verdict, _ = await judged(lambda request: Reply(body=body))
    assert isinstance(verdict, NotReady)
    assert verdict.reason == "HandshakeFailed"


async def test_an_answer_without_end_is_cut_off() -> None:
    verdict, _ = await judged(lambda request: Reply(body=b" " * (1024 * 1024 + 1)))
    assert verdict == NotReady("Unreachable", "its answer is longer than 1048576 bytes")


async def test_a_server_that_says_nothing_is_unresponsive() -> None:
    verdict, _ = await judged(lambda request: Reply(is_silent=True), patience=HASTE)
    assert verdict == NotReady("Unresponsive", "it did not answer within 0.05 s")


async def test_nobody_there_is_unreachable() -> None:
    async with answering(of()) as server:
        endpoint = server.endpoint()
    async with open_caller() as caller:
        verdict = await probe(caller, endpoint, (), patience=PATIENCE)
        assert isinstance(verdict, NotReady)
        assert verdict.reason == "Unreachable"
        assert await answers(caller, endpoint, (), patience=PATIENCE) == verdict
        assert await health(caller, endpoint, patience=PATIENCE) == verdict


async def test_no_redirect_is_followed() -> None:
    elsewhere = Reply(307, ((b"location", b"http://127.0.0.1:1/mcp"),))
    verdict, asked = await judged(lambda request: elsewhere)
    assert isinstance(verdict, NotReady)
    assert len(asked) == 2


async def test_the_name_is_said_and_the_address_called() -> None:
    async with answering(of(initialize=Reply(body=INITIALIZED))) as server, open_caller() as caller:
        await probe(caller, server.endpoint(authority="crm.example.com:8443"), (), patience=PATIENCE)
    assert {each.header(b"host") for each in server.asked} == {b"crm.example.com:8443"}


async def test_path_and_query_arrive_as_they_were_written() -> None:
    async with answering(of()) as server, open_caller() as caller:
        await probe(caller, server.endpoint("/a%2Fb/mcp?x=%20&y"), (), patience=PATIENCE)
    assert {each.target for each in server.asked} == {b"/a%2Fb/mcp?x=%20&y"}


async def test_any_answer_will_do_of_a_tool_server() -> None:
    async with answering(lambda request: Reply(405)) as server, open_caller() as caller:
        assert await answers(caller, server.endpoint("/score"), (), patience=PATIENCE) == Ready(frozenset())
    assert server.asked[0].path == "/score"


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Reply(200, body=b"fine"), None),
        (Reply(503, body=b"the server is starting\n"), NotReady("", "the server is starting")),
        (
            Reply(503, body=b"server process exited (code 1)\n"),
            NotReady("CrashLoopBackOff", "server process exited (code 1)"),
        ),
    ],
)
async def test_a_sidecars_health_is_its_own_word(reply: Reply, verdict: NotReady | None) -> None:
    async with answering(lambda request: reply) as server, open_caller() as caller:
        assert await health(caller, server.endpoint(), patience=PATIENCE) == verdict


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    return make_certificate(tmp_path_factory.mktemp("tls"), hosts=("crm.example.com",))


def _tls(files: CertificateFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context


async def test_a_certificate_is_judged_by_the_name_though_the_address_is_called(certificate: CertificateFiles) -> None:
    async with answering(of(initialize=Reply(body=INITIALIZED)), tls=_tls(certificate)) as server:
        async with open_caller(certificate.authority) as caller:
            right = server.endpoint(is_tls=True, authority="crm.example.com")
            assert await probe(caller, right, (), patience=PATIENCE) == Ready(frozenset({Era.LEGACY}))
            wrong = await probe(caller, server.endpoint(is_tls=True), (), patience=PATIENCE)
        async with open_caller() as caller:
            unknown = await probe(caller, right, (), patience=PATIENCE)
    for verdict in (wrong, unknown):
        assert isinstance(verdict, NotReady)
        assert "CERTIFICATE_VERIFY_FAILED" in verdict.sentence
