"""Tokens for `url` adapters: had from the issuer, kept apart by caller, and never the client's own."""

import asyncio
import json
from typing import Any

import pytest

from gateway.auth.fetch import FetchFailed, HttpsFetch
from gateway.auth.upstream import PAUSE, UpstreamTokens
from gateway.core.access import Principal
from gateway.core.errors import Challenge, Forbidden, Unauthenticated, Unsupported, UpstreamBroke
from gateway.core.grants import Grant
from gateway.wire.names import PrincipalId
from gateway.wire.resources import Authorization, GrantKind, SecretReference
from mcpdeck.devissuer.serve import temporary_issuer
from tests.support.oidc.tokens import Clock

ADA, GRACE = Principal(PrincipalId("ada@idp")), Principal(PrincipalId("grace@idp"))
URL = "https://idp.example/token"
TRUSTED = frozenset({"https://idp.example"})


class Endpoint(HttpsFetch):
    """A token endpoint: notes each form, answers t1, t2, …, or what it was told to."""

    def __init__(self, status: int = 200, answer: Any = None) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = []
        self.status, self.answer = status, answer

    async def post(self, url: str, form: dict[str, str], *, may_be_private: bool) -> tuple[int, bytes]:
        self.forms.append(form)
        await asyncio.sleep(0)
        if self.status == 0:
            raise FetchFailed(f"{url} can't be reached")
        said = {"access_token": f"t{len(self.forms)}", "token_type": "Bearer", "expires_in": "600"}
        return self.status, json.dumps(said if self.answer is None else self.answer).encode()


def grant(kind: GrantKind, **more: str) -> Grant:
    return Grant(kind, URL, "gateway", "s3cret", **more)


async def test_client_credentials_are_one_token_for_every_caller() -> None:
    endpoint = Endpoint()
    wanted = grant(GrantKind.CLIENT_CREDENTIALS, scope="api", resource="https://up.example", audience="up")
    subject = UpstreamTokens(endpoint)
    assert subject.known(wanted, ADA) is None
    assert await subject.authorization(wanted, ADA, token="ada's own") == b"Bearer t1"
    assert subject.known(wanted, GRACE) == b"Bearer t1"
    assert endpoint.forms == [
        {
            "grant_type": "client_credentials",
            "client_id": "gateway",
            "client_secret": "s3cret",
            "scope": "api",
            "resource": "https://up.example",
            "audience": "up",
        }
    ]


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (
            GrantKind.ON_BEHALF_OF,
            {
                "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                "assertion": "ada's own",
                "requested_token_use": "on_behalf_of",
            },
        ),
        (
            GrantKind.TOKEN_EXCHANGE,
            {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": "ada's own",
                "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            },
        ),
    ],
)
async def test_token_for_a_caller_is_that_callers_alone(kind: GrantKind, form: dict[str, str]) -> None:
    endpoint = Endpoint()
    subject, wanted = UpstreamTokens(endpoint, may_exchange_at=TRUSTED), grant(kind)
    assert await subject.authorization(wanted, ADA, token="ada's own") == b"Bearer t1"
    assert subject.known(wanted, GRACE) is None
    assert await subject.authorization(wanted, GRACE, token="grace's own") == b"Bearer t2"
    assert subject.known(wanted, ADA) == b"Bearer t1"
    assert endpoint.forms[0] == form | {"client_id": "gateway", "client_secret": "s3cret"}


async def test_many_calls_at_once_ask_once() -> None:
    endpoint = Endpoint()
    subject, wanted = UpstreamTokens(endpoint), grant(GrantKind.CLIENT_CREDENTIALS)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(subject.authorization(wanted, ADA, token="x")) for _ in range(20)]
    assert {task.result() for task in tasks} == {b"Bearer t1"}
    assert len(endpoint.forms) == 1


