"""A small stdio MCP server that behaves, or misbehaves, as it is told. Standard library only, so that it starts at once.

Its tools are the script: echo, add (mirrors `n` as Mcp-Param-N), progress, log, ask (elicits), crash, hang, garbage, big,
announce, two_answers, pid.
"""

import argparse
import json
import os
import sys
import threading
import time
from typing import Any

MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
TOOLS = [
    {"name": "echo", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}},
    {
        "name": "add",
        "inputSchema": {
            "type": "object",
            "properties": {
                "n": {"type": "integer", "x-mcp-header": "N"},
                "where": {"type": "object", "properties": {"city": {"type": "string", "x-mcp-header": "City"}}},
            },
        },
    },
]


class Server:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.era: str | None = None if options.era == "dual" else options.era
        self.asked: dict[str, Any] = {}
        self.listens: list[Any] = []

    def send(self, message: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
        sys.stdout.flush()

    def result(self, request_id: Any, result: dict[str, Any]) -> None:
        self.send({"id": request_id, "result": ({"resultType": "complete"} if self.era == "modern" else {}) | result})

    def error(self, request_id: Any, code: int, message: str, data: Any = None) -> None:
        self.send({"id": request_id, "error": {"code": code, "message": message} | ({"data": data} if data else {})})

    def notify(self, method: str, params: dict[str, Any]) -> None:
        self.send({"method": method, "params": params})

    def run(self) -> None:
        if self.options.mute:
            time.sleep(3600)
        for line in sys.stdin:
            message = json.loads(line)
            print("got", line.strip()[:200], file=sys.stderr, flush=True)
            if "method" not in message:
                self.answered(message)
            elif "id" not in message:
                self.notified(message)
            else:
                self.asked_for(message["id"], message["method"], message.get("params") or {})
        if self.options.outlives_stdin:
            time.sleep(3600)

    def asked_for(self, request_id: Any, method: str, params: dict[str, Any]) -> None:
        is_modern = f"{META}protocolVersion" in params.get("_meta", {})
        if self.era is None:
            self.era = "modern" if is_modern and method != "initialize" else "legacy"
        if method == "server/discover" and self.era == "legacy":
            self.discover_in_the_wrong_era(request_id)
        elif method == "initialize" and self.era == "modern":
            self.error(request_id, -32022, "no handshake", {"supported": [MODERN], "requested": "old"})
        else:
            getattr(self, "on_" + method.replace("/", "_"), self.on_unknown)(request_id, params)

    def discover_in_the_wrong_era(self, request_id: Any) -> None:
        if self.options.dies_on_discover:
            os._exit(3)
        if not self.options.silent:
            self.error(request_id, -32602, "Invalid request parameters")

    def notified(self, message: dict[str, Any]) -> None:
        if message["method"] == "notifications/cancelled":
            requested = message["params"]["requestId"]
            self.listens = [listen for listen in self.listens if listen != requested]

    def answered(self, message: dict[str, Any]) -> None:
        request_id = self.asked.pop(message["id"])
        self.result(request_id, text(json.dumps(message.get("result"))))

    def on_unknown(self, request_id: Any, params: dict[str, Any]) -> None:
        self.error(request_id, -32601, "Method not found")

    def on_server_discover(self, request_id: Any, params: dict[str, Any]) -> None:
        capabilities = {"tools": {"listChanged": True}} if self.options.era == "modern" else {"tools": {}}
        self.result(request_id, {"supportedVersions": [MODERN], "capabilities": capabilities, "ttlMs": 0})

    def on_initialize(self, request_id: Any, params: dict[str, Any]) -> None:
        if self.options.hangs_on_initialize:
            return
        info = {"name": "scripted", "version": "1"}
        self.result(
            request_id,
            {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info},
        )

    def on_ping(self, request_id: Any, params: dict[str, Any]) -> None:
        self.result(request_id, {})

    def on_tools_list(self, request_id: Any, params: dict[str, Any]) -> None:
        names = ["progress", "log", "ask", "crash", "hang", "garbage", "big", "announce", "pid", "late"]
        rest = [{"name": name, "inputSchema": {"type": "object"}} for name in names]
        if params.get("cursor"):
            self.result(request_id, {"tools": rest, "ttlMs": 0, "cacheScope": "public"})
        else:
            self.result(request_id, {"tools": TOOLS, "nextCursor": "2", "ttlMs": 0, "cacheScope": "public"})

    def on_subscriptions_listen(self, request_id: Any, params: dict[str, Any]) -> None:
        self.listens.append(request_id)
        meta = {f"{META}subscriptionId": request_id}
        self.notify(
            "notifications/subscriptions/acknowledged",
            {"notifications": params["notifications"], "_meta": meta},
        )

    def on_tools_call(self, request_id: Any, params: dict[str, Any]) -> None:
        arguments = params.get("arguments") or {}
        token = params.get("_meta", {}).get("progressToken")
        match params.get("name"):
            case "echo":
                self.result(request_id, text(str(arguments.get("text", ""))) | {"_unheard": {"of": 1.5}})
            case "add":
                self.result(request_id, text(str(arguments.get("n"))))
            case "progress":
                for step in range(3):
                    self.notify("notifications/progress", {"progressToken": token, "progress": step, "total": 3})
                self.result(request_id, text("done"))
            case "log":
                self.notify("notifications/message", {"level": "info", "data": "a log line"})
                self.result(request_id, text("logged"))
            case "ask":
                self.asked[f"ask-{request_id}"] = request_id
                self.send({"id": f"ask-{request_id}", "method": "elicitation/create", "params": {"message": "name?"}})
            case "crash":
                os._exit(int(arguments.get("code", 3)))
            case "hang":
                return
            case "garbage":
                sys.stdout.write("this is no JSON\n[1, 2\n\n42\n")
                self.result(request_id, text("fine"))
            case "big":
                self.result(request_id, text("x" * int(arguments["size"])))
            case "announce":
                self.announce(request_id)
            case "later":
                threading.Timer(float(arguments["seconds"]), self.result, (request_id, text("later"))).start()
            case "pid":
                self.result(request_id, text(str(os.getpid())))
            case _:
                self.error(request_id, -32602, "Unknown tool")

    def announce(self, request_id: Any) -> None:
        if self.era == "legacy":
            self.notify("notifications/tools/list_changed", {})
        for listen in self.listens:
            self.notify("notifications/tools/list_changed", {"_meta": {f"{META}subscriptionId": listen}})
        self.result(request_id, text("announced"))


def text(said: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": said}], "isError": False}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--era", choices=["legacy", "modern", "dual"], default="legacy")
    for flag in ("silent", "dies-on-discover", "hangs-on-initialize", "mute", "outlives-stdin"):
        parser.add_argument(f"--{flag}", action="store_true")
    Server(parser.parse_args()).run()


if __name__ == "__main__":
    main()
