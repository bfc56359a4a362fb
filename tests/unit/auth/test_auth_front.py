"""The authorization-server front, over the local issuer: the whole flow, then every way to make a deputy of it.

All of it by one gateway, and by two replicas of which each step reaches the other one.
"""

import asyncio
import itertools
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from quart import Quart

from gateway.auth.fetch import HttpsFetch
from gateway.auth.front.clients import MOST_FETCHED, Client, ClientRefused, Clients
from gateway.auth.front.families import FAMILIES, Families, SignedIn
from gateway.auth.front.flow import Ask, Front, Redirect, Reply, Sorry
from gateway.auth.front.issuer_side import IssuerSide, Upstream, s256
from gateway.auth.front.memory import MemoryVault
from gateway.auth.front.once import LIFETIME as WAITS
from gateway.auth.front.once import Once
from gateway.auth.front.tokens import LIFETIME, Minter
from gateway.auth.issuers import Issuer as Trusted
from gateway.auth.issuers import entra
from gateway.auth.oidc import OidcAuthenticator
from gateway.auth.routes import COOKIE, front_routes
from gateway.core.access import Principal, is_bound_elsewhere
from gateway.core.affinity import new_key
from gateway.core.errors import Unauthenticated
from gateway.core.rotation import RIPENS
from gateway.core.sharing import Unreachable, Vault
from mcpdeck.devissuer.app import Issuer
from mcpdeck.devissuer.serve import AUDIENCE, TENANT, temporary_issuer
from tests.support.oidc.tokens import Clock, CountingFetch, bearer
from tests.support.redis import needs_redis
from tests.support.vaults import Away, Noting, vaults

GATEWAY = "https://gateway.example"
CALLBACK = f"{GATEWAY}/oauth/callback"
WEATHER = f"{GATEWAY}/adapters/weather/mcp"
BACK = "https://client.example/back"
CIMD = "https://client.example/metadata.json"
VERIFIER = "v" * 64


class Replica(NamedTuple):
    minter: Minter
    authenticator: OidcAuthenticator
    front: Front


