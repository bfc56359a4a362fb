"""JSON-RPC over stdin and stdout, a message a line, for the samples. Answers one request after the other."""

import json
import sys
from collections.abc import Callable
from typing import Any

type Handler = Callable[[str, dict[str, Any]], dict[str, Any]]


class RpcError(Exception):
    """Becomes the error of a JSON-RPC answer."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error: dict[str, Any] = {"code": code, "message": message} | ({} if data is None else {"data": data})


def send(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def log(level: str, text: str) -> None:
    sys.stderr.write(f"{level:<5} {text}\n")
    sys.stderr.flush()


def serve(handle: Handler) -> None:
    """Until stdin ends. Notifications go to the handler too; what it says to them is dropped."""
    for line in sys.stdin:
        try:
            message = json.loads(line)
        except ValueError:
            send(error={"code": -32700, "message": "that is no JSON"})
            continue
        answer = answered(message, handle)
        if "id" in message:
            send(id=message["id"], **answer)


def answered(message: dict[str, Any], handle: Handler) -> dict[str, Any]:
    """`result` or `error`, as a member."""
    try:
        return {"result": handle(message.get("method", ""), message.get("params") or {})}
    except RpcError as error:
        return {"error": error.error}


def text_result(text: str, *, is_error: bool = False, structured: Any = None) -> dict[str, Any]:
    """A tool's result."""
    result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": is_error}
    return result if structured is None else result | {"structuredContent": structured}


def tool(
    name: str, description: str, required: tuple[str, ...] = (), *, writes: bool = False, **properties: Any
) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    said = {"readOnlyHint": False, "destructiveHint": False} if writes else {"readOnlyHint": True}
    return {"name": name, "description": description, "inputSchema": schema, "annotations": said}
