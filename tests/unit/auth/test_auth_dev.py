"""Development authentication: MS's headers, MS's defaults, nothing checked."""

import pytest

from gateway.auth.dev import DevAuthenticator
from gateway.core.access import Principal
from gateway.core.errors import Unauthenticated
from gateway.wire.names import PrincipalId


def test_who_says_nothing_is_dev_with_the_role_that_ms_gives() -> None:
    assert DevAuthenticator().known({}) == Principal(PrincipalId("dev"), "dev", frozenset({"mcp.dev"}), "dev")


def test_headers_say_who_one_is() -> None:
    headers = {b"x-dev-userid": b"ada", b"x-dev-name": "Ada Ł".encode(), b"x-dev-roles": b" Mcp.Admin, ops ,"}
    assert DevAuthenticator().known(headers) == Principal(
        PrincipalId("ada"), "Ada Ł", frozenset({"mcp.admin", "ops"}), "dev"
    )


def test_configured_roles_are_for_who_names_none() -> None:
    gate = DevAuthenticator(["mcp.admin", "mcp.dev"])
    assert gate.known({b"x-dev-userid": b"ada"}) == Principal(
        PrincipalId("ada"), "ada", frozenset({"mcp.admin", "mcp.dev"}), "dev"
    )
    named = gate.known({b"x-dev-roles": b""})
    assert isinstance(named, Principal)
    assert named.roles == frozenset()


@pytest.mark.parametrize("header", [b"x-dev-userid", b"x-dev-name", b"x-dev-roles"])
async def test_bytes_that_are_no_text_are_refused(header: bytes) -> None:
    assert isinstance(await DevAuthenticator().verify({header: b"\xff"}), Unauthenticated)