async def test_token_is_replaced_before_it_ends_and_serves_what_cannot_wait_until_then() -> None:
    endpoint, clock = Endpoint(), Clock(0.0)
    subject, wanted = UpstreamTokens(endpoint, clock=clock), grant(GrantKind.CLIENT_CREDENTIALS)
    await subject.authorization(wanted, ADA, token="x")
    clock.now = 541.0
    assert subject.known(wanted, ADA) is None
    assert subject.last(wanted, ADA) == b"Bearer t1"
    assert await subject.authorization(wanted, ADA, token="x") == b"Bearer t2"


@pytest.mark.parametrize("error", ["interaction_required", "invalid_grant"])
async def test_missing_consent_is_the_callers_to_know(error: str) -> None:
    answer = {"error": error, "error_description": "AADSTS65001 …"}
    subject = UpstreamTokens(Endpoint(400, answer), may_exchange_at=TRUSTED)
    with pytest.raises(Forbidden, match=error):
        await subject.authorization(grant(GrantKind.ON_BEHALF_OF), ADA, token="ada's own")


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (0, None),
        (401, {"error": "invalid_client"}),
        (500, "down"),
        (200, {}),
        (200, {"access_token": "t", "token_type": "mac"}),
        (200, {"access_token": "t\r\nX-Mcp-Roles: mcp.admin"}),
        (200, {"access_token": ""}),
        (400, {"error": "\x1b[31minvalid\r\n"}),
    ],
)
async def test_endpoint_that_fails_is_an_upstream_that_broke_and_says_no_secret(status: int, answer: Any) -> None:
    subject = UpstreamTokens(Endpoint(status, answer))
    with pytest.raises(UpstreamBroke) as caught:
        await subject.authorization(grant(GrantKind.CLIENT_CREDENTIALS), ADA, token="ada's own")
    assert "s3cret" not in caught.value.detail
    assert "ada's own" not in caught.value.detail
    assert caught.value.detail.isprintable()


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.auth.upstream.MAX_KEPT", 3)
    subject = UpstreamTokens(Endpoint(), may_exchange_at=TRUSTED)
    for number in range(9):
        await subject.authorization(grant(GrantKind.ON_BEHALF_OF), Principal(PrincipalId(str(number))), token="x")
        assert len(subject._kept) <= 3


async def test_token_that_lives_shorter_than_the_margin_is_used_all_the_same() -> None:
    endpoint, clock = Endpoint(answer={"access_token": "short", "expires_in": 20}), Clock(0.0)
    subject, wanted = UpstreamTokens(endpoint, clock=clock), grant(GrantKind.CLIENT_CREDENTIALS)
    await subject.authorization(wanted, ADA, token="")
    assert subject.known(wanted, ADA) == b"Bearer short"
    clock.now = 11.0
    assert subject.known(wanted, ADA) is None


@pytest.mark.parametrize("kind", [GrantKind.TOKEN_EXCHANGE, GrantKind.ON_BEHALF_OF])
async def test_callers_token_goes_to_no_place_that_an_operator_did_not_name(kind: GrantKind) -> None:
    """Who may write an adapter down could otherwise collect the tokens of everyone who calls it."""
    endpoint = Endpoint()
    subject = UpstreamTokens(endpoint, may_exchange_at={"https://idp.example:444", "https://login.example"})
    with pytest.raises(UpstreamBroke, match="no place for callers' tokens"):
        await subject.authorization(grant(kind), ADA, token="ada's own")
    assert endpoint.forms == []
    reference = SecretReference(secret="s", key="k")
    asked = Authorization(kind=kind, token_url=URL, client_id="gateway", client_secret=reference)
    assert "https://login.example" in subject.refusal(asked)
    assert UpstreamTokens(endpoint, may_exchange_at=TRUSTED).refusal(asked) == ""


@pytest.mark.parametrize("kind", [GrantKind.TOKEN_EXCHANGE, GrantKind.ON_BEHALF_OF])
async def test_caller_without_a_token_of_an_issuer_is_told_so(kind: GrantKind) -> None:
    subject = UpstreamTokens(Endpoint(), may_exchange_at=TRUSTED)
    with pytest.raises(Unsupported, match="dev authentication"):
        await subject.authorization(grant(kind), ADA, token="")