class World:
    """Fronts over a running issuer, one for each vault; one client, and what its browser does."""

    def __init__(self, issuer: Issuer, fetch: HttpsFetch, *kept: Vault) -> None:
        self.issuer = issuer
        self.vaults = [Noting(vault) for vault in kept]
        self.away = [Away(vault) for vault in self.vaults]
        issuer.registered["front"] = [CALLBACK]
        self.clock = Clock(time.time())
        self.keys = [new_key()]
        self.documents = CountingFetch({CIMD: {"client_id": CIMD, "client_name": "A client", "redirect_uris": [BACK]}})
        self.fetch = fetch
        self.minter, self.authenticator, _ = self.replica()
        self.fronts = [self.replica(number).front for number in range(len(kept))]
        self._next = itertools.cycle(self.fronts)
        self.trust: ssl.SSLContext = fetch._trust()

    def replica(self, number: int = 0) -> "Replica":
        """One more, at that vault."""
        minter = Minter(self.keys, GATEWAY, clock=self.clock, steady=self.clock)
        issuers: tuple[Trusted, ...] = entra(TENANT, AUDIENCE, authority=self.issuer.base)
        authenticator = OidcAuthenticator((*issuers, minter.trusted), minter.fetching(self.fetch), clock=self.clock)
        upstream = Upstream(self.issuer.minter.issuer, "front", "s3cret", f"{AUDIENCE}/.default offline_access")
        side = IssuerSide(upstream, self.fetch, redirect_uri=CALLBACK)
        clients = Clients(self.keys, self.documents)
        front = Front(GATEWAY, clients, side, authenticator=authenticator, minter=minter)
        front.share(self.away[number])
        return Replica(minter, authenticator, front)

    @property
    def front(self) -> Front:
        """Each time another one's, where there are more."""
        return next(self._next)

    @property
    def shelves(self) -> list[str]:
        """On which something was put."""
        return [each for vault in self.vaults for each in vault.shelves]

    def query(self, **changes: str | None) -> dict[str, str]:
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": CIMD,
            "redirect_uri": BACK,
            "code_challenge": s256(VERIFIER),
            "code_challenge_method": "S256",
            "resource": WEATHER,
            "state": "the client's state",
        }
        return {name: value for name, value in (asked | changes).items() if value is not None}

    async def asked(self, **changes: str | None) -> Ask:
        ask = await self.front.authorize(self.query(**changes), browser="")
        assert isinstance(ask, Ask), ask
        return ask

    async def consented(self, ask: Ask) -> str:
        """The issuer's URL that the browser is sent to."""
        answer = await self.front.consent({"ticket": ask.ticket, "decision": "allow"}, browser=ask.browser)
        assert isinstance(answer, Redirect), answer
        return answer.url

    async def at_issuer(self, url: str) -> dict[str, str]:
        """Signs in there, and returns what comes back to the callback."""
        async with httpx.AsyncClient(verify=self.trust, trust_env=False) as browser:
            location = (await browser.get(url)).headers["location"]
        assert location.startswith(CALLBACK)
        return query_of(location)

    async def code(self, **changes: str | None) -> str:
        ask = await self.asked(**changes)
        answer = await self.front.callback(await self.at_issuer(await self.consented(ask)), browser=ask.browser)
        assert isinstance(answer, Redirect), answer
        said = query_of(answer.url)
        assert (said["state"], said["iss"]) == ("the client's state", GATEWAY)
        return said["code"]

    async def tokens(self, **changes: str) -> Reply:
        form = {"grant_type": "authorization_code", "code": await self.code(), "client_id": CIMD}
        return await self.front.token(form | {"redirect_uri": BACK, "code_verifier": VERIFIER} | changes)

    async def refreshed(self, token: str, client_id: str = CIMD) -> Reply:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client_id}
        return await self.front.token(form)


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture(params=["alone", pytest.param("replicas", marks=needs_redis)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    kind = "memory" if request.param == "alone" else "redis"
    async with (
        temporary_issuer(auto="ada", secrets_of={"front": "s3cret"}) as (issuer, files),
        vaults(kind) as (one, two),
    ):
        yield World(issuer, HttpsFetch(ca_file=str(files.authority)), *((one,) if one is two else (one, two)))


async def test_whole_flow_ends_with_a_token_for_one_resource_and_the_same_person(world: World) -> None:
    reply = await world.tokens()
    assert reply.status == 200
    principal = await world.authenticator.verify(bearer(reply.body["access_token"]))
    assert isinstance(principal, Principal)
    direct = await world.authenticator.verify(
        bearer(world.issuer.minter.access_token(world.issuer.users["ada"], "x", ()))
    )
    assert isinstance(direct, Principal)
    assert (principal.id, principal.roles, principal.issuer) == (direct.id, direct.roles, direct.issuer)
    assert principal.resource == "/adapters/weather/mcp"
    assert is_bound_elsewhere(principal, "/adapters/mail/mcp")
    assert is_bound_elsewhere(principal, "")
    assert not is_bound_elsewhere(principal, "/adapters/weather/mcp")


async def test_token_of_the_issuer_is_found_behind_a_minted_one_while_that_is_good(world: World) -> None:
    minted = (await world.tokens()).body["access_token"]
    behind = await world.front.subject_of(minted)
    found = await world.authenticator.verify(bearer(behind))
    assert behind != minted
    assert isinstance(found, Principal)
    assert found.id.startswith("ada-oid@")
    assert [await front.subject_of(minted) for front in world.fronts] == [behind] * len(world.fronts)
    assert await world.front.subject_of(behind) == behind
    unknown = world.minter.mint(found, client_id="c", resource=WEATHER, scope="mcp")
    assert await world.front.subject_of(unknown) == ""


async def test_minted_tokens_are_short(world: World) -> None:
    token = (await world.tokens()).body["access_token"]
    assert isinstance(await world.authenticator.verify(bearer(token)), Principal)
    world.clock.now += LIFETIME + 61
    assert isinstance(await world.authenticator.verify(bearer(token)), Unauthenticated)


async def test_issuer_is_not_asked_before_the_person_consents(world: World) -> None:
    ask = await world.asked()
    assert ask.client_name == "A client"
    assert any("client.example" in line for line in ask.lines)
    assert world.shelves == ["asked"]


async def test_refusal_goes_back_to_the_client_and_the_issuer_hears_nothing(world: World) -> None:
    ask = await world.asked()
    answer = await world.front.consent({"ticket": ask.ticket, "decision": "deny"}, browser=ask.browser)
    assert isinstance(answer, Redirect)
    assert query_of(answer.url) == {"error": "access_denied", "iss": GATEWAY, "state": "the client's state"}


async def test_consent_serves_once(world: World) -> None:
    ask = await world.asked()
    await world.consented(ask)
    assert isinstance(
        await world.front.consent({"ticket": ask.ticket, "decision": "allow"}, browser=ask.browser), Sorry
    )


@pytest.mark.parametrize("browser", ["", "another browser"])
async def test_consent_of_another_browser_is_refused(world: World, browser: str) -> None:
    ask = await world.asked()
    assert isinstance(await world.front.consent({"ticket": ask.ticket, "decision": "allow"}, browser=browser), Sorry)


async def test_state_serves_once(world: World) -> None:
    ask = await world.asked()
    query = await world.at_issuer(await world.consented(ask))
    assert isinstance(await world.front.callback(query, browser=ask.browser), Redirect)
    assert isinstance(await world.front.callback(query, browser=ask.browser), Sorry)


@pytest.mark.parametrize("browser", ["", "the attacker's"])
async def test_sign_in_that_another_browser_finishes_is_refused(world: World, browser: str) -> None:
    ask = await world.asked()
    query = await world.at_issuer(await world.consented(ask))
    assert isinstance(await world.front.callback(query, browser=browser), Sorry)


async def test_invented_state_is_refused(world: World) -> None:
    assert isinstance(await world.front.callback({"state": "x", "code": "y"}, browser="b"), Sorry)


@pytest.mark.parametrize("iss", ["https://evil.example", None])
async def test_answer_of_another_issuer_is_refused(world: World, iss: str | None) -> None:
    ask = await world.asked()
    query = await world.at_issuer(await world.consented(ask))
    del query["iss"]
    mixed_up = query | ({"iss": iss} if iss else {})
    assert isinstance(await world.front.callback(mixed_up, browser=ask.browser), Sorry)


async def test_error_of_the_issuer_reaches_the_client_without_its_words(world: World) -> None:
    ask = await world.asked()
    state = query_of(await world.consented(ask))["state"]
    query = {"state": state, "iss": world.issuer.minter.issuer, "error": "access_denied", "error_description": "secret"}
    answer = await world.front.callback(query, browser=ask.browser)
    assert isinstance(answer, Redirect)
    assert query_of(answer.url)["error"] == "access_denied"
    assert "secret" not in answer.url


async def test_issuer_that_refuses_the_code_is_an_error_for_the_client(world: World) -> None:
    ask = await world.asked()
    query = await world.at_issuer(await world.consented(ask))
    answer = await world.front.callback(query | {"code": "invented"}, browser=ask.browser)
    assert isinstance(answer, Redirect)
    assert query_of(answer.url)["error"] == "server_error"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        f"{BACK}/",
        f"{BACK}?x=1",
        f"{BACK}#x",
        "https://client.example/bac",
        "https://client.example:444/back",
        "https://client.example@evil.example/back",
        "https://evil.example/back",
        "http://client.example/back",
        "HTTPS://client.example/back",
        "javascript:alert(1)",
    ],
)
async def test_redirect_uri_that_is_not_the_clients_to_the_letter_is_never_redirected_to(
    world: World, uri: str
) -> None:
    assert isinstance(await world.front.authorize(world.query(redirect_uri=uri), browser=""), Sorry)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "é" * 43}, "invalid_request"),
        ({"code_challenge": s256(VERIFIER) + "="}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"response_type": "token"}, "invalid_request"),
        ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
        ({"resource": f"{GATEWAY}.evil.example"}, "invalid_target"),
        ({"resource": f"{GATEWAY}/adapters"}, "invalid_target"),
    ],
)
async def test_request_without_pkce_or_for_another_resource_goes_back_as_an_error(
    world: World, changes: Any, error: str
) -> None:
    answer = await world.front.authorize(world.query(**changes), browser="")
    assert isinstance(answer, Redirect)
    assert answer.url.startswith(f"{BACK}?")
    assert (query_of(answer.url)["error"], query_of(answer.url)["iss"]) == (error, GATEWAY)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code": "invented"}, "invalid_grant"),
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"client_id": "another"}, "invalid_grant"),
        ({"redirect_uri": "https://client.example/other"}, "invalid_grant"),
        ({"resource": f"{GATEWAY}/adapters/mail/mcp"}, "invalid_target"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_code_is_no_good_to_anyone_else_or_for_anything_else(world: World, changes: Any, error: str) -> None:
    reply = await world.tokens(**changes)
    assert (reply.status, reply.body["error"]) == (400, error)


async def test_code_serves_once_even_after_a_wrong_try(world: World) -> None:
    code = await world.code()
    form = {"grant_type": "authorization_code", "code": code, "client_id": CIMD, "redirect_uri": BACK}
    assert (await world.front.token(form | {"code_verifier": "wrong"})).status == 400
    assert (await world.front.token(form | {"code_verifier": VERIFIER})).status == 400


async def test_refresh_asks_the_issuer_again_and_rotates(world: World) -> None:
    first = await world.tokens()
    second = await world.refreshed(first.body["refresh_token"])
    assert second.status == 200
    assert second.body["refresh_token"] != first.body["refresh_token"]
    principal = await world.authenticator.verify(bearer(second.body["access_token"]))
    assert isinstance(principal, Principal)
    assert principal.resource == "/adapters/weather/mcp"


async def test_refresh_token_used_twice_ends_the_family(world: World) -> None:
    stolen = (await world.tokens()).body["refresh_token"]
    honest = await world.refreshed(stolen)
    assert (await world.refreshed(stolen)).status == 400
    assert (await world.refreshed(honest.body["refresh_token"])).status == 400


async def test_refresh_token_is_its_clients_alone(world: World) -> None:
    token = (await world.tokens()).body["refresh_token"]
    assert (await world.refreshed(token, client_id="another")).body == {"error": "invalid_grant"}


async def test_who_is_disabled_at_the_issuer_is_not_refreshed_here(world: World) -> None:
    token = (await world.tokens()).body["refresh_token"]
    world.issuer.grants.revoke_refresh_tokens()
    assert (await world.refreshed(token)).body == {"error": "invalid_grant"}


@pytest.mark.parametrize("secret", ["", "guessed"])
async def test_while_a_refresh_is_under_way_nobody_else_has_the_familys_turn(secret: str) -> None:
    families = Families(MemoryVault())
    token = await families.start(SignedIn("c", "r", "upstream"))
    turn = await families.take(token, client_id="c")
    assert turn is not None
    assert await families.take(f"{token.partition('.')[0]}.{secret}", client_id="c") is None
    assert await families.go_on(turn, turn.signed_in) is None


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_issuer_that_judges_nobody_just_now_ends_no_family(
    world: World, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    async def post(_url: str, _form: dict[str, str], *, may_be_private: bool) -> tuple[int, bytes]:
        assert may_be_private
        return status, b"{}"

    token = (await world.tokens()).body["refresh_token"]
    with monkeypatch.context() as patch:
        patch.setattr(world.fetch, "post", post)
        reply = await world.refreshed(token)
    assert (reply.status, reply.body["error"]) == (503, "temporarily_unavailable")
    assert (await world.refreshed(token)).status == 200


async def test_issuer_that_refuses_somebody_ends_the_family(world: World) -> None:
    token = (await world.tokens()).body["refresh_token"]
    world.issuer.grants.revoke_refresh_tokens()
    assert (await world.refreshed(token)).status == 400
    assert [await vault.find(FAMILIES, token.partition(".")[0]) for vault in world.vaults] == [None] * len(world.vaults)


@pytest.mark.parametrize("name", ["state", "code_challenge", "resource"])
async def test_parameters_of_any_length_are_not_kept(world: World, name: str) -> None:
    answer = await world.front.authorize(world.query(**{name: f"{GATEWAY}/adapters/{'x' * 13000}/mcp"}), browser="")
    assert isinstance(answer, Redirect)
    assert query_of(answer.url)["error"] == "invalid_request"
    assert world.shelves == []


async def test_without_what_replicas_share_every_step_says_later_and_goes_on_afterwards(world: World) -> None:
    def away(*, are: bool) -> None:
        for vault in world.away:
            vault.away = are

    away(are=True)
    answer = await world.front.authorize(world.query(), browser="")
    assert isinstance(answer, Redirect)
    assert query_of(answer.url)["error"] == "temporarily_unavailable"
    away(are=False)
    ask = await world.asked()
    form = {"ticket": ask.ticket, "decision": "allow"}
    away(are=True)
    sorry = await world.front.consent(form, browser=ask.browser)
    assert isinstance(sorry, Sorry)
    assert sorry.status == 503
    away(are=False)
    query = await world.at_issuer(await world.consented(ask))
    away(are=True)
    sorry = await world.front.callback(query, browser=ask.browser)
    assert isinstance(sorry, Sorry)
    assert sorry.status == 503
    away(are=False)
    answer = await world.front.callback(query, browser=ask.browser)
    assert isinstance(answer, Redirect)
    form = {"grant_type": "authorization_code", "client_id": CIMD, "redirect_uri": BACK, "code_verifier": VERIFIER}
    form["code"] = query_of(answer.url)["code"]
    away(are=True)
    assert await _is_later(world, form)
    away(are=False)
    reply = await world.front.token(form)
    assert reply.status == 200
    refresh = {"grant_type": "refresh_token", "refresh_token": reply.body["refresh_token"], "client_id": CIMD}
    away(are=True)
    assert await _is_later(world, refresh)
    assert isinstance(await world.authenticator.verify(bearer(reply.body["access_token"])), Principal)
    away(are=False)
    assert (await world.front.token(refresh)).status == 200


async def _is_later(world: World, form: dict[str, str]) -> bool:
    app = Quart(__name__)
    app.register_blueprint(front_routes(world.front, world.minter))
    answer = await app.test_client().post("/oauth/token", form=form)
    said = await answer.get_json()
    return (answer.status_code, said["error"], answer.headers["Retry-After"]) == (503, "temporarily_unavailable", "2")


async def test_what_the_issuer_gave_is_remembered_where_it_was_minted_and_asked_for_elsewhere(world: World) -> None:
    front = world.fronts[0]
    form = {"grant_type": "authorization_code", "code": await world.code(), "client_id": CIMD}
    reply = await front.token(form | {"redirect_uri": BACK, "code_verifier": VERIFIER})
    for vault in world.away:
        vault.away = True
    assert await front.subject_of(reply.body["access_token"])
    for other in world.fronts[1:]:
        with pytest.raises(Unreachable, match="can't be had now"):
            await other.subject_of(reply.body["access_token"])


async def test_replicas_that_hear_of_a_rotated_key_at_different_times_believe_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.auth.keys.COOLDOWN", 0.0)
    ahead, behind = world.replica(), world.replica()
    found = await world.authenticator.verify(bearer((await world.tokens()).body["access_token"]))
    assert isinstance(found, Principal)
    old = ahead.minter.mint(found, client_id="c", resource=WEATHER, scope="mcp")
    keys = [new_key(), *world.keys]
    ahead.front.renew(keys)
    assert ahead.minter.published() != behind.minter.published()
    registered = ahead.front.register({"redirect_uris": [BACK]}).body["client_id"]
    early = ahead.minter.mint(found, client_id="c", resource=WEATHER, scope="mcp")
    for token in (old, early):
        assert isinstance(await behind.authenticator.verify(bearer(token)), Principal)
    behind.front.renew(keys)
    assert ahead.minter.published() == behind.minter.published()
    world.clock.now += RIPENS + 1
    late = ahead.minter.mint(found, client_id="c", resource=WEATHER, scope="mcp")
    assert jwt.get_unverified_header(late)["kid"] != jwt.get_unverified_header(early)["kid"]
    for token in (old, early, late):
        for each in (ahead, behind):
            assert isinstance(await each.authenticator.verify(bearer(token)), Principal)
    assert isinstance(await behind.front.authorize(world.query(client_id=registered), browser=""), Ask)


async def test_what_waits_is_forgotten_in_time() -> None:
    clock = Clock(0.0)
    vault = MemoryVault(clock=clock)
    subject, refresh = Once(vault, "number", int), Families(vault)
    handles = [await subject.put(number) for number in range(2)]
    tokens = [await refresh.start(SignedIn("c", "r", str(number))) for number in range(2)]
    clock.now += WAITS - 1.0
    assert await subject.take(handles[0]) == 0
    clock.now += 1.0
    assert await subject.take(handles[1]) is None
    clock.now = FAMILIES.seconds - 1.0
    assert await refresh.take(tokens[0], client_id="c")
    clock.now += 1.0
    assert await refresh.take(tokens[1], client_id="c") is None


async def test_what_a_gateway_of_another_version_kept_serves_nobody() -> None:
    vault = MemoryVault()
    handle = await Once(vault, "thing", int).put(7)
    assert await Once(vault, "thing", SignedIn).take(handle) is None


async def test_registered_client_is_its_own_proof_and_cannot_be_forged(world: World) -> None:
    reply = world.front.register({"client_name": "Native", "redirect_uris": ["http://127.0.0.1/callback"]})
    assert reply.status == 201
    client_id = reply.body["client_id"]
    ask = await world.asked(client_id=client_id, redirect_uri="http://127.0.0.1:51234/callback")
    assert any("any program on it" in line for line in ask.lines)
    body, _, mac = client_id.rpartition(".")
    evil = Clients([new_key()], world.documents).register({"redirect_uris": ["https://evil.example/"]}).id
    for forged in (evil, f"{evil.rpartition('.')[0]}.{mac}", f"{body}.", "dcr.", "dcr.é.é", body):
        assert isinstance(await world.front.authorize(world.query(client_id=forged), browser=""), Sorry)


@pytest.mark.parametrize(
    "uri",
    [
        "http://client.example/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://a@b.example/",
        "https://a.example/#x",
        "https://a.example/\r\nx",
        "https://a.example:port/",
        "https:///x",
        "cursor://anything",
        "https://a.example/" + "x" * 600,
        "http://localhost.evil.example/",
        "http://127.0.0.1\\@evil.example/",
        7,
    ],
)
def test_redirect_uri_that_could_hurt_is_not_registered(uri: Any) -> None:
    with pytest.raises(ClientRefused):
        Clients([new_key()], CountingFetch({})).register({"redirect_uris": [uri]})


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"redirect_uris": []},
        {"redirect_uris": [BACK] * 11},
        {"redirect_uris": [f"{BACK}/{'x' * 400}"] * 4},
        {"redirect_uris": BACK},
    ],
)
async def test_registration_without_usable_redirect_uris_is_refused(world: World, wanted: Any) -> None:
    assert world.front.register(wanted).body["error"] == "invalid_client_metadata"


