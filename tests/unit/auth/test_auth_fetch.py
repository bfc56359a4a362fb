"""Fetching an issuer's documents over real TLS, and every way in which that must not be misled."""

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.auth.fetch import MAX_BYTES, FetchFailed, HttpsFetch, resolve
from gateway.services import names
from mcpdeck.devissuer.certificates import CertificateFiles, make_certificate


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def site(files: CertificateFiles | None, answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answers every request with the same bytes; yields its port and the heads it saw."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
            if not answer:
                await reader.read()  # silent until the client leaves
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has seen enough
        finally:
            writer.close()

    context = None
    if files is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:  # whose end waits for its connections
        try:
            yield server.sockets[0].getsockname()[1], heads
        finally:
            server.abort_clients()


def reply(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n".encode() + body


def fetcher(files: CertificateFiles) -> HttpsFetch:
    return HttpsFetch(ca_file=str(files.authority))


def resolving_to(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """The name server's answers, one per question: a second question would get the second."""
    asked: list[str] = []

    async def getaddrinfo(_loop: Any, host: str, port: int, **_: Any) -> Any:
        asked.append(host)
        return [(2, 1, 6, "", (answers[min(len(asked), len(answers)) - 1], port))]

    async def addresses(host: str, port: int) -> list[str]:
        return [str(each[4][0]) for each in await getaddrinfo(None, host, port)]

    monkeypatch.setattr(names, "addresses", addresses)
    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", getaddrinfo)  # nobody else asks either
    return asked


async def test_document_comes_over_tls_with_the_name_verified_and_sent(files: CertificateFiles) -> None:
    async with site(files, reply(b'{"issuer": "x"}')) as (port, heads):
        assert await fetcher(files)(f"https://localhost:{port}/a?b=c", may_be_private=True) == {"issuer": "x"}
    assert heads[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert f"host: localhost:{port}".encode() in heads[0].lower()


async def test_certificate_of_an_unknown_authority_is_refused(files: CertificateFiles) -> None:
    async with site(files, reply(b"{}")) as (port, heads):
        with pytest.raises(FetchFailed, match="can't be reached"):
            await HttpsFetch()(f"https://localhost:{port}/", may_be_private=True)
    assert heads == []


async def test_certificate_for_another_name_is_refused(
    files: CertificateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving_to(monkeypatch, "127.0.0.1")
    async with site(files, reply(b"{}")) as (port, heads):
        with pytest.raises(FetchFailed, match="can't be reached"):
            await fetcher(files)(f"https://idp.example:{port}/", may_be_private=True)
    assert heads == []


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect"])
async def test_redirect_is_not_followed(files: CertificateFiles, status: str) -> None:
    async with site(files, reply(b"", status, Location="https://169.254.169.254/")) as (port, _):
        with pytest.raises(FetchFailed, match=f"answered {status[:3]}"):
            await fetcher(files)(f"https://localhost:{port}/", may_be_private=True)


@pytest.mark.parametrize(
    "body",
    [b"x" * (MAX_BYTES + 1), b"[]", b"<html>", b'{"a":', gzip.compress(json.dumps({"a": "b"}).encode())],
    ids=["huge", "no object", "no JSON", "cut", "compressed unasked"],
)
async def test_document_that_is_too_large_or_no_json_object_is_refused(files: CertificateFiles, body: bytes) -> None:
    async with site(files, reply(body)) as (port, _):
        with pytest.raises(FetchFailed):
            await fetcher(files)(f"https://localhost:{port}/", may_be_private=True)


async def test_issuer_that_never_answers_is_given_up(files: CertificateFiles) -> None:
    async with site(files, b"") as (port, _):
        with pytest.raises(FetchFailed, match="in time"):
            await HttpsFetch(ca_file=str(files.authority), timeout=0.2)(
                f"https://localhost:{port}/", may_be_private=True
            )


async def test_address_is_resolved_once_so_that_a_second_answer_changes_nothing(
    files: CertificateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving_to(monkeypatch, "127.0.0.1", "169.254.169.254")
    async with site(files, reply(b'{"a": 1}')) as (port, _):
        await fetcher(files)(f"https://localhost:{port}/", may_be_private=True)
    assert asked == ["localhost"]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "::1", "::ffff:10.0.0.1", "fd00::1"])
async def test_private_address_is_refused_for_a_host_that_only_a_document_named(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    resolving_to(monkeypatch, address)
    with pytest.raises(FetchFailed, match="private; refused"):
        await resolve("https://idp.example/keys", may_be_private=False)


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "0.0.0.0"])
async def test_metadata_address_is_refused_even_where_private_ones_are_allowed(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    resolving_to(monkeypatch, address)
    with pytest.raises(FetchFailed, match="forbidden; refused"):
        await resolve("https://idp.example/keys", may_be_private=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://2852039166/",
        "https://0xa9fea9fe/",
        "https://0251.0376.0251.0376/",
        "https://[::ffff:169.254.169.254]/",
        "https://169.254.169.254/",
    ],
)
async def test_metadata_address_is_refused_however_it_is_written(url: str) -> None:
    with pytest.raises(FetchFailed, match="refused"):
        await resolve_translated(url)


async def resolve_translated(url: str) -> str:
    """resolve() lets the platform read odd forms; where it can't, that is a refusal too."""
    try:
        return await resolve(url, may_be_private=True)
    except OSError as error:
        raise FetchFailed(f"{url}: refused by the resolver") from error


@pytest.mark.parametrize(
    "url", ["ftp://idp.example/", "https://user:pw@idp.example/", "https:///x", "file:///etc/passwd"]
)
async def test_what_is_no_plain_https_url_is_refused(url: str) -> None:
    with pytest.raises(FetchFailed, match="not a plain https URL"):
        await resolve(url, may_be_private=True)


async def test_plain_http_is_for_this_machine_only(files: CertificateFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(None, reply(b'{"a": 1}')) as (port, _):
        assert await fetcher(files)(f"http://127.0.0.1:{port}/", may_be_private=True) == {"a": 1}
    resolving_to(monkeypatch, "1.1.1.1")
    with pytest.raises(FetchFailed, match="plain http"):
        await resolve("http://idp.example/", may_be_private=True)
