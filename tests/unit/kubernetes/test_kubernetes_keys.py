"""What an installation makes anew: the gateway's keys, and the password that it and its Redis share."""

import base64
from urllib.parse import urlsplit

from gateway.cluster.keys import redis_access, seal_keys


def test_the_gateway_names_the_password_that_its_redis_asks_for() -> None:
    made = redis_access()
    url = urlsplit(made["url"].decode())
    assert made["redis.conf"].decode() == f"requirepass {url.password}\n"
    assert (url.scheme, url.hostname, url.port, url.path) == ("redis", "mcpdeck-redis", 6379, "/0")


def test_no_two_installations_have_the_same() -> None:
    assert redis_access() != redis_access()
    assert seal_keys() != seal_keys()
    assert len(base64.b64decode(seal_keys()["seal.keys"])) == 32
