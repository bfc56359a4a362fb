"""From variables to trusted issuers."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.auth.configured import VARIABLES, Identity, identity
from gateway.auth.oidc import OidcAuthenticator
from gateway.core.affinity import new_key
from tests.support.oidc.tokens import CLIENT, ENTRA_V1, ENTRA_V2, TENANT

PUBLIC = {"MCPDECK_PUBLIC_URL": "https://Gateway.example/"}
ENTRA = {"MCPDECK_ENTRA_TENANT": TENANT, "MCPDECK_ENTRA_CLIENT_ID": CLIENT, **PUBLIC}


def configured(variables: dict[str, str]) -> Identity:
    found = identity(variables)
    assert found is not None
    return found


def test_two_variables_and_a_public_url_are_enough_for_entra() -> None:
    found = configured(ENTRA)
    assert [each.url for each in found.issuers] == [ENTRA_V2, ENTRA_V1]
    assert found.public_url == "https://gateway.example"
    assert isinstance(found.open([new_key()]).authenticator, OidcAuthenticator)


def test_entra_scope_is_asked_for_with_the_uri_and_checked_without() -> None:
    issuer = configured(ENTRA | {"MCPDECK_ENTRA_SCOPE": "mcp.use", "MCPDECK_ENTRA_APP_ID_URI": "api://gw"}).issuers[0]
    assert (issuer.scope, issuer.required_scope) == ("api://gw/mcp.use", "mcp.use")
    assert issuer.audiences == {CLIENT, "api://gw"}


def test_several_issuers_stand_beside_entra() -> None:
    found = configured(ENTRA | {"MCPDECK_OIDC_ISSUERS": "https://a.example https://b.example/realms/x"})
    assert [each.url for each in found.issuers[2:]] == ["https://a.example", "https://b.example/realms/x"]
    assert found.issuers[2].audiences == {"https://gateway.example"}


def test_terminals_client_is_published_with_the_metadata() -> None:
    found = configured(ENTRA | {"MCPDECK_OIDC_CLIENT_ID": "a-terminal"})
    document: Any = json.loads(found.metadata.document("/.well-known/oauth-protected-resource") or b"")
    wanted = {"client_id": "a-terminal", "issuer": ENTRA_V2, "scope": f"api://{CLIENT}/.default"}
    assert document["mcpdeck_sign_in"] == wanted


def test_front_is_where_clients_are_sent_and_the_terminal_is_not(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    front = {"MCPDECK_FRONT_CLIENT_ID": "front", "MCPDECK_FRONT_CLIENT_SECRET_FILE": str(tmp_path / "secret")}
    found = configured(ENTRA | front | {"MCPDECK_OIDC_CLIENT_ID": "a-terminal"})
    document: Any = json.loads(found.metadata.document("/.well-known/oauth-protected-resource/mcp") or b"")
    assert document["authorization_servers"] == ["https://gateway.example"]
    assert document["scopes_supported"] == ["mcp"]
    assert document["mcpdeck_sign_in"]["issuer"] == ENTRA_V2
    assert found.upstream is not None
    assert found.upstream.scope == f"api://{CLIENT}/.default offline_access"
    assert "s3cret" not in repr(found)
    assert [each.name for each in found.open([new_key()]).blueprints] == ["identity", "front"]


def test_front_without_a_readable_secret_does_not_start() -> None:
    front = {"MCPDECK_FRONT_CLIENT_ID": "front", "MCPDECK_FRONT_CLIENT_SECRET_FILE": "/absent/secret"}
    with pytest.raises(ValueError, match="MCPDECK_FRONT_CLIENT_SECRET_FILE=/absent/secret: No such file"):
        identity(ENTRA | front)


def test_every_setting_is_in_the_documentation() -> None:
    documented = (Path(__file__).parents[3] / "docs/identity.md").read_text()
    assert [name for name in VARIABLES if f"`{name}`" not in documented] == []


def test_callers_tokens_may_go_to_their_issuers_and_to_whom_an_operator_names() -> None:
    more = {"MCPDECK_OIDC_ISSUERS": "https://b.example/realms/x", "MCPDECK_OIDC_TOKEN_ORIGINS": "https://Sts.example/"}
    assert configured(ENTRA | more).token_origins == {
        "https://login.microsoftonline.com",
        "https://sts.windows.net",
        "https://b.example",
        "https://sts.example",
    }


def test_nothing_configured_is_no_identity() -> None:
    assert identity({}) is None
    assert identity(PUBLIC) is None


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({**PUBLIC, "MCPDECK_ENTRA_TENANT": TENANT}, "MCPDECK_ENTRA_CLIENT_ID is missing"),
        ({**PUBLIC, "MCPDECK_ENTRA_CLIENT_ID": CLIENT}, "MCPDECK_ENTRA_TENANT is missing"),
        ({"MCPDECK_ENTRA_TENANT": TENANT, "MCPDECK_ENTRA_CLIENT_ID": CLIENT}, "MCPDECK_PUBLIC_URL is missing"),
        ({**ENTRA, "MCPDECK_ENTRA_TENNANT": "x"}, "MCPDECK_ENTRA_TENNANT: no such setting"),
        ({**ENTRA, "MCPDECK_ENTRA_TENANT": "common"}, "tenant's id"),
        ({**ENTRA, "MCPDECK_PUBLIC_URL": "http://gateway.example"}, "tokens travel over https"),
        (
            {**PUBLIC, "MCPDECK_OIDC_ISSUERS": "https://a https://b", "MCPDECK_OIDC_JWKS_URI": "https://a/k"},
            "exactly one",
        ),
        ({"MCPDECK_OIDC_ISSUERS": "https://a"}, "MCPDECK_PUBLIC_URL is missing"),
        ({**PUBLIC, "MCPDECK_OIDC_ISSUERS": "http://idp.example"}, "MCPDECK_OIDC_ISSUERS: http://idp.example: wanted"),
        ({**PUBLIC, "MCPDECK_OIDC_ISSUERS": "idp.example"}, "wanted an https URL"),
        ({**PUBLIC, "MCPDECK_OIDC_CLIENT_ID": "c"}, "MCPDECK_OIDC_CLIENT_ID: of no use without an issuer"),
        ({**ENTRA, "MCPDECK_OIDC_CA_FILE": "/absent.pem"}, "MCPDECK_OIDC_CA_FILE=/absent.pem: No such file"),
        ({**ENTRA, "MCPDECK_OIDC_CA_FILE": __file__}, "holds no PEM certificate"),
        ({**ENTRA, "MCPDECK_OIDC_TOKEN_ORIGINS": "https://a.example/token"}, "nothing behind it"),
        ({**ENTRA, "MCPDECK_OIDC_TOKEN_ORIGINS": "http://a.example"}, "wanted https"),
    ],
)
def test_what_is_missing_or_wrong_is_named(variables: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        identity(variables)
