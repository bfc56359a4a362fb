"""Answers of 200 that say that something failed: each kind is told to the account, and no byte is changed."""

from collections.abc import Awaitable, Callable

import msgspec
import pytest

from gateway.dataplane.failures import LARGEST, failure_in, may_tell_of_one
from gateway.wire import jsonrpc, sse
from tests.support.mcp_scripts import CALL, MODERN
from tests.support.scripted_upstream import Asked, scripted_upstream
from tests.support.served import served

ERROR = b'{"jsonrpc": "2.0", "id": 7, "error": {"code": -32603, "message": "upstream db: connection refused"}}'
REFUSED = "upstream db: connection refused (-32603)"
FAILED = jsonrpc.response(
    msgspec.Raw(b"7"), {"content": [{"type": "text", "text": "finn has no account here"}], "isError": True}
)
FINE = jsonrpc.response(msgspec.Raw(b"7"), {"content": [{"type": "text", "text": '"error":{}'}], "isError": False})


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (ERROR, REFUSED),
        (FAILED, "finn has no account here"),
        (FINE, ""),
        (b'{"jsonrpc":"2.0","id":1,"result":{"isError":true,"content":[]}}', "the tool says that it failed"),
        (b'{"jsonrpc":"2.0","id":1,"result":{"isError":true}}', "the tool says that it failed"),
        (b'{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"error":{"code":1}}}}', ""),
        (b'{"error":"invalid_token"}', ""),
        (b'{"error":', ""),
        (FAILED.ljust(LARGEST + 1), ""),
        (b'\xff"error"', ""),
        (sse.comment("x") + sse.encode(FINE) + sse.encode(ERROR), REFUSED),
        (sse.encode(ERROR)[:-4], ""),
    ],
)
def test_what_an_answer_says_went_wrong(said: bytes, told: str) -> None:
    assert failure_in(said) == told


def test_what_is_looked_at_has_a_word_for_it_at_one_end() -> None:
    assert may_tell_of_one(ERROR)
    assert may_tell_of_one(FAILED)
    assert may_tell_of_one(FAILED.replace(b"account", b"account" * 1000))
    assert not may_tell_of_one(FINE)
    assert not may_tell_of_one(b"x" * 300 + ERROR + b"x" * 300)


def test_a_sentence_has_an_end() -> None:
    assert len(failure_in(ERROR.replace(b"refused", b"refused" * 1000))) < 250


type Script = Callable[[Asked], Awaitable[None]]


async def whole(asked: Asked) -> None:
    await asked.json(ERROR)


async def one_event(asked: Asked) -> None:
    await asked.stream()
    await asked.event(ERROR)
    await asked.finish()


async def an_event_after_others(asked: Asked) -> None:
    await asked.stream()
    await asked.event(b'{"jsonrpc":"2.0","method":"notifications/progress"}')
    await asked.event(ERROR)
    await asked.finish()


@pytest.mark.parametrize("script", [whole, one_event, an_event_after_others])
@pytest.mark.parametrize("headers", [{}, MODERN])
async def test_a_failure_is_told_to_the_account_of_its_call(script: Script, headers: dict[str, str]) -> None:
    async with scripted_upstream(script) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        for _ in range(3):  # the head of the third is known
            assert ERROR in (await client.ask(CALL, headers=headers)).body
        await gateway.accounts.all_ended()
    assert [call.problem for call in gateway.accounts.calls] == [REFUSED] * 3
    assert {status for call in gateway.accounts.calls for status, *_ in call.ends} == {200}


async def test_a_good_answer_is_no_failure() -> None:
    async def good(asked: Asked) -> None:
        await asked.json(FINE)

    async with scripted_upstream(good) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        for _ in range(3):
            assert (await client.ask(CALL)).body == FINE
        await gateway.accounts.all_ended()
    assert [call.problem for call in gateway.accounts.calls] == [""] * 3
