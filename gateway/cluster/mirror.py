"""What the cluster has of one kind, kept current by a list and a watch. Decides nothing about it.

A watch goes on from the last version seen when its connection ends, lists again when that version has expired, and
waits longer after each failure; meanwhile the last state stands, and `is_current` says how far to trust it.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from gateway.cluster.api import Api
from gateway.cluster.errors import Expired
from gateway.cluster.objects import Kind, Object
from gateway.core.errors import GatewayError, TooManyRequests

PAGE: Final = 500  # objects in one answer to a list
# After which the server ends a watch, so that load spreads again: before silence counts as broken, since a watch of
# events brings no bookmarks
WATCH_SECONDS: Final = 110
FIRST_DELAY: Final = 0.2
LONGEST_DELAY: Final = 10.0
LONGEST_LINE: Final = 8 * 1024 * 1024  # bytes of one event: etcd takes objects of 1.5 MiB, and JSON escapes

log = logging.getLogger(__name__)


class _ListMetadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListMetadata
    items: list[msgspec.Raw] = []


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Versioned(msgspec.Struct):
    metadata: _ListMetadata = _ListMetadata()
    code: int = 0
    message: str = ""


_decode_list = msgspec.json.Decoder(_List).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_versioned = msgspec.json.Decoder(_Versioned).decode


class Mirror[Item: Object]:
    """on_change: called with a name, the object as it is now and as it was before; None where there is or was none.

    It must not wait. `synced` is set once the first list is in.
    """

    def __init__(
        self,
        api: Api,
        kind: Kind,
        item: type[Item],
        *,
        selector: str = "",
        fields: str = "",
        on_change: Callable[[str, Item | None, Item | None], None] = lambda *_: None,
    ) -> None:
        self.items: dict[str, Item] = {}
        self.synced = asyncio.Event()
        self.is_current = False
        self._api, self._kind = api, kind
        self._decode: Callable[[msgspec.Raw | bytes], Item] = msgspec.json.Decoder(item).decode
        told = {"labelSelector": selector, "fieldSelector": fields}
        self._selector = {key: value for key, value in told.items() if value}
        self._on_change = on_change
        self._version = ""
        self._gone: dict[str, str] = {}  # uids, until the watch tells of their end
        self._failures = 0  # in a row

    async def keep(self) -> None:
        """Until cancelled. Every failure is tried again."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except Expired:
                self._version = ""
            except GatewayError as error:
                least = error.retry or 0 if isinstance(error, TooManyRequests) else 0
                await self._wait_after(error, least)
            except msgspec.DecodeError as error:  # what was sent is not what was asked for: listed anew, it may be
                self._version = ""
                await self._wait_after(error)

    async def _wait_after(self, error: Exception, least: float = 0) -> None:
        """least: seconds that the server asks for."""
        self.is_current = False
        self._failures += 1
        wait = max(_delay(self._failures), least)
        log.warning("watching %s: %s; again in %.1f s", self._kind.plural, error, wait)
        await asyncio.sleep(wait)

    def learn(self, answer: bytes) -> Item:
        """The answer to a write of our own: it is known here before the watch tells of it."""
        item = self._decode(answer)
        self._take(item)
        return item

    def forget(self, item: Item) -> None:
        """It was deleted: events about it that are still on their way bring it back no more."""
        name, uid = item.metadata.name, item.metadata.uid
        known = self.items.get(name)
        if known is not None and known.metadata.uid == uid:
            self._gone[name] = uid
            self._drop(name)

    async def _list(self) -> None:
        found: dict[str, Item] = {}
        query = {"limit": str(PAGE), **self._selector}
        while True:
            page = _decode_list(await self._api.list_page(self._kind, query))
            for raw in page.items:
                item = self._decode(raw)
                found[item.metadata.name] = item
            if not page.metadata.continue_:
                break
            query["continue"] = page.metadata.continue_
        self._replace(found)
        self._version = page.metadata.resource_version
        self.is_current = True
        self.synced.set()

    def _replace(self, found: Mapping[str, Item]) -> None:
        """No await in here: who reads the items sees all of the old list or all of the new one."""
        for name in self.items.keys() - found.keys():
            self._drop(name)
        self._gone = {name: uid for name, uid in self._gone.items() if name in found}
        for item in found.values():
            self._take(item)

    async def _watch(self) -> None:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(WATCH_SECONDS + random.randrange(20)),  # noqa: S311 - spreads load, hides nothing
            **self._selector,
        }
        path = self._kind.path(self._api.namespace)
        async with self._api.stream(path, query, doing=f"watch {self._kind.plural}") as lines:
            self.is_current = True
            self._failures = 0
            while line := await lines.readline(max_line_length=LONGEST_LINE):
                self._receive(line)
        await asyncio.sleep(_delay(1))  # a server that ends every watch at once must not be asked in a circle

    def _receive(self, line: bytes) -> None:
        event = _decode_event(line)
        if event.type == "ERROR":
            status = _decode_versioned(event.object)
            raise Expired(status.message) if status.code == 410 else GatewayError(status.message)
        if event.type == "BOOKMARK":
            self._version = _decode_versioned(event.object).metadata.resource_version
            return
        item = self._decode(event.object)
        self._version = item.metadata.resource_version
        if event.type == "DELETED":
            if self._gone.get(item.metadata.name) == item.metadata.uid:
                del self._gone[item.metadata.name]
            if not _is_newer(self.items.get(item.metadata.name), item):
                self._drop(item.metadata.name)
        else:
            self._take(item)

    def _take(self, item: Item) -> None:
        name = item.metadata.name
        known = self.items.get(name)
        if _is_newer(known, item) or self._gone.get(name) == item.metadata.uid:
            return
        if known is None or known.metadata.resource_version != item.metadata.resource_version:
            self.items[name] = item
            self._on_change(name, item, known)

    def _drop(self, name: str) -> None:
        known = self.items.pop(name, None)
        if known is not None:
            self._on_change(name, None, known)


def _is_newer(known: Object | None, item: Object) -> bool:
    """Whether what is known came after what is told. Versions are ordered since Kubernetes 1.35 says so (KEP-5504)."""
    return known is not None and version_of(known) > version_of(item)


def version_of(item: Object) -> int:
    return int(item.metadata.resource_version or 0)


def _delay(failures: int) -> float:
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures - 1, 16))
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads gateways, hides nothing
