"""Messages between clients and adapters, as the gateway tells of them, for who shows them. Nothing here is random."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from gateway.wire.traffic import Kind, Sender, TrafficMessage
from tests.support.fake_gateway import NOW


class Conversation:
    """One session's messages, numbered on. `at`: when the last one was said."""

    def __init__(
        self, adapter: str = "weather", session: str = "s-1", *, number: int = 0, at: datetime = NOW, **more: Any
    ) -> None:
        self.at = at
        self._number = number
        self._always = {"adapter": adapter, "instance": f"{adapter}-0", "session": session, "principal": "ada",
                        "era": "legacy", "verb": "POST", **more}  # fmt: skip

    def _said(self, sender: Sender, kind: Kind, /, *, after: float, **fields: Any) -> TrafficMessage:
        self._number += 1
        self.at += timedelta(seconds=after)
        size = len(repr(fields.get("payload", ""))) if "size" not in fields else fields.pop("size")
        return TrafficMessage(
            **{"number": self._number, "at": self.at, "sender": sender, "kind": kind, "size": size, **self._always}
            | fields
        )

    def asks(
        self, method: str, target: str = "", params: Any = None, *, after: float = 0.05, back: bool = False, **more: Any
    ) -> TrafficMessage:
        """A request: a client's, or (back) a server's."""
        sender = Sender.SERVER if back else Sender.CLIENT
        ident = more.pop("id", self._number + 1)
        payload = {"jsonrpc": "2.0", "id": ident, "method": method, "params": params or {}}
        headers = {"user-agent": "claude-code/2.1.4", "mcp-protocol-version": "2025-11-25"}
        return self._said(
            sender, Kind.REQUEST, after=after,
            **{"method": method, "target": target, "id": ident, "payload": payload, "headers": headers} | more,
        )  # fmt: skip

    def answers(
        self, request: TrafficMessage, result: Any = None, *, after: float = 0.041, **more: Any
    ) -> TrafficMessage:
        sender = Sender.CLIENT if request.sender is Sender.SERVER else Sender.SERVER
        error = more.pop("rpc_error", None)
        told = {"error": error} if error else {"result": result if result is not None else {}}
        if error:
            more.setdefault("error", f"{error['message']} ({error['code']})")
        duration = (self.at - request.at).total_seconds() + after
        return self._said(
            sender, Kind.RESPONSE, after=after,
            **{"method": request.method, "target": request.target, "id": request.id, "answers": request.number,
               "duration": duration, "status": 200, "under": request.under,
               "payload": {"jsonrpc": "2.0", "id": request.id, **told},
               "headers": {"content-type": "application/json"}} | more,
        )  # fmt: skip

    def tells(self, method: str, params: Any = None, *, after: float = 0.02, **more: Any) -> TrafficMessage:
        """A server's notification."""
        payload = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        return self._said(
            Sender.SERVER, Kind.NOTIFICATION, after=after, **{"method": method, "payload": payload} | more
        )


FORECAST = {
    "content": [{"type": "text", "text": "Oslo, Thursday\n  2° and rain until noon\n  wind NW 7 m/s\nFriday\n  4° and dry"}],
    "structuredContent": {"city": "Oslo", "days": [{"date": "2026-11-26", "low": 1.5, "high": 2, "rain": True},
                                                   {"date": "2026-11-27", "low": 3, "high": 4, "rain": False}]},
    "isError": False,
}  # fmt: skip


def morning(
    adapter: str, session: str, *, at: datetime = NOW - timedelta(minutes=2), number: int = 0
) -> Iterator[TrafficMessage]:
    """What a client says who asks for two forecasts, one of which the server asks back about, and one that fails."""
    talk = Conversation(adapter, session, at=at, number=number)
    hello = talk.asks("initialize", params={
        "protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "claude-code", "version": "2.1.4"}}, id=0)  # fmt: skip
    yield hello
    yield talk.answers(hello, {"protocolVersion": "2025-11-25", "serverInfo": {"name": "weather", "version": "0.4.1"}})
    listed = talk.asks("tools/list", id=1, after=0.006)
    yield listed
    yield talk.answers(listed, {"tools": [{"name": "get_forecast"}, {"name": "get_alerts"}]}, after=0.012, size=8410)
    call = talk.asks("tools/call", "get_forecast", {
        "name": "get_forecast", "arguments": {"city": "Oslo", "days": 2, "units": "metric", "apiKey": "‹hidden, 32›"},
        "_meta": {"progressToken": 2, "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}},
        id=2, after=1.842, redacted=1)  # fmt: skip
    yield call
    yield talk.tells(
        "notifications/progress", {"progressToken": 2, "progress": 1, "total": 3}, under=call.number, after=0.11
    )
    asked = talk.asks(
        "elicitation/create", params={"message": "Which Oslo?"}, back=True, under=call.number, after=0.3, id=1
    )
    yield asked
    yield talk.answers(asked, {"action": "accept", "content": {"country": "NO"}}, after=6.2)
    yield talk.tells(
        "notifications/progress", {"progressToken": 2, "progress": 3, "total": 3}, under=call.number, after=0.4
    )
    yield talk.answers(call, FORECAST, after=0.06)
    wrong = talk.asks(
        "tools/call", "get_alerts", {"name": "get_alerts", "arguments": {"region": "XX"}}, id=3, after=2.2
    )
    yield wrong
    yield talk.answers(wrong, rpc_error={"code": -32602, "message": "no region 'XX'"}, after=0.009)
    yield talk.tells("notifications/message", {"level": "warning", "data": "cache is cold"}, after=0.31)
    failed = talk.asks(
        "tools/call", "get_forecast", {"name": "get_forecast", "arguments": {"city": "Atlantis"}}, id=4, after=5.1
    )
    yield failed
    yield talk.answers(failed, {"content": [{"type": "text", "text": "there is no such place"}], "isError": True},
                       error="there is no such place", after=0.702)  # fmt: skip
    yield talk.asks("tools/call", "get_forecast", {"name": "get_forecast", "arguments": {"city": "Bergen", "days": 7}},
                    id=5, after=3.0)  # fmt: skip
