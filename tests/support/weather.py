"""Ways in which a gateway, or what stands before it, fails whoever asks: each as what a request gets for an answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from gateway.wire import sse
from gateway.wire.problems import MEDIA_TYPE, Problem
from tests.support.fake_gateway import Cut, Request, Scene

HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>"
PLACE = "elsewhere-1"  # in a stream that the gateway itself knows nothing of
LONGEST = 17 * 1024 * 1024  # more than an event may have
_BASIC = frozenset({"/whoami", "/events"})  # without which there is no deck at all


async def hang(_request: Request, _writer: asyncio.StreamWriter) -> bool:
    """Taken, and never answered: until the connection goes."""
    await asyncio.Event().wait()
    return True


async def cut(_request: Request, _writer: asyncio.StreamWriter) -> bool:
    raise Cut


@dataclass
class Answers:
    """Every request gets the same. promised: bytes of the body beyond those that come."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    promised: int = 0

    async def __call__(self, _request: Request, writer: asyncio.StreamWriter) -> bool:
        head = {"content-type": self.media_type, "content-length": str(len(self.body) + self.promised), **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        writer.write(f"HTTP/1.1 {self.status} X\r\n{lines}\r\n".encode() + self.body)
        if self.promised:
            await writer.drain()
            raise Cut
        return True


def problem(status: int, detail: str, **headers: str) -> Answers:
    body = msgspec.json.encode(Problem(title=f"Problem {status}", status=status, detail=detail))
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answers(status, body, MEDIA_TYPE, told)


@dataclass
class Only:
    """The weather of some routes: of a path's beginning, or of all without which a deck still is one."""

    weather: Answers
    path: str = ""

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        is_meant = request.path.startswith(self.path) if self.path else request.path not in _BASIC
        return await self.weather(request, writer) if is_meant else False


@dataclass
class Events:
    """The event stream alone, as these bytes. goes_on: and then nothing more, for ever; else its end."""

    said: bytes
    goes_on: bool = False

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.path != "/events":
            return False
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + self.said)
        await writer.drain()
        if self.goes_on:
            await asyncio.Event().wait()
        writer.close()
        return True


async def other_protocol(_request: Request, writer: asyncio.StreamWriter) -> bool:
    """Something that is no web server at all."""
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\nInvalid SSH identification string.\r\n\r\n")
    await writer.drain()
    raise Cut


def change(resource: object, *, kind: str = "Adapter", name: str = "weather") -> bytes:
    data = {"type": "modified", "kind": kind, "name": name, "resource": resource}
    return sse.encode(msgspec.json.encode(data), "change", PLACE)


def snapshot(scene: Scene) -> bytes:
    """All adapters of a scene, and that they are all."""
    named = [change(msgspec.to_builtins(adapter), name=name) for name, adapter in scene.adapters.items()]
    return b"".join([*named, sse.encode(b"{}", "synced", PLACE)])
