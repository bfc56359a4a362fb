"""Tokens for `url` adapters: had from the issuer, kept apart by caller, and never the client's own."""

import asyncio
import json
from typing import Any

import pytest

from gateway.auth.fetch import FetchFailed, HttpsFetch
from gateway.auth.upstream import Grant, Kind, UpstreamTokens
from gateway.core.access import Principal
from gateway.core.errors import Forbidden, UpstreamBroke
from gateway.wire.names import PrincipalId
from mcpdeck.devissuer.serve import temporary_issuer
from tests.support.oidc.tokens import Clock

ADA, GRACE = Principal(PrincipalId("ada@idp")), Principal(PrincipalId("grace@idp"))
URL = "https://idp.example/token"


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


def grant(kind: Kind, **more: str) -> Grant:
    return Grant(kind, URL, "gateway", "s3cret", **more)


async def test_client_credentials_are_one_token_for_every_caller() -> None:
    endpoint = Endpoint()
    subject, wanted = (
        UpstreamTokens(endpoint),
        grant(Kind.CLIENT_CREDENTIALS, scope="api", resource="https://up.example"),
    )
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
        }
    ]


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (
            Kind.ON_BEHALF_OF,
            {
                "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                "assertion": "ada's own",
                "requested_token_use": "on_behalf_of",
            },
        ),
        (
            Kind.TOKEN_EXCHANGE,
            {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": "ada's own",
                "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            },
        ),
    ],
)
async def test_token_for_a_caller_is_that_callers_alone(kind: Kind, form: dict[str, str]) -> None:
    endpoint = Endpoint()
    subject, wanted = UpstreamTokens(endpoint), grant(kind)
    assert await subject.authorization(wanted, ADA, token="ada's own") == b"Bearer t1"
    assert subject.known(wanted, GRACE) is None
    assert await subject.authorization(wanted, GRACE, token="grace's own") == b"Bearer t2"
    assert subject.known(wanted, ADA) == b"Bearer t1"
    assert endpoint.forms[0] == form | {"client_id": "gateway", "client_secret": "s3cret"}


async def test_many_calls_at_once_ask_once() -> None:
    endpoint = Endpoint()
    subject, wanted = UpstreamTokens(endpoint), grant(Kind.CLIENT_CREDENTIALS)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(subject.authorization(wanted, ADA, token="x")) for _ in range(20)]
    assert {task.result() for task in tasks} == {b"Bearer t1"}
    assert len(endpoint.forms) == 1


async def test_token_is_replaced_before_it_ends() -> None:
    endpoint, clock = Endpoint(), Clock(0.0)
    subject, wanted = UpstreamTokens(endpoint, clock=clock), grant(Kind.CLIENT_CREDENTIALS)
    await subject.authorization(wanted, ADA, token="x")
    clock.now = 541.0
    assert subject.known(wanted, ADA) is None
    assert await subject.authorization(wanted, ADA, token="x") == b"Bearer t2"


@pytest.mark.parametrize("error", ["interaction_required", "invalid_grant"])
async def test_missing_consent_is_the_callers_to_know(error: str) -> None:
    subject = UpstreamTokens(Endpoint(400, {"error": error, "error_description": "AADSTS65001 …"}))
    with pytest.raises(Forbidden, match=error):
        await subject.authorization(grant(Kind.ON_BEHALF_OF), ADA, token="ada's own")


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (0, None),
        (401, {"error": "invalid_client"}),
        (500, "down"),
        (200, {}),
        (200, {"access_token": "t", "token_type": "mac"}),
    ],
)
async def test_endpoint_that_fails_is_an_upstream_that_broke_and_says_no_secret(status: int, answer: Any) -> None:
    subject = UpstreamTokens(Endpoint(status, answer))
    with pytest.raises(UpstreamBroke) as caught:
        await subject.authorization(grant(Kind.CLIENT_CREDENTIALS), ADA, token="ada's own")
    assert "s3cret" not in caught.value.detail
    assert "ada's own" not in caught.value.detail


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.auth.upstream.MAX_KEPT", 3)
    subject = UpstreamTokens(Endpoint())
    for number in range(9):
        await subject.authorization(grant(Kind.ON_BEHALF_OF), Principal(PrincipalId(str(number))), token="x")
        assert len(subject._kept) <= 3


async def test_real_issuer_gives_the_gateway_a_token_of_its_own() -> None:
    async with temporary_issuer(secrets_of={"gateway": "s3cret"}) as (issuer, files):
        url = issuer.metadata()["token_endpoint"]
        subject = UpstreamTokens(HttpsFetch(ca_file=str(files.authority)))
        wanted = Grant(Kind.CLIENT_CREDENTIALS, url, "gateway", "s3cret")
        assert (await subject.authorization(wanted, ADA, token="")).count(b".") == 2
        with pytest.raises(UpstreamBroke, match="401 invalid_client"):
            await subject.authorization(Grant(Kind.CLIENT_CREDENTIALS, url, "gateway", "wrong"), ADA, token="")


def test_grant_does_not_show_its_secret() -> None:
    assert "s3cret" not in repr(grant(Kind.CLIENT_CREDENTIALS))
