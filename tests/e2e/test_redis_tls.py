"""A gateway and a Redis that speaks TLS, both real: whom it trusts, what it shows for itself, and what it says if not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import authority
from tests.support.gateways import Gateway, gateway
from tests.support.programs import PYTHON, program
from tests.support.redis import RedisServer, needs_redis

pytestmark = [needs_redis, pytest.mark.timeout(180)]

PASSWORD = "s3cret/+&%"
QUOTED = "s3cret%2F%2B%26%25"
USER = f"user replica on >{PASSWORD} ~mcpdeck:* &mcpdeck:* +@all"


@asynccontextmanager
async def beside(redis: RedisServer, data: Path, url: str) -> AsyncIterator[Gateway]:
    """A gateway that was told this URL, by a file, while the Redis runs."""
    told = data.with_suffix(".url")
    told.write_text(f"{url}\n")
    env = {"MCPDECK_REDIS_URL_FILE": str(told), "MCPDECK_REPLICA_TTL": "2"}
    async with redis.running(), gateway(data, env=env) as house:
        yield house


async def readiness(house: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = (await house.client.get("/readyz")).json()
    return found


async def test_redis_is_reached_by_tls_with_an_authority_a_user_and_a_client_certificate(tmp_path: Path) -> None:
    ca, issue = authority(tmp_path)
    redis = RedisServer("--user", *USER.split()[1:], tls=issue("redis"), clients_of=ca)
    own = issue("replica")
    query = f"ssl_ca_certs={ca}&ssl_certfile={own.certfile}&ssl_keyfile={own.keyfile}"
    url = f"rediss://replica:{QUOTED}@127.0.0.1:{redis.port}/0?{query}"
    async with beside(redis, tmp_path / "one", url) as house:
        await house.program.hear("Redis is (reached|away)")
        assert (await readiness(house))["status"] == "ready", house.program.said
        assert "mcpdeck_redis_up 1" in (await house.client.get("/metrics")).text
        assert PASSWORD not in house.program.said


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("no authority", "CERTIFICATE_VERIFY_FAILED"),
        ("another authority", "CERTIFICATE_VERIFY_FAILED"),
        ("no certificate", "certificate required"),
        ("wrong password", "invalid username-password pair"),
        ("no tls", "Redis is away"),
    ],
)
async def test_redis_that_can_not_be_trusted_or_does_not_let_in_is_named_with_the_reason(
    tmp_path: Path, wrong: str, said: str
) -> None:
    """Calls go on without it, and nothing of its password is said."""
    ca, issue = authority(tmp_path)
    other, _ = authority(tmp_path, "other")
    is_closed = wrong == "no certificate"
    redis = RedisServer("--user", *USER.split()[1:], tls=issue("redis"), clients_of=ca if is_closed else None)
    password = "wrong" if wrong == "wrong password" else QUOTED
    trusted = {"no authority": "", "another authority": other}
    told = f"?ssl_ca_certs={trusted.get(wrong, ca)}" if trusted.get(wrong, ca) else ""
    scheme = "redis" if wrong == "no tls" else "rediss"
    url = f"{scheme}://replica:{password}@127.0.0.1:{redis.port}/0{told if scheme == 'rediss' else ''}"
    async with beside(redis, tmp_path / "one", url) as house:
        await house.program.hear(said)
        ready = await readiness(house)
        assert ready["status"] == "degraded"
        assert "mcpdeck_redis_up 0" in (await house.client.get("/metrics")).text
        assert PASSWORD not in house.program.said
        assert QUOTED not in house.program.said + str(ready)


async def test_authority_that_can_not_be_read_keeps_a_gateway_from_starting(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.pem"
    env = {"MCPDECK_REDIS_URL": f"rediss://replica:{QUOTED}@127.0.0.1:1/0?ssl_ca_certs={missing}"}
    argv = [PYTHON, "-m", "gateway", "--bind", "127.0.0.1:0", "--data-dir", str(tmp_path / "data")]
    async with program(argv, env=env) as running:
        await running.hear(f"MCPDECK_REDIS_URL: ssl_ca_certs={missing}: No such file or directory")
        assert await running.process.wait() == 2
        assert QUOTED not in running.said
