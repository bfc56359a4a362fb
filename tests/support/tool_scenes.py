"""A team's tools at /mcp: some fine, one held back, one that changed, one that nobody calls; a server that asks."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

from gateway.wire.policies import PendingApproval
from gateway.wire.toollock import digest
from gateway.wire.tools import ALL, OfferedTool, Toolset, ToolSpec, ToolView
from tests.support import scenes
from tests.support.fake_gateway import NOW, Scene, stored_tool
from tests.support.fake_mcp import FakeMcp

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

BOOK = {
    "name": "book_room",
    "title": "Book a room",
    "description": "Books a meeting room. Asks who pays where the room costs something.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "room": {"type": "string", "description": "As the plan of the house has it"},
            "floor": {"enum": ["ground", "first", "roof"], "default": "first"},
            "people": {"type": "integer", "minimum": 1, "maximum": 40, "description": "How many chairs"},
            "catering": {"type": "boolean", "default": False},
            "until": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
            "equipment": {"type": "object", "description": "What else it needs"},
        },
        "required": ["room", "people"],
    },
}
INDEX = {
    "name": "reindex",
    "description": "Reads every document again.",
    "inputSchema": {"type": "object", "properties": {"collection": {"type": "string"}}},
}
PICTURE = {"name": "floor_plan", "description": "A picture of a floor.", "inputSchema": {"type": "object"}}
ASKED = {
    "mode": "form",
    "message": "The roof costs 120 EUR an hour. Who pays?",
    "requestedSchema": {
        "type": "object",
        "properties": {
            "cost_centre": {"type": "string", "title": "Cost centre", "description": "Four digits"},
            "kind": {
                "title": "Kind",
                "oneOf": [{"const": "int", "title": "Internal"}, {"const": "cust", "title": "Customer"}],
            },
            "agreed": {"type": "boolean", "title": "Agreed with them"},
        },
        "required": ["cost_centre", "agreed"],
    },
}


def _result(message: Mapping[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


async def booked(message: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Asks who pays, in the way of the modern era, then books."""
    said = message["params"].get("inputResponses")
    arguments = message["params"].get("arguments", {})
    if arguments.get("floor") == "roof" and said is None:
        asked = {"who": {"method": "elicitation/create", "params": ASKED}}
        yield _result(message, {"resultType": "input_required", "inputRequests": asked, "requestState": "sealed"})
        return
    room = {"room": arguments.get("room"), "people": arguments.get("people"), "note": None, "said": said}
    text = f"{arguments.get('room')} is yours."
    yield _result(message, {"content": [{"type": "text", "text": text}], "structuredContent": room})


