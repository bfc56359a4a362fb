"""A running gateway that knows its callers: who is let in, as whom, to what; what is refused, and what adapters see."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio

from gateway.wire import jsonrpc
from gateway.wire.audit import Intact, verify
from gateway.wire.http1 import Request
from mcpdeck.devissuer.serve import AUDIENCE
from mcpdeck.devissuer.tokens import Minter
from tests.support.answering import Reply, answering, message, method_of
from tests.support.identified import ADA, GRACE, LINUS, OPERATOR, WEATHER, Identified, identified
from tests.support.oidc.tokens import forge, rsa_key
from tests.support.programs import PYTHON, program

ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
INITIALIZE = jsonrpc.request(
    1, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
)
PING = jsonrpc.request(2, "ping")
PROTECTED = [
    ("POST", "/mcp", "/mcp"),
    ("POST", "/mcp/some-toolset", "/mcp"),
    ("POST", "/adapters/weather/mcp", "/adapters/weather/mcp"),
    ("GET", "/adapters/weather/mcp/", "/adapters/weather/mcp"),
    ("DELETE", "/adapters/absent/mcp", "/adapters/absent/mcp"),
    ("GET", "/adapters", ""),
    ("GET", "/adapters/weather/logs", ""),
    ("GET", "/events", ""),
    ("GET", "/sessions/live", ""),
    ("GET", "/audit", ""),
    ("GET", "/whoami", ""),
    ("GET", "/metrics", ""),
    ("GET", "/openapi.json", ""),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Identified]:
    """One gateway for all of these, with one adapter that operators may use besides its administrator."""
    folder = tmp_path_factory.mktemp("house")
    async with identified(folder / "data") as it:
        await it.deploy("weather", requiredRoles=["operators"])
        yield it


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def post(client: httpx.AsyncClient, path: str, body: bytes, **headers: str) -> httpx.Response:
    return await client.post(path, content=body, headers=ACCEPT | headers)


async def session_of(client: httpx.AsyncClient, path: str = "/adapters/weather/mcp") -> dict[str, str]:
    opened = await post(client, path, INITIALIZE)
    assert opened.status_code == 200, opened.text
    return {"Mcp-Session-Id": opened.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-11-25"}


# without a token


@pytest.mark.parametrize(("method", "path", "resource"), PROTECTED)
async def test_every_protected_path_challenges_and_its_metadata_is_found(
    house: Identified, method: str, path: str, resource: str
) -> None:
    async with house.bare() as nobody:
        refused = await nobody.request(method, path, content=PING if method == "POST" else None, headers=ACCEPT)
        assert refused.status_code == 401
        challenge = refused.headers["www-authenticate"]
        found = re.fullmatch(r'Bearer resource_metadata="([^"]+)", scope="mcp"', challenge)
        assert found, challenge
        assert found[1] == f"{house.url}/.well-known/oauth-protected-resource{resource}"
        document = (await nobody.get(found[1])).json()
    assert document["resource"] == f"{house.url}{resource}"
    assert document["authorization_servers"] == [house.issuer.minter.issuer]
    assert document["scopes_supported"] == ["mcp"]
    assert document["bearer_methods_supported"] == ["header"]


async def test_probes_and_metadata_are_for_everyone(house: Identified) -> None:
    async with house.bare() as nobody:
        for path in ("/ping", "/livez", "/readyz", "/.well-known/mcpdeck-identity.json"):
            assert (await nobody.get(path)).status_code == 200, path
        assert (await nobody.get("/.well-known/oauth-protected-resource/adapters")).status_code == 404


async def test_host_header_that_lies_is_not_served_and_changes_no_metadata(house: Identified) -> None:
    async with house.bare(host="evil.example") as nobody:
        assert (await post(nobody, "/mcp", PING)).status_code == 421
        assert (await nobody.get("/.well-known/oauth-protected-resource")).status_code == 421
    async with house.bare(host="localhost") as nobody:
        document = (await nobody.get("/.well-known/oauth-protected-resource")).json()
    assert document["resource"] == house.url


async def test_token_in_a_query_string_is_refused_also_beside_a_good_one(house: Identified) -> None:
    async with house.client(ADA) as ada:
        for path in ("/adapters/weather/mcp", "/mcp"):
            refused = await post(ada, f"{path}?access_token={house.token(ADA)}", PING)
            assert refused.status_code == 400
        assert (await ada.get("/whoami", params={"access_token": house.token(ADA)})).status_code == 400


async def test_page_of_another_origin_is_refused_even_with_a_token(house: Identified) -> None:
    async with house.client(ADA) as ada:
        assert (await post(ada, "/adapters/weather/mcp", PING, Origin="https://evil.example")).status_code == 403
        assert (await ada.get("/adapters", headers={"Origin": "https://evil.example"})).status_code == 403
        assert (await post(ada, "/adapters/weather/mcp", PING, Origin=house.url)).status_code != 403


# forged tokens


def claims_of(house: Identified, **changes: Any) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(house.token(ADA), options={"verify_signature": False})
    return claims | changes


def signed_by_another(house: Identified) -> str:
    other = Minter(house.issuer.minter.issuer, house.issuer.minter.tenant, AUDIENCE)
    return other.access_token(ADA, "c", ("mcp",))


def confused(house: Identified) -> str:
    """HS256, keyed with the issuer's public key as it is published."""
    published = json.dumps(house.issuer.minter.signer.published()["keys"][0]).encode()
    kid = jwt.get_unverified_header(house.token(ADA))["kid"]
    header = {"alg": "HS256", "kid": kid, "typ": "at+jwt"}
    unsigned = forge(header, claims_of(house)).rpartition(".")[0]
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(unsigned.encode(), published)
    return f"{unsigned}.{jwt.utils.base64url_encode(signature).decode()}"


