"""A streamable-HTTP MCP server with sessions (2025-11-25): notes, kept for as long as it runs. Loopback only."""

import json
import secrets
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mcpdeck.samples.lines import RpcError, answered, log, text_result, tool

VERSION = "2025-11-25"
VERSIONS = (VERSION, "2025-06-18", "2025-03-26")
HERE = ("127.0.0.1", "localhost")
TOOLS = [
    tool("add_note", "Keep a note.", ("text",), writes=True, text={"type": "string"}),
    tool("list_notes", "All notes, the newest first."),
    tool("search_notes", "Notes that hold a word.", ("word",), word={"type": "string"}),
]
notes = ["Milk is out", "The deploy window is Thursday, 14:00", "Ask Bea about the second replica"]
sessions: set[str] = set()


def handle(method: str, params: dict[str, Any]) -> dict[str, Any]:
    match method:
        case "initialize":
            asked = params.get("protocolVersion")
            return {
                "protocolVersion": asked if asked in VERSIONS else VERSION,
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "sample-notes", "version": "1.0.0"},
            }
        case "ping" | "notifications/initialized" | "notifications/cancelled":
            return {}
        case "tools/list":
            return {"tools": TOOLS}
        case "tools/call":
            return _call(params.get("name", ""), params.get("arguments") or {})
        case _:
            raise RpcError(-32601, f"no method {method!r}")


def _call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    match name:
        case "add_note":
            if not (text := str(arguments.get("text", "")).strip()):
                return text_result("a note needs a text", is_error=True)
            notes.insert(0, text)
            del notes[100:]
            return text_result(f"kept; there are {len(notes)}")
        case "list_notes":
            return text_result("\n".join(notes), structured={"notes": notes})
        case "search_notes":
            word = str(arguments.get("word", "")).lower()
            found = [note for note in notes if word in note.lower()]
            return text_result("\n".join(found) or f"no note holds {word!r}", structured={"notes": found})
        case _:
            raise RpcError(-32602, f"no tool {name!r}")


class Notes(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not self._is_served():
            return
        try:
            message = json.loads(body)
        except ValueError:
            self._say(400, {"error": {"code": -32700, "message": "that is no JSON"}})
            return
        method = message.get("method")
        if method != "initialize" and self.headers.get("mcp-session-id", "") not in sessions:
            error = {"code": -32600, "message": "no such session; begin with initialize"}
            self._say(404 if "mcp-session-id" in self.headers else 400, {"id": message.get("id"), "error": error})
            return
        answer = answered(message, handle)
        log("INFO", f"{method} {(message.get('params') or {}).get('name', '')}".rstrip())
        if "id" not in message or method is None:
            self._say(202)
        else:
            self._say(200, {"id": message["id"], **answer}, session=_opened() if method == "initialize" else "")

    def do_GET(self) -> None:
        self._say(405)

    def do_DELETE(self) -> None:
        session = self.headers.get("mcp-session-id", "")
        self._say(204 if session in sessions else 404)
        sessions.discard(session)

    def _is_served(self) -> bool:
        """No page of the web gets in by the name of a host that it made point here."""
        is_served = self.headers.get("host", "").rpartition(":")[0] in HERE and "origin" not in self.headers
        if not is_served:
            self._say(403)
        return is_served

    def _say(self, status: int, message: dict[str, Any] | None = None, *, session: str = "") -> None:
        body = b"" if message is None else json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode()
        self.send_response(status)
        if session:
            self.send_header("Mcp-Session-Id", session)
        if body:
            self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (http.server's name)
        """Requests are logged by their meaning."""


def _opened() -> str:
    session = secrets.token_urlsafe(16)
    sessions.add(session)
    return session


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Notes) as server:
        server.daemon_threads = True
        sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}/mcp\n")
        sys.stdout.flush()
        server.serve_forever()
