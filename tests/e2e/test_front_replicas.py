"""Signing in through the front of two gateways on one Redis: each step at the other one, and nothing serves twice."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gateway.auth.front.issuer_side import s256
from gateway.stores.keys import load_keys
from tests.support.identified import Identified, identified
from tests.support.programs import Program
from tests.support.redis import RedisServer, needs_redis

pytestmark = [needs_redis, pytest.mark.timeout(120)]

BACK = "http://127.0.0.1:49152/callback"  # nobody listens: the test reads the redirect instead
VERIFIER = "v" * 64


class Pair:
    """one, two: the replicas' own addresses. Redirects are followed by hand."""

    def __init__(self, house: Identified, redis: RedisServer, server: Program) -> None:
        self.house, self.redis, self.server = house, redis, server
        self.one, self.two = house.doors
        self.resource = f"{house.url}/adapters/weather/mcp"
        self.client_id = ""

    async def register(self, door: str) -> None:
        async with browser() as http:
            answer = await http.post(f"{door}/oauth/register", json={"redirect_uris": [BACK]})
        assert answer.status_code == 201, answer.text
        self.client_id = answer.json()["client_id"]

    async def authorize(self, door: str) -> httpx.Response:
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": BACK,
            "code_challenge": s256(VERIFIER),
            "code_challenge_method": "S256",
            "resource": self.resource,
        }
        async with browser() as http:
            return await http.get(f"{door}/oauth/authorize", params=asked)

    async def code(self, page: httpx.Response, consent_at: str, callback_at: str) -> str:
        """What each step is tried twice for, fails the second time."""
        ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
        assert ticket, page.text
        cookie = {"cookie": page.headers["set-cookie"].partition(";")[0]}
        form = {"ticket": ticket[1], "decision": "allow"}
        async with browser(self.house.trust) as http:
            consented = await http.post(f"{consent_at}/oauth/consent", data=form, headers=cookie)
            assert consented.status_code == 302, consented.text
            again = await http.post(f"{callback_at}/oauth/consent", data=form, headers=cookie)
            at_issuer = await http.get(consented.headers["location"])
            path = at_issuer.headers["location"].removeprefix(self.house.url)
            came_back = await http.get(f"{callback_at}{path}", headers=cookie)
            replayed = await http.get(f"{consent_at}{path}", headers=cookie)
        assert (again.status_code, replayed.status_code) == (400, 400)
        return said(came_back)["code"]

    async def redeemed(self, door: str, code: str) -> httpx.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
        async with browser() as http:
            return await http.post(f"{door}/oauth/token", data=form | {"client_id": self.client_id})

    async def refreshed(self, door: str, token: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.client_id}
        async with browser() as http:
            return await http.post(f"{door}/oauth/token", data=form)

    async def publishes(self, door: str, keys: int) -> None:
        """A gateway looks at its file every few seconds."""
        async with asyncio.timeout(30), browser() as http:
            while len((await http.get(f"{door}/oauth/keys")).json()["keys"]) != keys:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.2)

    async def is_believed(self, door: str, token: str) -> bool:
        """There is no such adapter, which only somebody who is known is told."""
        async with browser() as http:
            headers = {"authorization": f"Bearer {token}"}
            answer = await http.post(f"{door}/adapters/weather/mcp", json={}, headers=headers)
        assert answer.status_code in (401, 404), answer.text
        return answer.status_code == 404

    async def signed_in(self) -> dict[str, str]:
        """Register at the second, authorize at the first, and so on."""
        await self.register(self.two)
        code = await self.code(await self.authorize(self.one), self.two, self.one)
        answer = await self.redeemed(self.two, code)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, str] = answer.json()
        assert (await self.redeemed(self.one, code)).json() == {"error": "invalid_grant"}
        return tokens


def browser(trust: ssl.SSLContext | bool = True) -> httpx.AsyncClient:
    return httpx.AsyncClient(verify=trust, trust_env=False, timeout=20)


def said(answer: httpx.Response) -> dict[str, str]:
    location = answer.headers["location"]
    assert location.startswith(BACK), location
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


