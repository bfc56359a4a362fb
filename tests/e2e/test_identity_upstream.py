"""Servers elsewhere that want a token: the gateway's own, or one in the caller's name; the caller's own reaches none."""

from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest

from gateway.wire import jsonrpc
from gateway.wire.http1 import Request
from mcpdeck.devissuer.app import Issuer
from tests.support.answering import Reply, answering, message, method_of
from tests.support.identified import ADA, GRACE, Identified, identified
from tests.support.oidc.person import called

RESULTS: dict[str, Any] = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "crm", "version": "1"},
    },
    "tools/list": {"tools": [{"name": "find", "inputSchema": {"type": "object"}}]},
    "tools/call": {"content": [{"type": "text", "text": "done"}]},
}
SECRET = {"secret": "idp", "key": "gateway"}
VARIABLES: dict[str, Any] = {"MCPDECK_SECRET_IDP_GATEWAY": "s3cret"}
CRM = "https://crm.example"
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


class Crm:
    """A resource server: takes tokens of the issuer for itself, and notes whom they speak for."""

    def __init__(self) -> None:
        self.issuer: Issuer
        self.shown: list[dict[str, Any]] = []

    def __call__(self, request: Request) -> Reply:
        token = (request.header(b"authorization") or b"").removeprefix(b"Bearer ").decode()
        try:
            claims = self.issuer.minter.signer.verified(token)
        except ValueError:
            return Reply(401, ((b"www-authenticate", b'Bearer resource_metadata="https://crm.example/x"'),))
        if claims["aud"] != CRM:
            return Reply(401)
        self.shown.append(claims)
        method = method_of(request)
        if not method or method.startswith("notifications/"):
            return Reply(202 if method else 405)
        request_id = msgspec.json.decode(request.body)["id"]
        if method in RESULTS:
            return Reply(body=message(RESULTS[method], request_id=request_id))
        unknown = {"code": jsonrpc.METHOD_NOT_FOUND, "message": "unknown"}
        return Reply(body=message(error=unknown, request_id=request_id))


def authorization(house: Identified, kind: str, **changes: Any) -> dict[str, Any]:
    url = house.issuer.metadata()["token_endpoint"]
    asked = {"kind": kind, "tokenUrl": url, "clientId": "gateway", "clientSecret": SECRET, "audience": CRM}
    return asked | changes


async def call(house: Identified, user: Any) -> Any:
    async with house.client(user) as client:
        body = jsonrpc.request(2, "tools/call", {"name": "find"})
        return await client.post("/adapters/crm/mcp", content=body, headers=HEADERS)


async def test_adapter_is_called_with_the_gateways_own_token_whoever_calls(tmp_path: Path) -> None:
    crm = Crm()
    async with identified(tmp_path / "data", **VARIABLES) as house, answering(crm) as server:
        crm.issuer = house.issuer
        url = f"http://127.0.0.1:{server.port}/mcp"
        await house.deploy(
            "crm", url=url, authorization=authorization(house, "client-credentials"), requiredRoles=["mcp.engineer"]
        )
        status = await house.gateway.status("crm")
        assert (status["phase"], status["message"]) == ("Ready", "")
        crm.shown.clear()
        assert [(await call(house, user)).status_code for user in (ADA, GRACE)] == [200, 200]
        shown = (await house.gateway.client.get("/adapters/crm")).json()
    assert {claims["sub"] for claims in crm.shown} == {"gateway"}
    assert len({claims["jti"] for claims in crm.shown}) == 1
    assert "s3cret" not in str(shown)
    assert shown["authorization"]["clientSecret"] == SECRET


