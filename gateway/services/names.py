"""Looks names up as this machine does, on threads of its own: a name server that hangs holds up nobody else.

Judges no address and remembers none. How long a look-up lasts is the platform's to say, often half a minute; who waits
may leave before, and a process that ends waits for none of them.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

AT_ONCE: Final = 64  # threads: as many names may hang at one time
YOUNG: Final = 5.0  # seconds in which whoever wants the same name waits for the same look-up
SPARE: Final = 32  # of them, for names of which no look-up is under way: another one may find the name server back

type LookUp = Callable[[str, int], Sequence[str]]


class _LookUp(Future[Sequence[str]]):
    def __init__(self) -> None:
        super().__init__()
        self.began = time.monotonic()
        self.set_running_or_notify_cancel()  # who leaves does not end it for the others

    @property
    def is_young(self) -> bool:
        return time.monotonic() - self.began < YOUNG


class Names:
    """For any number of event loops. look_up: blocks."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._under_way: dict[tuple[str, int], list[_LookUp]] = {}
        self._lock = threading.Lock()

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """In the machine's order. Raises OSError or UnicodeError."""
        return await asyncio.wrap_future(self._joined(host, port))

    def _joined(self, host: str, port: int) -> _LookUp:
        with self._lock:
            own, threads = self._under_way.get((host, port), []), sum(map(len, self._under_way.values()))
            if own and (own[-1].is_young or threads >= AT_ONCE - SPARE):
                return own[-1]
            if threads >= AT_ONCE:
                raise OSError(f"{AT_ONCE} names are being looked up, and the name server answers none of them")
            look_up = _LookUp()
            self._begin(look_up, host, port)
            self._under_way[host, port] = [*own, look_up]
            return look_up

    def _begin(self, look_up: _LookUp, host: str, port: int) -> None:
        try:
            threading.Thread(target=self._run, args=(look_up, host, port), name=f"look up {host}", daemon=True).start()
        except RuntimeError as error:
            raise OSError(f"{host} can't be looked up: {error}") from error

    def _run(self, look_up: _LookUp, host: str, port: int) -> None:
        found: Sequence[str] = ()
        problem: Exception | None = None
        try:
            found = self._look_up(host, port)
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for it
            problem = error
        with self._lock:
            left = [each for each in self._under_way[host, port] if each is not look_up]
            if left:
                self._under_way[host, port] = left
            else:
                del self._under_way[host, port]
        if problem is None:
            look_up.set_result(found)
        else:
            look_up.set_exception(problem)


def _looked_up(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


addresses: Final = Names(_looked_up).addresses
