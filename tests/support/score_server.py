"""An HTTP tool server as Microsoft's gateway wants one: arguments POSTed to /score, JSON back. On a thread of its own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ScoreServer:
    """asked: the arguments of each call."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.asked: list[Any] = []


@contextmanager
def score_server() -> Iterator[ScoreServer]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server = http.score = ScoreServer(http.server_address[1])  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, name="score server")
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        arguments = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.score.asked.append(arguments)  # type: ignore[attr-defined]
        if self.path != "/score" or arguments.get("location") == "nowhere":
            self._answer(404, b"no such place", "text/plain")
            return
        known = {"location": arguments.get("location"), "condition": "sunny", "asked_by": self.headers["x-mcp-userid"]}
        self._answer(200, json.dumps(known).encode(), "application/json")

    def do_GET(self) -> None:
        self._echo()

    def do_PUT(self) -> None:
        self._echo()

    def _echo(self) -> None:
        """What of the request a test may want to see."""
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        seen = {"method": self.command, "path": self.path, "body": json.loads(body) if body else None}
        self._answer(200, json.dumps(seen | {"language": self.headers["accept-language"]}).encode(), "application/json")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its base class's word
        """Says nothing."""

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
