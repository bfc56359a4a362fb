"""Which Host and Origin headers are served, so that a web page cannot reach a server on this machine by DNS rebinding.

On a loopback address: loopback names, and what the operator allows. Anywhere else: any host unless some are named, and
an Origin only if it is the host's own or allowed.
"""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec


class Hosts(msgspec.Struct, frozen=True):
    """hosts: allowed beside the loopback names, without a port. origins: allowed whole, `https://example.org`."""

    is_loopback: bool
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def refusal(self, host: bytes | None, origin: bytes | None) -> tuple[int, bytes] | None:
        """The status and sentence to refuse with; None for who is served."""
        return _judge(self, host, origin)


@lru_cache(maxsize=256)
def _judge(hosts: Hosts, host: bytes | None, origin: bytes | None) -> tuple[int, bytes] | None:
    name = host_name((host or b"").decode("latin-1"))
    if not _is_served(hosts, name):
        return 421, b"this host is not served here; allow it with --allow-host"
    if origin is None:
        return None
    if not _is_origin_allowed(hosts, origin.decode("latin-1"), name):
        return 403, b"this origin is not allowed here; allow it with --allow-origin"
    return None


def _is_served(hosts: Hosts, name: str) -> bool:
    if name in hosts.hosts:
        return True
    return is_loopback_name(name) if hosts.is_loopback else not hosts.hosts


def _is_origin_allowed(hosts: Hosts, origin: str, name: str) -> bool:
    if origin in hosts.origins:
        return True
    try:
        asked = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return is_loopback_name(asked) if hosts.is_loopback else asked == name


def is_loopback_name(name: str) -> bool:
    if name == "localhost":
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