FORGERIES: dict[str, Callable[[Identified], str]] = {
    "no signature": lambda house: forge({"alg": "none", "typ": "at+jwt"}, claims_of(house)),
    "algorithm confusion": confused,
    "another key under no known id": signed_by_another,
    "another key under a known id": lambda house: jwt.encode(
        claims_of(house),
        rsa_key("another"),
        algorithm="RS256",
        headers={"kid": jwt.get_unverified_header(house.token(ADA))["kid"]},
    ),
    "roles written into it": lambda house: _tampered(house.token(LINUS), roles=["mcp.admin"]),
    "another audience": lambda house: house.token(ADA, aud="api://somebody-else"),
    "another gateway's resource": lambda house: house.token(ADA, aud="https://other.example/mcp"),
    "another issuer": lambda house: house.token(ADA, iss="https://evil.example"),
    "expired": lambda house: house.token(ADA, exp=1_000_000_000),
    "never expires": lambda house: house.token(ADA, exp="never"),
    "not yet": lambda house: house.token(ADA, nbf=4_000_000_000),
    "issued in the future": lambda house: house.token(ADA, iat=4_000_000_000),
    "an ID token": lambda house: house.issuer.minter.id_token(ADA, AUDIENCE, "n"),
    "no token at all": lambda _: "nonsense",
    "an endless one": lambda _: "x" * 20_000,
    "an adapter's assertion": lambda _: forge({"alg": "ES256", "typ": "mcp-identity+jwt"}, {"sub": "ada"}),
}


def _tampered(token: str, **claims: Any) -> str:
    header, _, signature = token.split(".")
    said = jwt.decode(token, options={"verify_signature": False}) | claims
    return f"{header}.{jwt.utils.base64url_encode(json.dumps(said).encode()).decode()}.{signature}"


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_forged_token_opens_neither_plane(house: Identified, forgery: str) -> None:
    token = FORGERIES[forgery](house)
    async with house.bare(authorization=f"Bearer {token}") as forger:
        for answer in (await post(forger, "/adapters/weather/mcp", INITIALIZE), await forger.get("/whoami")):
            assert answer.status_code == 401, answer.text
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
            assert "error_description=" in answer.headers["www-authenticate"]
            assert token not in answer.text


