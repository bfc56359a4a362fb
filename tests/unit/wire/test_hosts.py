"""Which hosts and pages are served, on loopback and elsewhere."""

import pytest

from gateway.wire.hosts import Hosts

LOCAL = Hosts(is_loopback=True, hosts=frozenset({"mcp.example"}), origins=frozenset({"https://app.example"}))
OPEN = Hosts(is_loopback=False)
NAMED = Hosts(is_loopback=False, hosts=frozenset({"mcp.example"}))


@pytest.mark.parametrize(
    ("hosts", "host", "origin", "status"),
    [
        (LOCAL, b"localhost:8000", None, None),
        (LOCAL, b"LOCALHOST", None, None),
        (LOCAL, b"deck.localhost:8000", None, None),
        (LOCAL, b"127.0.0.1:1", b"http://127.0.0.1:1", None),
        (LOCAL, b"Localhost:1", b"http://localhost:1", None),
        (LOCAL, b"[::1]:1", b"http://[::1]:1", None),
        (LOCAL, b"127.0.0.1:1", b"http://localhost:1", 403),
        (LOCAL, b"[::1]:1", b"http://[::1]:2", 403),
        (LOCAL, b"localhost:1", b"http://[::1", 403),
        (LOCAL, b"localhost:1", b"ftp://localhost:1", 403),
        (LOCAL, b"mcp.example", b"https://app.example", None),
        (LOCAL, b"evil.example", None, 421),
        (LOCAL, b"localhost.evil.example", None, 421),
        (LOCAL, b"[::1", None, 421),
        (LOCAL, None, None, 421),
        (LOCAL, b"localhost", b"https://evil.example", 403),
        (LOCAL, b"localhost", b"http://localhost.evil.example", 403),
        (LOCAL, b"localhost", b"null", 403),
        (OPEN, b"10.0.0.7:8000", None, None),
        (OPEN, b"pod.example", b"https://pod.example", None),
        (OPEN, b"pod.example", b"https://pod.example:8443", 403),
        (OPEN, None, None, 421),
        (OPEN, b"pod.example", b"https://evil.example", 403),
        (NAMED, b"mcp.example:8000", None, None),
        (NAMED, b"evil.example", None, 421),
    ],
)
def test_hosts_and_origins(hosts: Hosts, host: bytes | None, origin: bytes | None, status: int | None) -> None:
    refusal = hosts.refusal(host, origin)
    assert (refusal and refusal.status) == status


def test_refusal_says_what_would_let_it_in() -> None:
    host, page = LOCAL.refusal(b"evil.example:80", None), LOCAL.refusal(b"localhost", b"http://localhost:6274")
    assert host is not None
    assert host.sentence.endswith("--allow-host evil.example")
    assert page is not None
    assert page.sentence.endswith("--allow-origin http://localhost:6274")
