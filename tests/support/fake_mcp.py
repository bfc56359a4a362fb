"""An MCP server as a function, of one era or both: tools that a scene names, answers that it gives. No sockets."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MODERN = "2026-07-28"
LEGACY = "2025-11-25"


def echo(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a tool answers that does nothing."""
    return {"content": [{"type": "text", "text": f"{name}: {dict(arguments)}"}]}


type Flow = Callable[[Mapping[str, Any]], AsyncIterator[dict[str, Any]]]
"""The messages that answer one tools/call, the result last."""


@dataclass
class FakeMcp:
    """`eras` is what it speaks: legacy, modern. `called` keeps every tools/call."""

    eras: tuple[str, ...] = ("legacy", "modern")
    name: str = "fake"
    tools: list[dict[str, Any]] = field(default_factory=list)
    answer: Callable[[str, Mapping[str, Any]], dict[str, Any]] = echo
    called: list[dict[str, Any]] = field(default_factory=list)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)  # of other methods
    flows: dict[str, "Flow"] = field(default_factory=dict)  # tools whose answer is a stream
    capabilities: dict[str, Any] = field(default_factory=lambda: {"tools": {}})

    def respond(self, message: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, dict[str, Any] | None]:
        """Status and body; no body for a notification."""
        if "id" not in message:
            return 202, None
        era = "modern" if headers.get("mcp-protocol-version") == MODERN else "legacy"
        if era not in self.eras:
            data = {"supported": [LEGACY if era == "modern" else MODERN], "requested": MODERN}
            return 400, _error(message, -32022, f"this server does not speak the {era} era", data)
        params = message.get("params") or {}
        match message["method"]:
            case "initialize":
                server = {"name": self.name, "version": "1.0"}
                result: dict[str, Any] = {
                    "protocolVersion": LEGACY,
                    "serverInfo": server,
                    "capabilities": self.capabilities,
                }
            case "server/discover":
                meta = {"io.modelcontextprotocol/serverInfo": {"name": self.name, "version": "1.0"}}
                result = {"supportedVersions": [MODERN], "capabilities": self.capabilities, "_meta": meta}
            case "tools/list":
                result = {"tools": self.tools}
            case "tools/call":
                self.called.append(dict(params))
                try:
                    result = self.answer(params["name"], params.get("arguments") or {})
                except LookupError as error:
                    return 200, _error(message, -32602, str(error))
            case method if method in self.results:
                result = self.results[method]
            case method:
                return 200, _error(message, -32601, f"no method {method}")
        return 200, {"jsonrpc": "2.0", "id": message["id"], "result": result}


def _error(message: Mapping[str, Any], code: int, text: str, data: Any = None) -> dict[str, Any]:
    error = {"code": code, "message": text} | ({"data": data} if data is not None else {})
    return {"jsonrpc": "2.0", "id": message["id"], "error": error}
