"""Which Host and Origin headers are served, by the gateway and by the sidecar: against DNS rebinding and other sites'
pages. Pure, and answers nobody.

On loopback there may be no token that a browser would lack, so only loopback names and what the operator allows are
served. Elsewhere any host is, unless some are named; an Origin must be the host's own, the public URL's, or allowed.
"""

import ipaddress
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec


class Refusal(NamedTuple):
    """status: 421 for the host, 403 for the origin."""

    status: int
    sentence: str


class Hosts(msgspec.Struct, frozen=True):
    """is_loopback: nothing but loopback is bound. hosts: without a port. origins: whole, `https://example.org`."""

    is_loopback: bool
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def refusal(self, host: bytes | None, origin: bytes | None) -> Refusal | None:
        """None for who is served. Judged once per pair of headers: it stands on the path of every request."""
        return _judge(self, host, origin)


@lru_cache(maxsize=1024)
def _judge(hosts: Hosts, host: bytes | None, origin: bytes | None) -> Refusal | None:
    authority = (host or b"").decode("latin-1")
    name = host_name(authority)
    if not _is_served(hosts, name):
        return Refusal(421, f"host {name!r} is not served here; an operator allows it with --allow-host {name}")
    if origin is None:
        return None
    asked = origin.decode("latin-1")
    if asked in hosts.origins or is_own_page(asked, authority):
        return None
    return Refusal(403, f"pages of {asked!r} may not call here; an operator allows it with --allow-origin {asked}")


def _is_served(hosts: Hosts, name: str) -> bool:
    if name in hosts.hosts:
        return True
    return is_loopback_name(name) if hosts.is_loopback else bool(name) and not hosts.hosts


def is_own_page(origin: str, authority: str) -> bool:
    """Whether a page of this very server asks, port and all: on loopback another port is another program's page."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == authority.lower() != ""


def is_loopback_name(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def host_name(authority: str) -> str:
    """`[::1]:80` -> `::1`, `Localhost:80` -> `localhost`; empty where it is no authority."""
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""
