"""A recorded call as a command that makes it again: `mcpdeck call …`, or curl. Pure; carries no credential."""

import shlex

import msgspec

from gateway.wire.mcp import Era
from gateway.wire.traffic import TrafficMessage


def mcpdeck_command(message: TrafficMessage, *, context: str) -> str:
    """Of a tool's call. "" for what the command line has no verb for, or what is not there whole."""
    params = message.payload.get("params") if isinstance(message.payload, dict) else None
    if message.method != "tools/call" or not isinstance(params, dict):
        return ""
    words = ["mcpdeck", "--context", context, "call", message.adapter, str(params.get("name", ""))]
    if arguments := params.get("arguments"):
        words += ["--args-json", msgspec.json.encode(arguments).decode()]
    return shlex.join(words)


def curl_command(message: TrafficMessage, *, url: str) -> str:
    """One POST. url: of the gateway. A session id, where the era has one, is the reader's to fill in, and the token."""
    headers = ["Accept: application/json, text/event-stream", "Content-Type: application/json"]
    if version := message.headers.get("mcp-protocol-version"):
        headers.append(f"MCP-Protocol-Version: {version}")
    if message.era == Era.MODERN:
        mirrored = ("mcp-method", "mcp-name")
        headers += [f"{name.title()}: {message.headers[name]}" for name in mirrored if name in message.headers]
    body = message.excerpt or msgspec.json.encode(message.payload).decode()
    words = ["curl", "-sS", f"{url}/adapters/{message.adapter}/mcp"]
    for header in headers:
        words += ["-H", header]
    parts = [shlex.join(words), '-H "Authorization: Bearer $MCPDECK_TOKEN"']
    if message.era == Era.LEGACY:
        parts.append('-H "Mcp-Session-Id: $SESSION"')
    return " ".join([*parts, "--data-raw", shlex.quote(body)])
