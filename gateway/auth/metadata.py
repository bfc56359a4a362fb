"""Where clients get a token for this gateway: RFC 9728 documents, for the root and each protected path. Serves nothing.

All is built from the configured public URL: a Host header that lies can't send a client to another issuer.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.auth.issuers import Issuer
from gateway.core.errors import Challenge
from gateway.core.render import METADATA_PREFIX
from gateway.core.routes import resource_of

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class TerminalSignIn(msgspec.Struct, frozen=True, omit_defaults=True):
    """How `mcpdeck login` signs in, so that people configure nothing: at the issuer itself, as this public client."""

    client_id: str
    issuer: str
    scope: str = ""


class ResourceMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9728, section 2; `resource` is the URL that the document was asked for, as the standard demands."""

    resource: str
    authorization_servers: list[str]
    bearer_methods_supported: list[str]
    scopes_supported: list[str] = []
    resource_name: str = ""
    mcpdeck_sign_in: TerminalSignIn | None = None  # our own extension of the document, as the standard allows


class Metadata:
    """The documents of one gateway. Raises ValueError when `public_url` is no origin that clients could trust."""

    def __init__(self, public_url: str, issuers: Sequence[Issuer], *, sign_in: TerminalSignIn | None = None) -> None:
        self.public_url = parse_public_url(public_url)
        self._sign_in = sign_in
        self._servers = list(dict.fromkeys(each.authorization_server or each.url for each in issuers))
        self._scopes = list(dict.fromkeys(each.scope for each in issuers if each.scope))

    @property
    def challenge(self) -> Challenge:
        return Challenge(public_url=self.public_url, scope=" ".join(self._scopes))

    def document(self, path: str) -> bytes | None:
        """The JSON for a well-known path of a request, or None: nothing is protected there.

        Every adapter name has one, deployed or not: who has no token learns nothing of what is here.
        """
        if not path.startswith(METADATA_PREFIX):
            return None
        wanted = path.removeprefix(METADATA_PREFIX).rstrip("/")
        if wanted != resource_of(wanted):
            return None
        return msgspec.json.encode(
            ResourceMetadata(
                resource=f"{self.public_url}{wanted}",
                authorization_servers=self._servers,
                bearer_methods_supported=["header"],
                scopes_supported=self._scopes,
                resource_name="mcpdeck gateway",
                mcpdeck_sign_in=self._sign_in,
            )
        )


def parse_public_url(text: str) -> str:
    """`https://HOST[:PORT]` in lower case, no slash at its end. http only on this machine. Raises ValueError."""
    parts = urlsplit(text.strip())
    host = parts.hostname or ""
    if parts.username or parts.password or parts.query or parts.fragment or parts.path not in ("", "/") or not host:
        raise ValueError(f"public URL {text!r}: wanted https://HOST[:PORT] and nothing behind it")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise ValueError(f"public URL {text!r}: tokens travel over https (http only on this machine)")
    return f"{parts.scheme}://{parts.netloc.lower()}"