class Indexing:
    """A tool that takes its time: five steps, of which a test lets it go on to the next."""

    def __init__(self, *, told: int = 2) -> None:
        self.goes_on = asyncio.Event()
        self.told = told

    async def __call__(self, message: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        token = message["params"]["_meta"]["progressToken"]
        for step in range(1, self.told + 1):
            params = {"progressToken": token, "progress": step, "total": 5, "message": f"shelf {step}"}
            yield {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}
        logged = {"level": "warning", "data": "3 documents have no title"}
        yield {"jsonrpc": "2.0", "method": "notifications/message", "params": logged}
        await self.goes_on.wait()
        yield _result(message, {"content": [{"type": "text", "text": "all read"}]})


def answer(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    if name == "floor_plan":
        link = {"type": "resource_link", "uri": "file:///plans/first.pdf", "name": "first.pdf"}
        return {"content": [{"type": "image", "mimeType": "image/png", "data": PIXEL}, link]}
    if name == "refund":
        return {"content": [{"type": "text", "text": "no such order"}], "isError": True}
    return {"content": [{"type": "text", "text": f"{name} {dict(arguments)}"}]}


def server() -> FakeMcp:
    """What answers at /mcp."""
    plain = {"type": "object", "properties": {"query": {"type": "string"}}}
    tools = [BOOK, INDEX, PICTURE]
    tools += [{"name": name, "description": told, "inputSchema": plain} for name, told in _OTHERS.items()]
    prompts = [{"name": "summary", "description": "A day in three lines",
                "arguments": [{"name": "day", "required": True}]}]  # fmt: skip
    resources = [{"uri": "plan://house", "name": "Plan of the house", "mimeType": "text/plain"}]
    templates = [{"uriTemplate": "room://{floor}/{name}", "name": "One room"}]
    return FakeMcp(
        name="mcpdeck",
        tools=tools,
        answer=answer,
        flows={"book_room": booked},
        capabilities={"tools": {}, "prompts": {}, "resources": {}},
        results={
            "prompts/list": {"prompts": prompts},
            "prompts/get": {"messages": [{"role": "user", "content": {"type": "text", "text": "Tell me of today."}}]},
            "resources/list": {"resources": resources},
            "resources/templates/list": {"resourceTemplates": templates},
            "resources/read": {"contents": [{"uri": "room://roof/a b", "text": "It has a view."}]},
        },
    )


_OTHERS = {
    "create_issue": "Opens an issue.",
    "get_forecast": "The weather of the next days.",
    "query": "Read-only SQL.",
    "refund": "Pays back.",
    "search_code": "Looks through every repository.",
    "search_docs": "Looks through the documents.",
}


def offer(name: str, source: str, tokens: int, *, calls: int = 0, errors: int = 0, **more: Any) -> OfferedTool:
    called = NOW - timedelta(minutes=calls % 50 + 1) if calls else None
    fields: dict[str, Any] = {
        "tool": source,
        "original": name,
        "bytes": tokens * 4,
        "digest": digest({"name": name}),
    } | more
    return OfferedTool(
        name=name, source=source, tokens=tokens, calls=calls, errors=errors, last_called_at=called, **fields
    )


def tooling() -> Scene:
    """Fifteen tools of six registrations."""
    scene = scenes.team()
    reads, writes = {"readOnlyHint": True}, {"destructiveHint": True}
    scene.offers = [
        offer("book_room", "browser", 214, calls=34, annotations=writes),
        offer("floor_plan", "browser", 61, calls=12, annotations=reads | {"idempotentHint": True}),
        offer("create_issue", "github", 642, calls=118, errors=3, annotations={"openWorldHint": True}),
        offer("search_code", "github", 388, calls=1204, errors=7, annotations=reads | {"openWorldHint": True}),
        offer("github_search", "github", 402, calls=88, original="search", naming="prefixed", annotations=reads),
        offer("linear_search", "linear", 377, original="search", naming="prefixed", annotations=reads),
        offer("get_forecast", "weather", 173, calls=2210, errors=1, annotations=reads),
        offer("get_alerts", "weather", 96, annotations=reads),
        offer("query", "postgres-read", 244, calls=402, errors=19, annotations=reads,
              drift="its description is not what was locked"),
        offer("search_docs", "search", 301, calls=77, annotations=reads),
        offer("reindex", "search", 118, calls=2, annotations=writes | {"idempotentHint": True}),
        offer("export_all", "search", 0, quarantine="inputSchema: 'type' must be 'object', and is 'array'"),
        offer("refund", "score", 152, calls=6, errors=2, annotations=writes),
    ]  # fmt: skip
    for name in ("browser", "github", "linear", "weather", "search"):
        hidden = {"browser_evaluate": ToolView(hidden=True)} if name == "browser" else {}
        scene.tools[name] = stored_tool(ToolSpec(name=name, adapter=name, tool_name=ALL, views=hidden), owner="ada")
    locked = ToolSpec(
        name="postgres-read", adapter="postgres-read", tool_name=ALL, locked={"query": digest({"name": "q"})}
    )
    scene.tools["postgres-read"] = stored_tool(locked, owner="kim")
    definition = {"tool": {"name": "score", "inputSchema": {"type": "object"}}, "port": 8000, "path": "/score"}
    scene.tools["score"] = stored_tool(
        ToolSpec(name="score", image_name="ghcr.io/acme/score", tool_definition=_definition(definition)), owner="bea"
    )
    scene.toolsets = [
        Toolset(name="triage", tools=["search*", "*_search", "create_issue"], token_budget=1000, id="triage",
                created_by="ada", created_at=NOW, last_updated_at=NOW, etag='"1"'),
    ]  # fmt: skip
    scene.servers["/mcp"] = server()
    return scene


def _definition(value: dict[str, Any]) -> Any:
    import msgspec

    from gateway.wire.tools import ToolDefinition

    return msgspec.convert(value, ToolDefinition)


def held(number: int = 1) -> PendingApproval:
    return PendingApproval(
        id=f"a{number}",
        policy="careful",
        rule="big-refunds",
        reason="more than 100",
        tool="refund",
        principal="bea@example.com",
        principal_name="Bea",
        arguments={"order": 4711, "amount": 250.0},
        digest="sha256:0af1",
        created_at=NOW - timedelta(seconds=20),
        expires_at=NOW + timedelta(seconds=280),
    )