def test_confidential_client_is_not_promised_what_is_not_kept() -> None:
    with pytest.raises(ClientRefused, match="public clients"):
        Clients([new_key()], CountingFetch({})).register(
            {"redirect_uris": [BACK], "token_endpoint_auth_method": "client_secret_basic"}
        )


def test_only_the_port_of_a_loopback_address_may_differ() -> None:
    native = Client("c", "", ("http://127.0.0.1/cb", "https://client.example/cb"))
    assert native.may_redirect("http://127.0.0.1:1234/cb")
    for uri in ("http://127.0.0.1:1234/other", "http://localhost:1234/cb", "https://client.example:1234/cb"):
        assert not native.may_redirect(uri)


@pytest.mark.parametrize(
    "client_id",
    [
        "",
        "a-name",
        "http://client.example/m.json",
        "https://client.example",
        "https://client.example/",
        "https://client.example/m#f",
        "https://[client.example/m",
    ],
)
async def test_client_id_that_is_no_https_url_with_a_path_is_not_fetched(client_id: str) -> None:
    fetch = CountingFetch({})
    with pytest.raises(ClientRefused):
        await Clients([new_key()], fetch).find(client_id)
    assert fetch.asked == []


async def test_strangers_have_but_few_metadata_documents_fetched_at_one_time() -> None:
    asked, let = asyncio.Semaphore(0), asyncio.Event()

    async def hangs(url: str, *, may_be_private: bool) -> dict[str, Any]:
        assert not may_be_private
        asked.release()
        await let.wait()
        return {"client_id": url, "redirect_uris": [BACK]}

    clients = Clients([new_key()], hangs)
    async with asyncio.TaskGroup() as tasks:
        found = [tasks.create_task(clients.find(f"https://c{each}.example/m")) for each in range(MOST_FETCHED)]
        for _ in found:
            await asked.acquire()
        with pytest.raises(ClientRefused, match="try again in a moment"):
            await clients.find(CIMD)
        let.set()
    assert [each.result().host for each in found] == [f"c{each}.example" for each in range(MOST_FETCHED)]
    assert (await clients.find(CIMD)).id == CIMD