async def test_token_that_a_front_minted_is_exchanged_for_what_the_issuer_gave_behind_it() -> None:
    endpoint, behind = Endpoint(), {"minted": "the issuer's"}

    async def subject_of(token: str) -> str:
        return behind.get(token, "")

    subject = UpstreamTokens(
        endpoint,
        may_exchange_at=TRUSTED,
        subject_of=subject_of,
        challenge=Challenge("https://gateway.example"),
    )
    wanted = grant(GrantKind.TOKEN_EXCHANGE)
    await subject.authorization(wanted, ADA, token="minted")
    assert endpoint.forms[0]["subject_token"] == "the issuer's"
    with pytest.raises(Unauthenticated) as caught:
        await subject.authorization(wanted, GRACE, token="of another replica")
    assert (caught.value.challenge.error, caught.value.challenge.public_url) == (
        "invalid_token",
        "https://gateway.example",
    )


async def test_issuer_that_fails_is_left_alone_for_a_while_and_then_asked_again() -> None:
    endpoint, clock = Endpoint(500, "down"), Clock(0.0)
    subject, wanted = UpstreamTokens(endpoint, clock=clock), grant(GrantKind.CLIENT_CREDENTIALS)
    for _ in range(3):
        with pytest.raises(UpstreamBroke, match="answered 500"):
            await subject.authorization(wanted, ADA, token="")
    assert len(endpoint.forms) == 1
    clock.now, endpoint.status, endpoint.answer = PAUSE + 1, 200, None
    assert await subject.authorization(wanted, ADA, token="") == b"Bearer t2"


async def test_token_that_the_adapter_refuses_is_replaced_but_not_at_every_call() -> None:
    endpoint, clock = Endpoint(), Clock(0.0)
    subject, wanted = UpstreamTokens(endpoint, clock=clock), grant(GrantKind.CLIENT_CREDENTIALS)
    await subject.authorization(wanted, ADA, token="")
    subject.refused(wanted, ADA)
    assert subject.known(wanted, ADA) == b"Bearer t1"
    clock.now = PAUSE + 1
    subject.refused(wanted, ADA)
    assert subject.known(wanted, ADA) is None
    assert await subject.authorization(wanted, ADA, token="") == b"Bearer t2"


@pytest.mark.parametrize("allow_private", [True, False])
async def test_token_endpoint_in_a_private_network_is_asked_only_where_that_is_allowed(allow_private: bool) -> None:
    asked: list[bool] = []

    class Noting(Endpoint):
        async def post(self, url: str, form: dict[str, str], *, may_be_private: bool) -> tuple[int, bytes]:
            asked.append(may_be_private)
            return await super().post(url, form, may_be_private=may_be_private)

    subject = UpstreamTokens(Noting(), allow_private=allow_private)
    await subject.authorization(grant(GrantKind.CLIENT_CREDENTIALS), ADA, token="")
    assert asked == [allow_private]


async def test_real_issuer_gives_the_gateway_a_token_of_its_own() -> None:
    async with temporary_issuer(secrets_of={"gateway": "s3cret"}) as (issuer, files):
        url = issuer.metadata()["token_endpoint"]
        subject = UpstreamTokens(HttpsFetch(ca_file=str(files.authority)), allow_private=True)
        wanted = Grant(GrantKind.CLIENT_CREDENTIALS, url, "gateway", "s3cret")
        assert (await subject.authorization(wanted, ADA, token="")).count(b".") == 2
        with pytest.raises(UpstreamBroke, match="401 invalid_client"):
            await subject.authorization(Grant(GrantKind.CLIENT_CREDENTIALS, url, "gateway", "wrong"), ADA, token="")


def test_grant_does_not_show_its_secret() -> None:
    assert "s3cret" not in repr(grant(GrantKind.CLIENT_CREDENTIALS))
