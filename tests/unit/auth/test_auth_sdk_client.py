"""The `mcp` SDK's own OAuth client signs in and calls a tool: through the front, and at an issuer directly."""

import ssl
from collections.abc import AsyncIterator

import pytest
from quart import Quart

from gateway.auth.configured import Identity
from gateway.auth.fetch import HttpsFetch
from gateway.auth.front.issuer_side import Upstream
from gateway.auth.issuers import Issuer as Trusted
from gateway.auth.metadata import Metadata
from gateway.auth.oidc import OidcAuthenticator
from gateway.auth.routes import identity_routes
from gateway.core.affinity import new_key
from mcpdeck.devissuer.app import Issuer
from mcpdeck.devissuer.certificates import CertificateFiles
from mcpdeck.devissuer.serve import AUDIENCE, temporary_issuer
from tests.support.oidc.guarded import PATH, Guarded, listening, serving
from tests.support.oidc.person import called

CALL = {"name": "forecast", "arguments": {"city": "Oslo"}}
Running = tuple[Issuer, CertificateFiles]


def trust_of(files: CertificateFiles) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(files.authority))


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with temporary_issuer(auto="ada", secrets_of={"front": "s3cret"}) as issuer:
        yield issuer


async def test_sdk_client_registers_signs_in_through_the_front_and_calls_a_tool(running: Running) -> None:
    issuer, files = running
    listener, url = listening()
    issuer.registered["front"] = [f"{url}/oauth/callback"]
    identity = Identity(
        (Trusted(url=issuer.minter.issuer, audiences=frozenset({AUDIENCE})),),
        url,
        ca_file=str(files.authority),
        upstream=Upstream(issuer.minter.issuer, "front", "s3cret", "api offline_access"),
    )
    opened = identity.open([new_key()])
    quart = Quart(__name__)
    for blueprint in opened.blueprints:
        quart.register_blueprint(blueprint)
    app = Guarded(opened.authenticator, quart)
    async with serving(app, listener):
        said, person, memory = await called(url + PATH, trust_of(files), **CALL)
    assert said == "sunny in Oslo"
    assert person.consents == 1
    assert memory.client is not None
    assert (memory.client.client_id or "").startswith("dcr.")
    assert set(app.callers) == {f"ada@{issuer.minter.issuer.removeprefix('https://')}"}


async def test_sdk_client_signs_in_at_an_issuer_that_can_register_it(running: Running) -> None:
    issuer, files = running
    listener, url = listening()
    trusted = Trusted(url=issuer.minter.issuer, audiences=frozenset({AUDIENCE}), scope="mcp", required_scope="mcp")
    metadata = Metadata(url, [trusted])
    fetch = HttpsFetch(ca_file=str(files.authority))
    authenticator = OidcAuthenticator([trusted], fetch, challenge=metadata.challenge)
    quart = Quart(__name__)
    quart.register_blueprint(identity_routes(metadata, None))
    app = Guarded(authenticator, quart)
    async with serving(app, listener):
        said, person, memory = await called(url + PATH, trust_of(files), **CALL)
    assert said == "sunny in Oslo"
    assert person.consents == 0
    assert memory.tokens is not None
    assert len(set(app.callers)) == 1
