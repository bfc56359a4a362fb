"""MCP clients as the front knows them: by a metadata document (CIMD), or registered (RFC 7591). Stores none.

A registered client's id *is* its registration, signed: a flood of registrations fills no memory, and every replica
knows every client. What a client says of itself is shown to people and believed by nobody.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from gateway.auth.fetch import Fetch, FetchFailed
from gateway.core.rotation import Rotating

REGISTERED: Final = "dcr."
MAX_REDIRECTS: Final = 10
MAX_URI: Final = 512
MAX_NAME: Final = 80
MOST_FETCHED: Final = 8  # documents at one time: strangers name them, and a name that hangs holds up look-ups of others
MAX_ID: Final = 2048  # of a registered client: it comes back with every request
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Client(msgspec.Struct, frozen=True):
    id: str
    name: str
    redirect_uris: tuple[str, ...]
    host: str = ""  # of its metadata document: what a person can judge it by; "" for a registered one

    def may_redirect(self, uri: str) -> bool:
        """To the letter; only the port of a native client's loopback address may differ (RFC 8252, section 7.3)."""
        return uri in self.redirect_uris or any(_same_but_port(uri, known) for known in self.redirect_uris)


class ClientRefused(Exception):
    """A client that can't be served; the sentence is for its developer."""


class Clients:
    """keys: shared by replicas; registrations are signed with the first, and good with any of them.

    fetch: for metadata documents, public addresses only.
    """

    def __init__(self, keys: Sequence[bytes], fetch: Fetch) -> None:
        self._keys = Rotating(keys, _key)
        self._fetch = fetch
        self._fetched = 0  # documents, just now

    def renew(self, keys: Sequence[bytes]) -> None:
        """Keys were rotated."""
        self._keys.renew(keys)

    def register(self, wanted: dict[str, Any]) -> Client:
        """Raises ClientRefused."""
        name, uris = _said(wanted)
        body = _encoded(msgspec.json.encode([name, uris]))
        client_id = f"{REGISTERED}{body}.{_mac(self._keys.current, body)}"
        if len(client_id) > MAX_ID:
            raise ClientRefused("redirect_uris: they are too long together; wanted some 1,400 characters at most")
        return Client(client_id, name, uris)

    async def find(self, client_id: str) -> Client:
        """Raises ClientRefused."""
        if client_id.startswith(REGISTERED):
            return self._registered(client_id)
        return await self._documented(client_id)

    def _registered(self, client_id: str) -> Client:
        body, _, mac = client_id.removeprefix(REGISTERED).partition(".")
        if not any(hmac.compare_digest(_mac(key, body).encode(), mac.encode()) for key in self._keys.known):
            raise ClientRefused("this client_id was not registered here")
        name, uris = msgspec.json.decode(_decoded(body), type=tuple[str, tuple[str, ...]])
        return Client(client_id, name, uris)

    async def _documented(self, client_id: str) -> Client:
        host = _documenting_host(client_id)
        document = await self._document(client_id)
        if document.get("client_id") != client_id:
            raise ClientRefused("the client's metadata document does not name its own URL as client_id")
        name, uris = _said(document)
        return Client(client_id, name, uris, host=host)

    async def _document(self, url: str) -> dict[str, Any]:
        if self._fetched >= MOST_FETCHED:
            raise ClientRefused("the metadata of many clients is being fetched already: try again in a moment")
        self._fetched += 1
        try:
            return await self._fetch(url, may_be_private=False)
        except FetchFailed as failure:
            raise ClientRefused(f"the client's metadata can't be had: {failure}") from failure
        finally:
            self._fetched -= 1


def _documenting_host(client_id: str) -> str:
    try:
        parts = urlsplit(client_id)
    except ValueError:  # such as https://[x/
        parts = urlsplit("")
    if parts.scheme != "https" or not parts.hostname or parts.path in ("", "/") or parts.fragment:
        raise ClientRefused("client_id is neither registered here nor an https URL with a path")
    return parts.hostname


def _key(shared: bytes) -> bytes:
    return hashlib.sha256(b"mcpdeck client registration" + shared).digest()


def _mac(key: bytes, body: str) -> str:
    return _encoded(hmac.digest(key, body.encode(), "sha256"))


def _said(document: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Name and redirect URIs, checked."""
    uris = document.get("redirect_uris")
    if not isinstance(uris, list) or not 1 <= len(uris) <= MAX_REDIRECTS or not all(isinstance(u, str) for u in uris):
        raise ClientRefused(f"redirect_uris: wanted 1 to {MAX_REDIRECTS} URIs")
    if wrong := [uri for uri in uris if not _is_redirect_uri(uri)]:
        raise ClientRefused(f"redirect_uris: {wrong[0][:80]!r} is neither https nor http on the person's own machine")
    method = document.get("token_endpoint_auth_method", "none")
    if method != "none":
        raise ClientRefused("token_endpoint_auth_method: only public clients with PKCE are served, wanted 'none'")
    name = document.get("client_name", "")
    return (name[:MAX_NAME] if isinstance(name, str) else ""), tuple(uris)


def _is_redirect_uri(uri: str) -> bool:
    """No script, no file, no fragment, nobody's credentials, nothing that ends a header."""
    if len(uri) > MAX_URI or not uri.isascii() or not uri.isprintable() or " " in uri or "\\" in uri:
        return False
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return False
    if parts.fragment or "#" in uri or parts.username is not None or not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _same_but_port(uri: str, known: str) -> bool:
    if not _is_redirect_uri(uri):
        return False
    asked, registered = urlsplit(uri), urlsplit(known)
    is_loopback = registered.scheme == asked.scheme == "http" and registered.hostname in LOOPBACK
    return is_loopback and (asked.hostname, asked.path, asked.query) == (
        registered.hostname,
        registered.path,
        registered.query,
    )


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ClientRefused("this client_id was not registered here") from error


def describe(client: Client, redirect_uri: str) -> Sequence[str]:
    """What a person should know before consenting, most important first."""
    target = urlsplit(redirect_uri)
    lines = [f"The answer goes to {target.netloc}."]
    if target.hostname in LOOPBACK:
        lines.append("That is this computer: any program on it could be asking.")
    lines.append(f"Its identity is vouched for by {client.host}." if client.host else "Nobody vouches for its name.")
    return lines
