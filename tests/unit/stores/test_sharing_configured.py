"""What an operator says of how replicas share, and what is wrong with it."""

from pathlib import Path

import pytest

from gateway.stores.configured import VARIABLES, Sharing, sharing

ROOT = Path(__file__).parents[3]
URL = f"rediss://user:hunter2@redis.example:6380/1?ssl_ca_certs={__file__}"


def test_without_a_redis_nothing_is_shared() -> None:
    assert sharing({"MCPDECK_REPLICA_URL": "http://10.0.0.1:8700", "PATH": "/bin"}) is None


def test_all_can_be_said() -> None:
    found = sharing(
        {
            "MCPDECK_REDIS_URL": URL,
            "MCPDECK_REPLICA_URL": "http://10.0.0.1:8700/",
            "MCPDECK_REPLICA_TTL": "3",
            "MCPDECK_LIMITS_WITHOUT_REDIS": "closed",
        }
    )
    assert found == Sharing(URL, replica_url="http://10.0.0.1:8700", ttl=3.0, is_strict=True)


def test_the_url_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("redis://redis\n")
    assert sharing({"MCPDECK_REDIS_URL_FILE": str(file)}) == Sharing("redis://redis")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"MCPDECK_REDIS_URI": "redis://x"}, "MCPDECK_REDIS_URI: no such setting; known are MCPDECK_LIMITS"),
        ({"MCPDECK_REDIS_URL": "http://x"}, "MCPDECK_REDIS_URL: wanted redis:// or rediss://"),
        (
            {"MCPDECK_REDIS_URL": "rediss://x?ssl_keyfile=/absent"},
            "MCPDECK_REDIS_URL: ssl_keyfile=/absent: No such file",
        ),
        ({"MCPDECK_REDIS_URL": "redis://x:port"}, "MCPDECK_REDIS_URL: wanted redis:// or rediss://"),
        ({"MCPDECK_REDIS_URL_FILE": "/absent"}, "MCPDECK_REDIS_URL_FILE=/absent: No such file"),
        ({"MCPDECK_REPLICA_TTL": "0"}, "MCPDECK_REPLICA_TTL=0: wanted seconds"),
        ({"MCPDECK_REPLICA_TTL": "soon"}, "MCPDECK_REPLICA_TTL=soon: wanted seconds"),
        ({"MCPDECK_REPLICA_URL": "https://x"}, "MCPDECK_REPLICA_URL=https://x: wanted http://HOST:PORT"),
        ({"MCPDECK_LIMITS_WITHOUT_REDIS": "no"}, "MCPDECK_LIMITS_WITHOUT_REDIS=no: wanted open or closed"),
    ],
)
def test_what_is_wrong_is_named(variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match="MCPDECK") as raised:
        sharing({"MCPDECK_REDIS_URL": "redis://x"} | variables if "FILE" not in str(variables) else variables)
    assert sentence in str(raised.value)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="MCPDECK_REDIS_URL") as raised:
        sharing({"MCPDECK_REDIS_URL": "http://user:hunter2@redis"})
    assert "hunter2" not in str(raised.value)


def test_every_variable_is_documented() -> None:
    documented = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    assert [name for name in VARIABLES if f"`{name}`" not in documented] == []