async def test_token_without_the_scope_is_told_which_it_lacks(house: Identified) -> None:
    async with house.client(ADA, scp="other") as ada:
        refused = await post(ada, "/adapters/weather/mcp", INITIALIZE)
    assert refused.status_code == 403
    assert 'error="insufficient_scope", ' in refused.headers["www-authenticate"]
    assert 'scope="mcp"' in refused.headers["www-authenticate"]


async def test_flood_of_key_ids_does_not_keep_a_good_token_out(house: Identified) -> None:
    async with house.bare() as flood:
        for number in range(50):
            header = {"alg": "RS256", "kid": f"invented-{number}", "typ": "at+jwt"}
            token = forge(header, claims_of(house), b"x" * 256)
            answer = await flood.get("/whoami", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401
    async with house.client(ADA, jti="never seen before") as ada:
        assert (await ada.get("/whoami")).status_code == 200


async def test_token_of_another_tenant_is_refused_where_the_issuer_is_entra(tmp_path: Path) -> None:
    async with (
        identified(tmp_path / "data", entra=True) as entra,
        entra.client(ADA) as ada,
        entra.client(ADA, tid="another-tenant") as stranger,
    ):
        assert (await ada.get("/whoami")).json()["id"] == f"ada-oid@{entra.issuer.minter.tenant}"
        refused = await stranger.get("/whoami")
    assert refused.status_code == 401
    assert "another tenant" in refused.headers["www-authenticate"]


# who may what


async def test_whoami_says_who_one_is_and_what_one_may(house: Identified) -> None:
    expected = {
        "ada": (["mcp.admin"], ["create", "admin"]),
        "grace": (["mcp.engineer"], ["create"]),
        "linus": ([], []),
        "olga": (["operators"], []),
    }
    for user in (ADA, GRACE, LINUS, OPERATOR):
        async with house.client(user) as client:
            who = (await client.get("/whoami")).json()
        assert who["id"] == house.principal(user)
        assert (who["roles"], who["permissions"]) == expected[user.name]
        assert who["authentication"] == "oidc"


async def test_who_has_none_of_the_roles_reaches_nothing_and_learns_nothing(house: Identified) -> None:
    async with house.client(LINUS) as linus:
        refused = await post(linus, "/adapters/weather/mcp", INITIALIZE)
        absent = await post(linus, "/adapters/absent/mcp", INITIALIZE)
        assert (refused.status_code, absent.status_code) == (404, 404)
        assert refused.text.replace("weather", "absent") == absent.text
        assert (await linus.get("/adapters")).json() == []
        for path in ("/adapters/weather", "/adapters/weather/status", "/adapters/weather/logs"):
            assert (await linus.get(path)).status_code == 403, path
        assert (await linus.delete("/adapters/weather")).status_code == 403
        assert (await linus.post("/adapters", json={"name": "mine", "stdio": WEATHER})).status_code == 403
        assert (await linus.get("/audit")).status_code == 403


async def test_required_role_lets_one_use_whatever_its_case_and_change_nothing(house: Identified) -> None:
    async with house.client(OPERATOR) as olga:
        assert (await post(olga, "/adapters/weather/mcp", INITIALIZE)).status_code == 200
        assert [each["name"] for each in (await olga.get("/adapters")).json()] == ["weather"]
        assert (await olga.patch("/adapters/weather", json={"description": "mine"})).status_code == 403


async def test_create_role_makes_ones_own_and_nobody_elses(house: Identified) -> None:
    async with house.client(GRACE) as grace, house.client(OPERATOR) as olga, house.client(ADA) as ada:
        made = await grace.post("/adapters", json={"name": "graces", "stdio": WEATHER, "replicaCount": 0})
        assert made.status_code == 201
        assert made.json()["createdBy"] == house.principal(GRACE)
        assert (await olga.get("/adapters/graces")).status_code == 403
        assert (await grace.patch("/adapters/weather", json={"description": "mine"})).status_code == 403
        assert (await ada.patch("/adapters/graces", json={"description": "seen"})).status_code == 200
        assert (await grace.delete("/adapters/graces")).status_code == 204


async def test_program_is_let_in_by_its_roles(house: Identified) -> None:
    async with house.client(None) as program_:
        assert (await program_.get("/whoami")).json()["permissions"] == ["create"]


async def test_token_that_is_bound_to_one_resource_is_good_there_and_nowhere_else(house: Identified) -> None:
    bound = f"{house.url}/adapters/weather/mcp"
    async with house.client(ADA, aud=bound) as ada:
        assert (await post(ada, "/adapters/weather/mcp", INITIALIZE)).status_code == 200
        for method, path in (("POST", "/adapters/other/mcp"), ("POST", "/mcp"), ("GET", "/whoami"), ("GET", "/audit")):
            refused = await ada.request(method, path, content=PING if method == "POST" else None, headers=ACCEPT)
            assert refused.status_code == 401, path
            assert 'error="invalid_token"' in refused.headers["www-authenticate"]


# sessions


async def test_session_goes_on_with_a_fresh_token_of_the_same_user(house: Identified) -> None:
    async with house.client(ADA) as ada:
        session = await session_of(ada)
    async with house.client(ADA, jti="a fresh one") as ada:
        assert (await post(ada, "/adapters/weather/mcp", PING, **session)).status_code == 200


async def test_session_of_another_user_is_no_session(house: Identified) -> None:
    async with house.client(OPERATOR) as olga, house.client(ADA) as ada:
        session = await session_of(olga)
        for method in ("POST", "GET", "DELETE"):
            stolen = await ada.request(
                method, "/adapters/weather/mcp", content=PING if method == "POST" else None, headers=ACCEPT | session
            )
            assert stolen.status_code == 404, method
            assert stolen.json()["error"]["data"] == {"source": "mcpdeck", "code": "session-lost"}
        query = f"/adapters/weather/mcp?session_id={session['Mcp-Session-Id']}"
        assert (await post(ada, query, PING)).status_code == 404
        assert (await post(olga, "/adapters/weather/mcp", PING, **session)).status_code == 200


async def test_forged_session_id_is_no_session(house: Identified) -> None:
    async with house.client(ADA) as ada:
        session = (await session_of(ada))["Mcp-Session-Id"]
        middle = len(session) // 2  # the last character may hold bits that say nothing
        flipped = session[:middle] + ("A" if session[middle] != "A" else "B") + session[middle + 1 :]
        for forged in (flipped, session[: len(session) // 2], "0" * 32, "A" * 130, "~" * 20):
            answer = await post(ada, "/adapters/weather/mcp", PING, **{"Mcp-Session-Id": forged})
            assert answer.status_code == 404, forged


# what adapters see


def mcp_server(request: Request) -> Reply:
    if method_of(request) == "initialize":
        return Reply(body=message({"protocolVersion": "2025-11-25", "capabilities": {}}))
    return Reply(body=message({}, request_id=2)) if method_of(request) == "ping" else Reply(404)


SMUGGLED = {
    "X-Mcp-UserId": "root",
    "X-Mcp-Roles": "mcp.admin",
    "x-MCP-Identity": "forged",
    "X_Mcp_UserId": "root",
    "X-Mcp-Anything": "else",
    "X-Forwarded-For": "10.0.0.1",
    "Forwarded": "for=10.0.0.1",
    "X-Gateway-Secret": "guess",
    "Cookie": "session=stolen",
}


async def test_adapter_sees_who_calls_signed_and_nothing_that_the_client_smuggled(house: Identified) -> None:
    async with answering(mcp_server) as server:
        url = f"http://127.0.0.1:{server.port}/mcp"
        await house.deploy("echo", url=url, requiredRoles=["Operators"])
        async with house.client(OPERATOR) as olga:
            assert (await post(olga, "/adapters/echo/mcp", PING, **SMUGGLED)).status_code == 200
        seen = server.asked[-1]
        token = house.token(OPERATOR)
        async with house.bare() as nobody:
            keys = (await nobody.get("/.well-known/mcpdeck-identity.json")).json()
        await house.gateway.client.delete("/adapters/echo")
    names = [name for name, _ in seen.headers]
    assert len(names) == len(set(names))
    headers = {name.decode(): value.decode() for name, value in seen.headers}
    assert (headers["x-mcp-userid"], headers["x-mcp-username"]) == (house.principal(OPERATOR), "olga")
    assert headers["x-mcp-roles"] == "operators"
    assert not {
        "authorization",
        "cookie",
        "x-gateway-secret",
        "x-forwarded-for",
        "x_mcp_userid",
        "x-mcp-anything",
    } & set(headers)
    assert "10.0.0.1" not in headers["forwarded"]
    assert token.rpartition(".")[2] not in str(seen.headers)
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(headers["x-mcp-identity"])["kid"]]
    audience = f"{house.url}/adapters/echo/mcp"
    claims = jwt.decode(headers["x-mcp-identity"], key, algorithms=["ES256"], issuer=house.url, audience=audience)
    assert (claims["sub"], claims["roles"]) == (house.principal(OPERATOR), ["operators"])
    assert claims["idp"] == house.issuer.minter.issuer
    async with house.bare(authorization=f"Bearer {headers['x-mcp-identity']}") as replayed:
        assert (await replayed.get("/whoami")).status_code == 401


# the audit log


async def test_audit_log_has_all_of_it_and_no_token(house: Identified) -> None:
    secret = "only-the-caller-knows"
    async with house.client(ADA) as ada, house.client(LINUS) as linus:
        session = await session_of(ada)
        call = jsonrpc.request(3, "tools/call", {"name": "get_forecast", "arguments": {"city": "Oslo", "note": secret}})
        answered = await post(ada, "/adapters/weather/mcp", call, **session)
        request_id = answered.headers["x-request-id"]
        await post(linus, "/adapters/weather/mcp", INITIALIZE)
        await linus.delete("/adapters/weather")
        forged = FORGERIES["roles written into it"](house)
        await post(linus, "/mcp", PING, authorization=f"Bearer {forged}")
        await post(ada, "/mcp", INITIALIZE)
        records = (await ada.get("/audit", params={"limit": 1000})).json()
    found = {each["requestId"]: each for each in records}[request_id]
    assert (found["action"], found["method"], found["name"]) == ("mcp.call", "tools/call", "get_forecast")
    assert (found["principal"], found["target"], found["instance"]) == (house.principal(ADA), "weather", "weather-0")
    assert found["status"] == 200
    assert min(found["duration"], found["bytesIn"], found["bytesOut"]) > 0
    told = [(each["action"], each.get("principal", ""), each["target"], each["status"]) for each in records[:6]]
    assert ("mcp.refused", house.principal(LINUS), "weather", 404) in told
    assert ("adapter.delete", house.principal(LINUS), "weather", 403) in told
    assert ("mcp.refused", "", "/mcp", 401) in told
    assert ("mcp.call", house.principal(ADA), "/mcp", 200) in told
    written = house.audit.read_bytes()
    assert secret.encode() not in written
    for token in (forged, house.token(ADA)):
        assert token.rpartition(".")[2].encode() not in written
    assert session["Mcp-Session-Id"].encode() not in written
    assert isinstance(verify(written.splitlines()), Intact)


# starting and stopping


async def test_gateway_that_others_reach_does_not_start_without_an_issuer(tmp_path: Path) -> None:
    argv = [PYTHON, "-m", "gateway", "--bind", "0.0.0.0:0", "--data-dir", str(tmp_path)]
    async with program(argv) as refused:
        assert await refused.process.wait() == 2
        await refused.hear("no issuer says who they are: configure one")


async def test_readiness_goes_before_the_port_does(tmp_path: Path) -> None:
    async with identified(tmp_path / "data", "--notice", "30") as stopping, stopping.bare() as probe:
        assert (await probe.get("/readyz")).status_code == 200
        stopping.gateway.program.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            answer = await probe.get("/readyz")
            while answer.status_code == 200:
                answer = await probe.get("/readyz")
        assert answer.status_code == 503
        failed = [each for each in answer.json()["checks"] if not each["ok"]]
        assert failed == [{"name": "stopping", "ok": False, "reason": "the gateway is stopping"}]
        assert (await probe.get("/livez")).status_code == 200
        async with stopping.client(ADA) as ada:
            assert (await ada.get("/whoami")).status_code == 200
        stopping.gateway.program.process.kill()