async def test_metadata_document_is_fetched_from_public_addresses_only_and_must_name_itself() -> None:
    fetch = CountingFetch({CIMD: {"client_id": "https://other.example/x", "redirect_uris": [BACK]}})
    with pytest.raises(ClientRefused, match="own URL"):
        await Clients([new_key()], fetch).find(CIMD)
    assert fetch.asked == [(CIMD, False)]
    with pytest.raises(ClientRefused, match="refused"):
        await Clients([new_key()], HttpsFetch()).find("https://169.254.169.254/latest/meta-data")
    with pytest.raises(ClientRefused, match="refused"):
        await Clients([new_key()], HttpsFetch()).find("https://localhost/m.json")


async def test_pages_cannot_be_framed_or_scripted_and_the_cookie_is_bound_to_the_host(world: World) -> None:
    world.documents.documents[CIMD]["client_name"] = "<script>alert(1)</script>"
    app = Quart(__name__)
    app.register_blueprint(front_routes(world.front, world.minter))
    page = await app.test_client().get("/oauth/authorize", query_string=world.query())
    assert page.status_code == 200
    text = await page.get_data(as_text=True)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    cookie = page.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie
    sorry = await app.test_client().get("/oauth/authorize", query_string=world.query(client_id="x"))
    assert sorry.status_code == 400
    assert "Location" not in sorry.headers


async def test_metadata_says_what_clients_insist_on(world: World) -> None:
    app = Quart(__name__)
    app.register_blueprint(front_routes(world.front, world.minter))
    said = await (await app.test_client().get("/.well-known/oauth-authorization-server")).get_json()
    assert said["issuer"] == GATEWAY
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["client_id_metadata_document_supported"] is True
    assert said["authorization_response_iss_parameter_supported"] is True
    keys = await (await app.test_client().get("/oauth/keys")).get_json()
    assert {name for key in keys["keys"] for name in key} == {"kty", "crv", "x", "y", "kid", "use", "alg"}


@pytest.mark.parametrize("body", [b"", b"[", b"[" * 200_000, b"null", b'{"client_name": "\\ud800"}', b"\xff"])
async def test_registration_that_is_no_json_is_refused_in_oauths_words(world: World, body: bytes) -> None:
    app = Quart(__name__)
    app.register_blueprint(front_routes(world.front, world.minter))
    answer = await app.test_client().post("/oauth/register", data=body)
    assert (answer.status_code, (await answer.get_json())["error"]) == (400, "invalid_client_metadata")
