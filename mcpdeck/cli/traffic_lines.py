"""Messages of traffic as lines for people: who said what, about which call, and how it went. Asks nobody."""

from typing import TYPE_CHECKING, Final

from gateway.wire.traffic import Kind, Sender, TrafficMessage
from mcpdeck.model.plain import one_line

if TYPE_CHECKING:
    from mcpdeck.cli.output import Printer

_ARROWS: Final = {Sender.CLIENT: "→", Sender.SERVER: "←", Sender.GATEWAY: "·"}
_NAME: Final = 14  # cells that most names fit in
_RED, _DIM = "31", "2"


class Lines:
    """`12:00:01.123 a8a1c8dd → tools/call get_forecast  #7  108 B`; what belongs to a call is indented under it.

    of_several: adapters, and each line says of which.
    """

    def __init__(self, printer: "Printer", *, of_several: bool = False) -> None:
        self._printer, self._of_several = printer, of_several

    def print(self, message: TrafficMessage) -> None:
        line = line_of(message, adapter=message.adapter if self._of_several else "")
        tone = _RED if message.error else _DIM if message.kind in (Kind.NOTIFICATION, Kind.HTTP) else ""
        print(f"\x1b[{tone}m{line}\x1b[0m" if tone and self._printer.has_color else line, flush=True)


def line_of(message: TrafficMessage, *, adapter: str = "") -> str:
    clock = message.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    where = f"{one_line(adapter):<{_NAME}} " if adapter else ""
    front = f"{clock} {where}{message.session[:8]:<8} {'  ' if message.under else ''}{_ARROWS[message.sender]}"
    parts = [front, one_line(" ".join(filter(None, (message.method or "?", message.target))))]
    if message.id is not None:
        parts.append(one_line(f"#{message.id}"))
    if message.answers:
        parts.append("ok" if not message.error else "error")
    if message.status and message.status != 200:
        parts.append(f"HTTP {message.status}")
    if message.duration is not None:
        parts.append(_duration(message.duration))
    if message.size:
        parts.append(_size(message.size))
    if message.error:
        parts.append(one_line(message.error))
    return "  ".join(parts)


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _size(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1024**2 else f"{count / 1024**2:.1f} MiB"
