"""RFC 9728 documents and RFC 6750 challenges."""

import json
from typing import Any

import pytest

from gateway.auth.issuers import Issuer, entra
from gateway.auth.metadata import Metadata, parse_public_url
from gateway.core.errors import Challenge, Forbidden, InsufficientScope, Unauthenticated
from gateway.core.render import www_authenticate
from tests.support.oidc.tokens import CLIENT, ENTRA_V2, TENANT

GATEWAY = "https://gateway.example"
WELL_KNOWN = "/.well-known/oauth-protected-resource"


def document(path: str) -> Any:
    found = Metadata("https://Gateway.example/", entra(TENANT, CLIENT)).document(path)
    return None if found is None else json.loads(found)


@pytest.mark.parametrize("path", ["", "/mcp", "/adapters/weather/mcp"])
def test_every_protected_path_has_a_document_that_names_exactly_it(path: str) -> None:
    assert document(WELL_KNOWN + path) == {
        "resource": GATEWAY + path,
        "authorization_servers": [ENTRA_V2],
        "bearer_methods_supported": ["header"],
        "scopes_supported": [f"api://{CLIENT}/.default"],
        "resource_name": "mcpdeck gateway",
    }


def test_slash_at_the_end_makes_no_other_resource() -> None:
    assert document(f"{WELL_KNOWN}/adapters/weather/mcp/")["resource"] == f"{GATEWAY}/adapters/weather/mcp"


@pytest.mark.parametrize(
    "path", ["/adapters", "/adapters/UP/mcp", "/adapters/a/b/mcp", "/mcp/x", "x", "/adapters/..%2f/mcp"]
)
def test_what_is_not_protected_has_no_document(path: str) -> None:
    assert document(WELL_KNOWN + path) is None


def test_two_issuers_are_both_named_with_their_scopes() -> None:
    issuers = [Issuer(url=f"https://{each}.example", audiences=frozenset({"x"}), scope=each) for each in ("a", "b")]
    metadata = Metadata(GATEWAY, issuers)
    assert json.loads(metadata.document(WELL_KNOWN) or b"")["authorization_servers"] == [
        "https://a.example",
        "https://b.example",
    ]
    assert metadata.challenge == Challenge(public_url=GATEWAY, scope="a b")


@pytest.mark.parametrize(
    "text",
    [
        "http://gateway.example",
        "gateway.example",
        "https://",
        "https://a@b",
        "https://a/b",
        "https://a?b",
        "https://a#b",
    ],
)
def test_public_url_that_clients_could_not_trust_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="public URL"):
        parse_public_url(text)


def test_public_url_on_this_machine_may_be_plain_http() -> None:
    assert parse_public_url("http://127.0.0.1:8080/") == "http://127.0.0.1:8080"


def test_challenge_of_a_missing_token_says_where_and_for_what_but_no_error() -> None:
    error = Unauthenticated("sign in", challenge=Challenge(public_url=GATEWAY, scope="a b"))
    assert www_authenticate(error, "/adapters/weather/mcp/") == (
        b'Bearer resource_metadata="https://gateway.example/.well-known/oauth-protected-resource/adapters/weather/mcp", scope="a b"'
    )


def test_challenge_of_a_management_path_points_to_the_root() -> None:
    error = Unauthenticated(challenge=Challenge(public_url=GATEWAY))
    assert www_authenticate(error, "/adapters/weather") == f'Bearer resource_metadata="{GATEWAY}{WELL_KNOWN}"'.encode()


def test_challenge_of_insufficient_scope_names_all_that_is_needed() -> None:
    challenge = Challenge(public_url=GATEWAY, scope="mcp.use", error="insufficient_scope", description="lacks mcp.use")
    assert www_authenticate(InsufficientScope(challenge=challenge), "/mcp") == (
        b'Bearer resource_metadata="https://gateway.example/.well-known/oauth-protected-resource/mcp", '
        b'scope="mcp.use", error="insufficient_scope", error_description="lacks mcp.use"'
    )


def test_description_cannot_break_out_of_the_header() -> None:
    challenge = Challenge(error="invalid_token", description='a"\r\nSet-Cookie: x=\\')
    assert www_authenticate(Unauthenticated(challenge=challenge), "/") == (
        b'Bearer error="invalid_token", error_description="a   Set-Cookie: x= "'
    )


def test_challenge_without_metadata_is_a_bare_scheme_and_other_errors_have_none() -> None:
    assert www_authenticate(Unauthenticated(), "/mcp") == b"Bearer"
    assert www_authenticate(Forbidden(), "/mcp") is None
