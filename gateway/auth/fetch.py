"""Fetches one small document of an issuer, or posts it a form. Follows no redirect, and goes only where it may."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec

from gateway.core.egress import Reach, reach_of
from gateway.services import names

MAX_BYTES: Final = 512 * 1024  # Entra's key document is about 20 KB
TIMEOUT: Final = 5.0  # seconds for one document, name resolution included


class FetchFailed(Exception):
    """An issuer's document could not be had; the sentence says why."""


class Fetch(Protocol):
    async def __call__(self, url: str, *, may_be_private: bool) -> dict[str, Any]:
        """may_be_private: an operator wrote this host down; False where only a document named it."""


class HttpsFetch:
    """Documents over TLS; plain http only from this machine itself. `ca_file` trusts a private authority besides."""

    def __init__(self, *, ca_file: str | None = None, timeout: float = TIMEOUT) -> None:
        self._ca_file = ca_file
        self._timeout = timeout
        self._context: ssl.SSLContext | None = None

    async def __call__(self, url: str, *, may_be_private: bool) -> dict[str, Any]:
        status, body = await self._send("GET", url, None, may_be_private=may_be_private)
        if status != 200:
            raise FetchFailed(f"{url} answered {status}, wanted 200 (redirects are not followed)")
        with _fetch_errors(url):
            document = msgspec.json.decode(body)
        if not isinstance(document, dict):
            raise FetchFailed(f"{url} is not a JSON object")
        return document

    async def post(self, url: str, form: dict[str, str], *, may_be_private: bool) -> tuple[int, bytes]:
        """Status and body, whatever they are."""
        return await self._send("POST", url, form, may_be_private=may_be_private)

    async def _send(
        self, method: str, url: str, form: dict[str, str] | None, *, may_be_private: bool
    ) -> tuple[int, bytes]:
        with _fetch_errors(url):
            async with asyncio.timeout(self._timeout):
                address = await resolve(url, may_be_private=may_be_private)
                return await self._send_to(address, method, url, form=form)

    async def _send_to(self, address: str, method: str, url: str, *, form: dict[str, str] | None) -> tuple[int, bytes]:
        """Connects to the address that was judged, and still speaks to and verifies the name."""
        import httpx

        target = httpx.URL(url)
        headers = {"Host": target.netloc.decode(), "Accept": "application/json", "Accept-Encoding": "identity"}
        sni = {"sni_hostname": target.host}
        client = httpx.AsyncClient(verify=self._trust(), follow_redirects=False, trust_env=False)
        pinned = target.copy_with(host=address)
        async with client, client.stream(method, pinned, headers=headers, data=form, extensions=sni) as answer:
            body = bytearray()
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise FetchFailed(f"{url} is larger than {MAX_BYTES} bytes")
            return answer.status_code, bytes(body)

    def _trust(self) -> ssl.SSLContext:
        if self._context is None:  # reading the trust store costs 20 ms: once
            self._context = ssl.create_default_context()
            if self._ca_file:
                self._context.load_verify_locations(self._ca_file)
        return self._context


async def resolve(url: str, *, may_be_private: bool) -> str:
    """The one address to connect to. Raises FetchFailed when the URL or any of its addresses is out of bounds."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.password:
        raise FetchFailed(f"{url} is not a plain https URL")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = await names.addresses(parts.hostname, port)
    for address in addresses:
        reach = reach_of(address)
        if reach is Reach.FORBIDDEN or (reach is Reach.PRIVATE and not may_be_private):
            raise FetchFailed(f"{url} resolves to {address}, which is {reach.value}; refused")
    if parts.scheme == "http" and not all(_is_loopback(address) for address in addresses):
        raise FetchFailed(f"{url} is plain http, which is allowed on this machine only; use https")
    return addresses[0]


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")


@contextmanager
def _fetch_errors(url: str) -> Iterator[None]:
    import httpx

    try:
        yield
    except TimeoutError as error:
        raise FetchFailed(f"{url} did not answer in time") from error
    except (OSError, UnicodeError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchFailed(f"{url} can't be reached: {error}") from error
    except (ValueError, msgspec.DecodeError) as error:
        raise FetchFailed(f"{url} is no JSON or no URL: {error}") from error
