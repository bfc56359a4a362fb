"""A stdio MCP server of 2026-07-28 alone: no handshake, no session. It rolls dice, and takes its time if asked to."""

import random
import re
import time
from typing import Any

from mcpdeck.samples.lines import RpcError, log, send, serve, text_result, tool

VERSION = "2026-07-28"
PREFIX = "io.modelcontextprotocol/"
SERVER = {"name": "sample-dice", "version": "1.0.0"}
_DICE = re.compile(r"([1-9]\d?)d([1-9]\d{0,2})")
TOOLS = [
    tool("roll", "Roll dice: 2d6 is two of six sides.", ("dice",), dice={"type": "string", "default": "2d6"}),
    tool(
        "roll_slowly",
        "The same, one by one, saying how far it is.",
        ("dice",),
        dice={"type": "string"},
        pause={"type": "number", "description": "seconds between two", "default": 0.3, "maximum": 2},
    ),
]


def handle(method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        raise RpcError(-32022, f"this server speaks MCP {VERSION} alone", _supported(params.get("protocolVersion")))
    meta = params.get("_meta") or {}
    version = meta.get(f"{PREFIX}protocolVersion")
    if version is None or f"{PREFIX}clientCapabilities" not in meta:
        raise RpcError(-32602, f"params._meta needs {PREFIX}protocolVersion and {PREFIX}clientCapabilities")
    if version != VERSION:
        raise RpcError(-32022, f"this server speaks MCP {VERSION} alone", _supported(version))
    return {"resultType": "complete", "_meta": {f"{PREFIX}serverInfo": SERVER}, **_result(method, params, meta)}


def _supported(requested: Any) -> dict[str, Any]:
    return {"supported": [VERSION], "requested": requested}


def _result(method: str, params: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    keep = {"ttlMs": 3_600_000, "cacheScope": "public"}
    match method:
        case "server/discover":
            return {"supportedVersions": [VERSION], "capabilities": {"tools": {}}, **keep}
        case "tools/list":
            return {"tools": TOOLS, **keep}
        case "tools/call":
            return _call(params.get("name", ""), params.get("arguments") or {}, meta)
        case _:
            raise RpcError(-32601, f"no method {method!r}")


def _call(name: str, arguments: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    if name not in {each["name"] for each in TOOLS}:
        raise RpcError(-32602, f"no tool {name!r}")
    dice = str(arguments.get("dice", ""))
    found = _DICE.fullmatch(dice)
    if found is None:
        log("WARN", f"{name}: {dice!r} is no dice")
        return text_result(f"{dice!r} is no dice; 2d6 is two of six sides", is_error=True)
    count, sides = int(found[1]), int(found[2])
    pause = min(2.0, float(arguments.get("pause", 0.3))) if name == "roll_slowly" else 0.0
    rolled = []
    for number in range(1, count + 1):
        time.sleep(pause)
        rolled.append(random.randint(1, sides))  # noqa: S311  (dice, not secrets)
        if pause and "progressToken" in meta:
            progress = {"progressToken": meta["progressToken"], "progress": number, "total": count}
            send(method="notifications/progress", params=progress)
    log("INFO", f"{name} {dice}: {sum(rolled)}")
    return text_result(f"{dice}: {' + '.join(map(str, rolled))} = {sum(rolled)}", structured={"rolled": rolled})


if __name__ == "__main__":
    log("INFO", "sample-dice is up")
    serve(handle)