@pytest.mark.parametrize("kind", ["token-exchange", "on-behalf-of"])
async def test_adapter_is_called_in_each_callers_name(tmp_path: Path, kind: str) -> None:
    crm = Crm()
    async with identified(tmp_path / "data", **VARIABLES) as house, answering(crm) as server:
        crm.issuer = house.issuer
        url = f"http://127.0.0.1:{server.port}/mcp"
        await house.deploy("crm", url=url, authorization=authorization(house, kind), requiredRoles=["mcp.engineer"])
        answers = [await call(house, user) for user in (ADA, GRACE, ADA)]
        own = house.token(ADA)
    assert [answer.status_code for answer in answers] == [200, 200, 200], answers[0].text
    assert [(claims["sub"], claims["act"]) for claims in crm.shown] == [
        ("ada", {"sub": "gateway"}),
        ("grace", {"sub": "gateway"}),
        ("ada", {"sub": "gateway"}),
    ]
    assert len({claims["jti"] for claims in crm.shown}) == 2
    written = str([request.headers for request in server.asked])
    assert own.rpartition(".")[0].encode() not in written.encode()
    assert jwt.decode(own, options={"verify_signature": False})["aud"] != CRM


async def test_caller_who_signed_in_through_the_front_is_spoken_for_as_well(tmp_path: Path) -> None:
    crm = Crm()
    async with identified(tmp_path / "data", front=True, **VARIABLES) as house, answering(crm) as server:
        crm.issuer = house.issuer
        url = f"http://127.0.0.1:{server.port}/mcp"
        mine = await house.deploy("crm", url=url, authorization=authorization(house, "token-exchange"))
        said, person, _ = await called(mine, house.trust, name="find", arguments={})
    assert said == "done"
    assert person.consents == 1
    assert {claims["sub"] for claims in crm.shown} == {"ada"}


async def test_caller_of_the_front_is_spoken_for_whichever_worker_is_called(tmp_path: Path) -> None:
    crm = Crm()
    options = ("--workers", "2")
    async with identified(tmp_path / "data", *options, front=True, **VARIABLES) as house, answering(crm) as server:
        crm.issuer = house.issuer
        url = f"http://127.0.0.1:{server.port}/mcp"
        mine = await house.deploy("crm", url=url, authorization=authorization(house, "token-exchange"))
        _, _, memory = await called(mine, house.trust, name="find", arguments={})
        assert memory.tokens is not None
        answers = []
        for _ in range(12):  # each on a connection of its own, which goes to any worker
            async with house.bare(authorization=f"Bearer {memory.tokens.access_token}") as client:
                body = jsonrpc.request(2, "tools/call", {"name": "find"})
                answers.append(await client.post("/adapters/crm/mcp", content=body, headers=HEADERS))
    assert [answer.status_code for answer in answers] == [200] * 12


async def test_token_endpoint_that_is_no_issuers_gets_no_callers_token(tmp_path: Path) -> None:
    async with identified(tmp_path / "data", **VARIABLES) as house:
        foreign = authorization(house, "token-exchange", tokenUrl="https://evil.example/token")
        spec = {"name": "crm", "url": "https://93.184.216.34/mcp", "authorization": foreign}
        refused = await house.gateway.client.post("/adapters", json=spec)
    assert refused.status_code == 400
    (sentence,) = refused.json()["errors"]["authorization.tokenUrl"]
    assert "to nobody else" in sentence
    assert house.issuer.base in sentence


async def test_secret_that_is_wrong_is_said_in_the_status_and_to_callers(tmp_path: Path) -> None:
    crm = Crm()
    wrong: dict[str, Any] = {"MCPDECK_SECRET_IDP_GATEWAY": "wrong"}
    async with identified(tmp_path / "data", **wrong) as house, answering(crm) as server:
        crm.issuer = house.issuer
        spec = {"name": "crm", "url": f"http://127.0.0.1:{server.port}/mcp"}
        spec["authorization"] = authorization(house, "client-credentials")  # type: ignore[assignment]
        made = await house.gateway.client.post("/adapters", json=spec)
        assert made.status_code == 201, made.text
        status = await house.gateway.failed("crm")
        refused = await call(house, ADA)
        assert not server.asked
    assert status["reason"] == "NoAccessToken"
    assert "401 invalid_client" in status["message"]
    assert refused.status_code == 503
    assert "wrong" not in str(status) + refused.text