@asynccontextmanager
async def pair(data: Path) -> AsyncIterator[Pair]:
    for name in ("one", "two"):
        (data / name).mkdir(mode=0o700)
    load_keys(data / "one" / "seal.keys")
    (data / "two" / "seal.keys").write_bytes((data / "one" / "seal.keys").read_bytes())
    (data / "two" / "seal.keys").chmod(0o600)
    redis = RedisServer()
    async with (
        redis.running() as server,
        identified(data / "one", front=True, MCPDECK_REDIS_URL=redis.url) as house,
        house.running(data / "two"),
    ):
        yield Pair(house, redis, server)


async def test_each_step_may_reach_another_replica_and_none_serves_twice(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        tokens = await both.signed_in()
        assert await both.is_believed(both.one, tokens["access_token"])
        assert await both.is_believed(both.two, tokens["access_token"])
        assert not await both.is_believed(both.one, tokens["access_token"][:-8] + "AAAAAAAA")
        first = tokens["refresh_token"]
        answer = await both.refreshed(both.one, first)
        assert answer.status_code == 200, answer.text
        second = answer.json()["refresh_token"]
        assert await both.is_believed(both.two, answer.json()["access_token"])
        answer = await both.refreshed(both.two, second)
        assert answer.status_code == 200, answer.text
        assert (await both.refreshed(both.two, first)).json() == {"error": "invalid_grant"}
        for door in (both.one, both.two):
            assert (await both.refreshed(door, answer.json()["refresh_token"])).json() == {"error": "invalid_grant"}


async def test_refresh_token_that_reaches_both_at_one_moment_ends_the_family(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        tokens = await both.signed_in()
        async with asyncio.TaskGroup() as tasks:
            trying = [tasks.create_task(both.refreshed(door, tokens["refresh_token"])) for door in (both.one, both.two)]
        answers = [task.result() for task in trying]
        assert [answer.status_code for answer in answers].count(400) >= 1
        following = [token for answer in answers if (token := answer.json().get("refresh_token"))]
        for token in (tokens["refresh_token"], *following):
            assert (await both.refreshed(both.one, token)).json() == {"error": "invalid_grant"}


async def test_replicas_publish_the_same_keys_and_a_restart_signs_nobody_out(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        tokens = await both.signed_in()
        async with browser() as http:
            published = [(await http.get(f"{door}/oauth/keys")).content for door in (both.one, both.two)]
        assert published[0] == published[1]
        await both.house.gateway.program.stop()
        async with both.house.running(tmp_path / "two"):
            anew = both.house.doors[-1]
            assert await both.is_believed(anew, tokens["access_token"])
            assert (await both.refreshed(anew, tokens["refresh_token"])).status_code == 200


async def test_key_that_is_exchanged_while_both_serve_signs_nobody_out(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        tokens = await both.signed_in()
        for name in ("one", "two"):
            (tmp_path / name / "seal.keys").with_name("next").write_bytes(
                b"bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmU=\n" + (tmp_path / name / "seal.keys").read_bytes()
            )
            (tmp_path / name / "next").chmod(0o600)
        (tmp_path / "one" / "next").replace(tmp_path / "one" / "seal.keys")
        await both.publishes(both.one, 2)
        ahead = await both.refreshed(both.one, tokens["refresh_token"])
        assert ahead.status_code == 200, ahead.text
        assert await both.is_believed(both.two, ahead.json()["access_token"])
        later = await both.refreshed(both.two, ahead.json()["refresh_token"])
        assert later.status_code == 200, later.text
        (tmp_path / "two" / "next").replace(tmp_path / "two" / "seal.keys")
        await both.publishes(both.two, 2)
        assert (await both.refreshed(both.two, later.json()["refresh_token"])).status_code == 200


async def test_without_redis_nobody_signs_in_and_who_has_a_token_goes_on(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        tokens = await both.signed_in()
        await both.server.stop()
        for door in (both.one, both.two):
            assert said(await both.authorize(door))["error"] == "temporarily_unavailable"
            answer = await both.refreshed(door, tokens["refresh_token"])
            assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
            assert await both.is_believed(door, tokens["access_token"])
        async with both.redis.running():
            assert (await both.signed_in())["refresh_token"]
