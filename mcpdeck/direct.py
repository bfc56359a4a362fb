"""One quick question to a gateway on this machine, over the standard library alone: a command starts in a third of the
time that httpx takes to load. No TLS, no proxy: everything else is `client`'s.
"""

import http.client
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.wire import sse
from gateway.wire.resources import ChangeEvent
from mcpdeck import control
from mcpdeck.control import Ask, Reply
from mcpdeck.errors import Unreachable, plainly
from mcpdeck.model.plain import decode, plain

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
ANSWER_SECONDS: Final = 30.0

type TokenText = Callable[[bool], str]  # a bearer token; True: the last one was refused, so another


def reaches(url: str) -> bool:
    """Whether this is the way to that gateway."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in LOOPBACK


def do[Value](url: str, ask: Ask[Value], *, token: TokenText | None = None) -> Value:
    """Raises ProblemError, Unreachable, and what `token` raises."""
    reply = _once(url, ask, None if token is None else token(False))
    if reply.status == 401 and token is not None:
        reply = _once(url, ask, token(True))
    return control.answer(ask, reply, url)


def snapshot(url: str) -> Iterator[ChangeEvent]:
    """What the event stream names before it is `synced`. Raises ProblemError, Unreachable."""
    decoder = sse.Decoder()
    with _answered(url, "GET", "/events", {"accept": "text/event-stream"}) as answer:
        if answer.status != 200:
            raise control.problem("GET", "/events", _read(answer), url=url)
        while chunk := answer.read1(65536):
            for event in decoder.feed(chunk):
                if event.event == "synced":
                    return
                if event.event == "change" and event.data is not None:
                    yield decode(event.data, ChangeEvent)
    raise Unreachable(f"{url} ended its event stream before it had named everything")


def _once[Value](url: str, ask: Ask[Value], token: str | None) -> Reply:
    headers = {"accept": "application/json", "connection": "close", **ask.headers}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    with _answered(url, ask.method, ask.path, headers, ask.body, takes=ask.takes) as answer:
        return _read(answer)


def _read(answer: http.client.HTTPResponse) -> Reply:
    told = {name.lower(): value for name, value in answer.getheaders()}
    return Reply(status=answer.status, reason=answer.reason, headers=told, body=answer.read())


@contextmanager
def _answered(
    url: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None, *, takes: float = 0.0
) -> Iterator[http.client.HTTPResponse]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=ANSWER_SECONDS + takes)
    try:
        connection.request(method, parts.path.rstrip("/") + path, body, dict(headers))
        yield connection.getresponse()
    except TimeoutError as error:
        raise Unreachable(f"{url} does not answer in time") from error
    except (ConnectionRefusedError, socket.gaierror) as error:
        raise Unreachable(f"{url} can not be reached: {error.strerror}") from error
    except (OSError, http.client.RemoteDisconnected, http.client.IncompleteRead) as error:
        said = "" if isinstance(error, http.client.HTTPException) else plain(plainly(error))
        raise Unreachable(f"{url} broke off: {said or 'it closed the connection'}") from error
    except http.client.HTTPException as error:
        raise Unreachable(f"what answers at {url} is no web server: {plain(str(error)) or 'no HTTP'}") from error
    except msgspec.DecodeError as error:
        raise Unreachable(f"what answers at {url} is no gateway of this version: {plain(str(error))}") from error
    except ValueError as error:
        raise Unreachable(f"{url} says what can not be read: {error}") from error
    finally:
        connection.close()
