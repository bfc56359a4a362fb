"""Accounts per context and gateway, and how requests carry their tokens."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from mcpdeck.auth.account import Account, Accounts, Method
from mcpdeck.auth.discovery import discover
from mcpdeck.auth.errors import AuthError, SignInNeeded
from mcpdeck.auth.session import BearerAuth, sign_out, source_of
from mcpdeck.auth.sources import GivenToken, Token

GATEWAY = "https://gateway.example"


class Source:
    """Gives t1, t2, …; counts, and notes what it was told."""

    def __init__(self, *, lifetime: float = 3600) -> None:
        self.asked: list[bool] = []
        self.lifetime = lifetime
        self._lock = threading.Lock()

    def token(self, *, is_stale: bool = False) -> Token:
        with self._lock:
            self.asked.append(is_stale)
            return Token(f"t{len(self.asked)}", time.time() + self.lifetime)


def client(source: Any, answer: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(auth=BearerAuth(source, GATEWAY), transport=httpx.MockTransport(answer))


def echo(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, text=request.headers.get("authorization", "none"))


async def test_requests_carry_one_token_that_is_fetched_once() -> None:
    source = Source()
    async with client(source, echo) as subject, asyncio.TaskGroup() as group:
        tasks = [group.create_task(subject.get(f"{GATEWAY}/adapters")) for _ in range(10)]
    assert {task.result().text for task in tasks} == {"Bearer t1"}
    assert source.asked == [False]


async def test_refused_token_is_replaced_once_and_the_request_repeated() -> None:
    source = Source()

    def once_refused(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401 if request.headers["authorization"] == "Bearer t1" else 200)

    async with client(source, once_refused) as subject:
        assert (await subject.post(f"{GATEWAY}/adapters", json={})).status_code == 200
    assert source.asked == [False, True]


async def test_second_refusal_is_the_answer() -> None:
    source = Source()
    async with client(source, lambda _: httpx.Response(401)) as subject:
        assert (await subject.get(GATEWAY)).status_code == 401
    assert source.asked == [False, True]


async def test_token_about_to_expire_is_replaced_before_it_is_refused() -> None:
    source = Source(lifetime=60)
    async with client(source, echo) as subject:
        await subject.get(GATEWAY)
        assert (await subject.get(GATEWAY)).text == "Bearer t2"
    assert source.asked == [False, False]


async def test_token_goes_to_its_gateway_only() -> None:
    async with client(Source(), echo) as subject:
        for url in ("https://evil.example/", "https://gateway.example:444/", "http://gateway.example/"):
            assert (await subject.get(url)).text == "none"


async def test_redirect_to_another_host_takes_no_token_along() -> None:
    def redirecting(request: httpx.Request) -> httpx.Response:
        if request.url.host == "gateway.example":
            return httpx.Response(302, headers={"location": "https://evil.example/"})
        return echo(request)

    async with client(Source(), redirecting) as subject:
        assert (await subject.get(GATEWAY, follow_redirects=True)).text == "none"


def test_tokens_are_not_sent_in_clear_over_a_network() -> None:
    with pytest.raises(AuthError, match="not https"):
        BearerAuth(Source(), "http://gateway.example")
    BearerAuth(Source(), "http://127.0.0.1:8080")


def test_contexts_keep_gateways_and_accounts_apart(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "deep" / "accounts.json")
    ours = Account(context="prod", gateway=GATEWAY, issuer="https://idp.example", client_id="c")
    accounts.put(ours)
    assert accounts.find("prod", GATEWAY) == ours
    assert accounts.find("prod", "https://other.example") is None
    assert accounts.find("test", GATEWAY) is None
    accounts.put(Account(context="prod", gateway=GATEWAY, method=Method.DEVICE_CODE))
    found = accounts.find("prod", GATEWAY)
    assert found is not None
    assert found.method is Method.DEVICE_CODE


def test_accounts_file_that_is_broken_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "accounts.json").write_text("[{]")
    with pytest.raises(AuthError, match="remove it and sign in again"):
        Accounts(tmp_path / "accounts.json").find("a", "b")


def test_sign_out_leaves_nothing(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "accounts.json")
    account = Account(context="prod", gateway=GATEWAY, issuer="https://idp.example", token_file=str(tmp_path / "token"))
    accounts.put(account)
    (tmp_path / "token").write_text("secret")
    sign_out(account, accounts)
    assert accounts.find("prod", GATEWAY) is None
    assert not (tmp_path / "token").exists()


def test_token_from_the_environment_goes_before_everything_and_is_never_renewed(tmp_path: Path) -> None:
    source = source_of("prod", GATEWAY, {"MCPDECK_TOKEN": "given"}, Accounts(tmp_path / "accounts.json"))
    assert isinstance(source, GivenToken)
    assert source.token().text == "given"
    with pytest.raises(SignInNeeded, match="MCPDECK_TOKEN"):
        source.token(is_stale=True)
    assert source_of("prod", GATEWAY, {}, Accounts(tmp_path / "accounts.json")) is None


def test_token_does_not_show_itself() -> None:
    assert "secret" not in repr(Token("secret", 0.0))


@pytest.mark.parametrize(
    ("status", "document", "reason"),
    [
        (404, {}, "publishes nothing"),
        (302, {}, "answered 302"),
        (200, {"resource": "https://evil.example"}, "calls itself https://evil.example"),
        (200, {"resourc": 1}, "not as RFC 9728"),
    ],
)
def test_gateway_that_says_odd_things_about_signing_in_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, status: int, document: Any, reason: str
) -> None:
    monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(status, json=document))
    with pytest.raises(AuthError, match=reason):
        discover(GATEWAY)
