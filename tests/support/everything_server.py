"""A server with the tools, prompts and resources that the MCP conformance suite calls by name, over HTTP or stdio.

Made on the SDK's lowlevel `Server`, so it speaks both eras. What each fixture must answer is the suite's to say; the
names below are its words. `python -m tests.support.everything_server --port 0` prints its URL; `--stdio` serves that.
"""

import argparse
import asyncio
import base64
import json
import os
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.models import InitializationOptions
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.sse import SseServerTransport
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

NAME = "mcpdeck-everything"
MODERN = MODERN_PROTOCOL_VERSIONS[0]

type Context = ServerRequestContext[Any, Any]
type Call = types.CallToolRequestParams
type ToolAnswer = types.CallToolResult | types.InputRequiredResult
type ToolHandler = Callable[[Context, Call], Awaitable[ToolAnswer]]
type PromptAnswer = types.GetPromptResult | types.InputRequiredResult

TOOLS: dict[str, tuple[types.Tool, ToolHandler]] = {}
BUS = InMemorySubscriptionBus()


# --- What is served ---------------------------------------------------------------------------------------------------


def png() -> str:
    """One red pixel, in base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


def wav() -> str:
    """Four silent samples, in base64."""
    samples = b"\0\0" * 4
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(samples),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        8000,
        16000,
        2,
        16,
        b"data",
        len(samples),
    )
    return base64.b64encode(head + samples).decode()


def text(words: str) -> types.TextContent:
    return types.TextContent(text=words)


def image() -> types.ImageContent:
    return types.ImageContent(data=png(), mime_type="image/png")


def embedded(uri: str, mime_type: str, words: str) -> types.EmbeddedResource:
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=mime_type, text=words))


def answer(*content: types.ContentBlock, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=list(content), is_error=is_error)


def schema(*required: str, **properties: Any) -> dict[str, Any]:
    """An object's schema: `name="string"`, or a whole schema per property; all are required where none is named."""
    members = {name: {"type": kind} if isinstance(kind, str) else kind for name, kind in properties.items()}
    return {"type": "object", "properties": members, "required": list(required or members)}


def tool(
    name: str, description: str, input_schema: dict[str, Any] | None = None
) -> Callable[[ToolHandler], ToolHandler]:
    """Registers a tool's handler."""

    def register(handler: ToolHandler) -> ToolHandler:
        listed = types.Tool(name=name, description=description, input_schema=input_schema or {"type": "object"})
        TOOLS[name] = (listed, handler)
        return handler

    return register


def fixed(name: str, description: str, result: types.CallToolResult) -> None:
    """A tool that always answers the same."""

    async def handler(context: Context, call: Call) -> ToolAnswer:
        return result

    tool(name, description)(handler)


# --- Tools with fixed answers -----------------------------------------------------------------------------------------

fixed("test_simple_text", "Text", answer(text("This is a simple text response for testing.")))
fixed("test_image_content", "A picture", answer(image()))
fixed("test_audio_content", "Sound", answer(types.AudioContent(data=wav(), mime_type="audio/wav")))
fixed(
    "test_embedded_resource",
    "A resource within the answer",
    answer(embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")),
)
fixed(
    "test_multiple_content_types",
    "Text, a picture and a resource",
    answer(
        text("Multiple content types test:"),
        image(),
        embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ),
)
fixed(
    "test_error_handling",
    "Fails always",
    answer(text("This tool intentionally returns an error for testing"), is_error=True),
)


@tool("process_id", "The server's process, for tests of affinity")
async def process_id(context: Context, call: Call) -> ToolAnswer:
    return answer(text(str(os.getpid())))


@tool(
    "json_schema_2020_12_tool",
    "Has a schema with the vocabulary of JSON Schema 2020-12",
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    },
)
@tool(
    "test_parameter_headers",
    "Mirrors arguments in Mcp-Param headers",
    schema(
        "region",
        region={"type": "string", "x-mcp-header": "Region"},
        count={"type": "integer", "x-mcp-header": "Count"},
    ),
)
@tool("echo", "Its arguments as JSON", schema(text="string"))
async def echo(context: Context, call: Call) -> ToolAnswer:
    return answer(text(json.dumps(call.arguments)))


# --- Tools that tell, and tools that change the server ----------------------------------------------------------------


async def log(context: Context, words: str) -> None:
    await context.session.send_log_message("info", words, related_request_id=context.request_id)


@tool("test_tool_with_logging", "Logs three times")
async def with_logging(context: Context, call: Call) -> ToolAnswer:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await log(context, words)
    return answer(text("Logged three times."))


@tool("test_logging_tool", "Logs once, if the caller asked for it")
async def logging_tool(context: Context, call: Call) -> ToolAnswer:
    await log(context, "Only for those who set a log level")
    return answer(text("Logged."))


@tool("test_tool_with_progress", "Reports progress three times")
async def with_progress(context: Context, call: Call) -> ToolAnswer:
    for progress in (0, 50, 100):
        await context.session.report_progress(progress, 100)
    return answer(text("Reported three times."))


@tool("test_trigger_tool_change", "Tells listeners that the tools changed")
async def tool_change(context: Context, call: Call) -> ToolAnswer:
    if is_legacy(context):
        await context.session.send_tool_list_changed()
    await BUS.publish(ToolsListChanged())
    return answer(text("Told."))


@tool("test_trigger_prompt_change", "Tells listeners that the prompts changed")
async def prompt_change(context: Context, call: Call) -> ToolAnswer:
    if is_legacy(context):
        await context.session.send_prompt_list_changed()
    await BUS.publish(PromptsListChanged())
    return answer(text("Told."))


@tool("test_reconnection", "Closes its stream before it answers: the client comes back for the answer")
async def reconnection(context: Context, call: Call) -> ToolAnswer:
    if context.close_sse_stream is not None:
        await context.close_sse_stream()
    return answer(text("Answered after the stream was closed."))


# --- Tools that ask the client: each in the words of the client's own era ---------------------------------------------


class NeedsInputError(Exception):
    """From 2026-07-28 a question is a result, and the call is made again with the answer."""

    def __init__(self, question: types.ElicitRequest | types.CreateMessageRequest) -> None:
        super().__init__("the client is to be asked")
        self.question = question


def is_legacy(context: Context) -> bool:
    return context.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS


async def asked(context: Context, call: Call, question: types.ElicitRequest | types.CreateMessageRequest) -> Any:
    """The client's answer to one question."""
    if is_legacy(context):
        return await send(context, question)
    if not call.input_responses:
        raise NeedsInputError(question)
    return next(iter(call.input_responses.values()))


async def send(context: Context, question: Any) -> Any:
    """As a request of the server's own, up to 2025-11-25."""
    kinds: dict[str, Any] = {
        "elicitation/create": types.ElicitResult,
        "sampling/createMessage": types.CreateMessageResult,
        "roots/list": types.ListRootsResult,
    }
    metadata = ServerMessageMetadata(related_request_id=context.request_id)
    return await context.session.send_request(question, kinds[question.method], metadata=metadata)


async def rounds(context: Context, call: Any, answer_to: Callable[[Context, Any], Awaitable[Any]]) -> Any:
    """What a handler of 2026-07-28 answers in the end; before, a legacy client is asked here, round by round."""
    while True:
        try:
            result = await answer_to(context, call)
        except NeedsInputError as needed:
            return required("asked", answer=needed.question)
        if not (is_legacy(context) and isinstance(result, types.InputRequiredResult)):
            return result
        responses = {key: await send(context, each) for key, each in (result.input_requests or {}).items()}
        call = call.model_copy(update={"input_responses": responses, "request_state": result.request_state})


async def elicit(context: Context, call: Call, message: str, requested: dict[str, Any]) -> Any:
    params = types.ElicitRequestFormParams(message=message, requested_schema=requested)
    return await asked(context, call, types.ElicitRequest(params=params))


def told(result: types.ElicitResult) -> types.CallToolResult:
    return answer(text(f"Elicitation completed: action={result.action}, content={json.dumps(result.content)}"))


@tool("test_sampling", "Asks the client's model", schema(prompt="string"))
async def sampling(context: Context, call: Call) -> ToolAnswer:
    reply = await asked(context, call, sample(str((call.arguments or {})["prompt"]), 100))
    return answer(text(f"LLM response: {sampled(reply)}"))


@tool("test_elicitation", "Asks the user", schema(message="string"))
async def elicitation(context: Context, call: Call) -> ToolAnswer:
    message = str((call.arguments or {})["message"])
    return told(await elicit(context, call, message, schema(username="string", email="string")))


@tool("test_elicitation_sep1034_defaults", "Asks the user, with defaults")
async def elicitation_defaults(context: Context, call: Call) -> ToolAnswer:
    requested = schema(
        name={"type": "string", "default": "John Doe"},
        age={"type": "integer", "default": 30},
        score={"type": "number", "default": 95.5},
        status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        verified={"type": "boolean", "default": True},
    )
    return told(await elicit(context, call, "Check these defaults", requested))


@tool("test_elicitation_sep1330_enums", "Asks the user, with every kind of choice")
async def elicitation_enums(context: Context, call: Call) -> ToolAnswer:
    options = ["option1", "option2", "option3"]
    titled = [
        {"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(("First", "Second", "Third"), 1)
    ]
    requested = schema(
        untitledSingle={"type": "string", "enum": options},
        titledSingle={"type": "string", "oneOf": titled},
        legacyEnum={
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        untitledMulti={"type": "array", "items": {"type": "string", "enum": options}},
        titledMulti={"type": "array", "items": {"anyOf": titled}},
    )
    return told(await elicit(context, call, "Choose", requested))


def ask(message: str, **properties: str) -> types.ElicitRequest:
    return types.ElicitRequest(
        params=types.ElicitRequestFormParams(message=message, requested_schema=schema(**properties))
    )


def sample(prompt: str, max_tokens: int) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=text(prompt))
    return types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(messages=[message], max_tokens=max_tokens)
    )


def sampled(reply: object) -> str:
    content = reply.content if isinstance(reply, types.CreateMessageResult) else None
    return content.text if isinstance(content, types.TextContent) else "no text"


def required(state: str | None = None, **requests: Any) -> types.InputRequiredResult:
    return types.InputRequiredResult(input_requests=requests, request_state=state)


def said(call: Call | types.GetPromptRequestParams, key: str, member: str) -> str | None:
    """What the user said to one elicitation; None where the answer is missing or not one."""
    reply = (call.input_responses or {}).get(key)
    if not isinstance(reply, types.ElicitResult) or reply.action != "accept":
        return None
    value = (reply.content or {}).get(member)
    return None if value is None else str(value)


NAME_QUESTION = ask("What is your name?", name="string")


@tool("test_input_required_result_elicitation", "Asks for a name")
async def input_elicitation(context: Context, call: Call) -> ToolAnswer:
    name = said(call, "user_name", "name")
    return required(user_name=NAME_QUESTION) if name is None else answer(text(f"Hello, {name}!"))


@tool("test_input_required_result_sampling", "Asks the client's model for a capital")
async def input_sampling(context: Context, call: Call) -> ToolAnswer:
    reply = (call.input_responses or {}).get("capital_question")
    if not isinstance(reply, types.CreateMessageResult):
        return required(capital_question=sample("What is the capital of France?", 100))
    return answer(text(sampled(reply)))


@tool("test_input_required_result_list_roots", "Asks for the client's roots")
async def input_roots(context: Context, call: Call) -> ToolAnswer:
    reply = (call.input_responses or {}).get("client_roots")
    if not isinstance(reply, types.ListRootsResult):
        return required(client_roots=types.ListRootsRequest(params=types.RequestParams()))
    return answer(text("Roots: " + ", ".join(str(root.uri) for root in reply.roots)))


@tool("test_input_required_result_request_state", "Asks, and wants its state back")
@tool("test_input_required_result_tampered_state", "Asks, and its state is sealed")
async def input_state(context: Context, call: Call) -> ToolAnswer:
    if call.request_state is None:
        return required("waiting-for-confirmation", confirm=ask("Please confirm", ok="boolean"))
    return answer(text("state-ok" if call.request_state == "waiting-for-confirmation" else "another state"))


@tool("test_input_required_result_multiple_inputs", "Asks for three things at once")
async def input_many(context: Context, call: Call) -> ToolAnswer:
    questions = {
        "user_name": NAME_QUESTION,
        "greeting": sample("Generate a greeting", 50),
        "client_roots": types.ListRootsRequest(params=types.RequestParams()),
    }
    if not questions.keys() <= (call.input_responses or {}).keys():
        return required("three-questions", **questions)
    return answer(text("All three answered."))


@tool("test_input_required_result_multi_round", "Asks twice, one after the other")
async def input_rounds(context: Context, call: Call) -> ToolAnswer:
    match call.request_state:
        case None:
            return required("round-1", step1=ask("Step 1: What is your name?", name="string"))
        case "round-1":
            return required("round-2", step2=ask("Step 2: What is your favorite color?", color="string"))
        case _:
            return answer(text(f"Your color is {said(call, 'step2', 'color')}."))


@tool("test_input_required_result_capabilities", "Asks only for what the client can do")
async def input_capabilities(context: Context, call: Call) -> ToolAnswer:
    can = context.session.client_capabilities or types.ClientCapabilities()
    questions: dict[str, Any] = {}
    if can.elicitation is not None:
        questions["user_name"] = NAME_QUESTION
    if can.sampling is not None:
        questions["greeting"] = sample("Generate a greeting", 50)
    return required(None, **questions) if questions and not call.input_responses else answer(text("Nothing to ask."))


@tool("test_streaming_elicitation", "Reports progress, then asks")
async def streaming_elicitation(context: Context, call: Call) -> ToolAnswer:
    await context.session.report_progress(1, 2)
    return await input_elicitation(context, call)


@tool("test_missing_capability", "Refuses clients that can't sample")
async def missing_capability(context: Context, call: Call) -> ToolAnswer:
    can = context.session.client_capabilities
    if can is None or can.sampling is None:
        raise MCPError(
            types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            "This tool needs the client's sampling",
            {"requiredCapabilities": {"sampling": {}}},
        )
    return answer(text("The client can sample."))


# --- Prompts and resources --------------------------------------------------------------------------------------------

PROMPTS = [
    types.Prompt(name="test_simple_prompt", description="No arguments"),
    types.Prompt(
        name="test_prompt_with_arguments",
        description="Two arguments",
        arguments=[types.PromptArgument(name=name, description=name, required=True) for name in ("arg1", "arg2")],
    ),
    types.Prompt(
        name="test_prompt_with_embedded_resource",
        description="A resource",
        arguments=[types.PromptArgument(name="resourceUri", description="What to embed", required=True)],
    ),
    types.Prompt(name="test_prompt_with_image", description="A picture"),
    types.Prompt(name="test_input_required_result_prompt", description="Asks first"),
]

RESOURCES: dict[str, types.TextResourceContents | types.BlobResourceContents] = {
    "test://static-text": types.TextResourceContents(
        uri="test://static-text",
        mime_type="text/plain",
        text="This is the content of the static text resource.",
    ),
    "test://static-binary": types.BlobResourceContents(uri="test://static-binary", mime_type="image/png", blob=png()),
    "test://watched-resource": types.TextResourceContents(
        uri="test://watched-resource", mime_type="text/plain", text="Watch me."
    ),
}
TEMPLATE = ("test://template/", "/data")


def prompt(*content: types.ContentBlock) -> types.GetPromptResult:
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=each) for each in content])


async def get_prompt(context: Context, params: types.GetPromptRequestParams) -> Any:
    return await rounds(context, params, prompt_of)


async def prompt_of(context: Context, params: types.GetPromptRequestParams) -> PromptAnswer:
    arguments = params.arguments or {}
    match params.name:
        case "test_simple_prompt":
            return prompt(text("This is a simple prompt for testing."))
        case "test_prompt_with_arguments":
            words = f"Prompt with arguments: arg1='{arguments.get('arg1')}', arg2='{arguments.get('arg2')}'"
            return prompt(text(words))
        case "test_prompt_with_embedded_resource":
            resource = embedded(arguments["resourceUri"], "text/plain", "Embedded resource content for testing.")
            return prompt(resource, text("Please process the embedded resource above."))
        case "test_prompt_with_image":
            return prompt(image(), text("Please analyze the image above."))
        case "test_input_required_result_prompt":
            context_said = said(params, "user_context", "context")
            if context_said is None:
                return required(user_context=ask("What context should the prompt use?", context="string"))
            return prompt(text(f"Context: {context_said}"))
        case unknown:
            raise MCPError(types.INVALID_PARAMS, f"There is no prompt {unknown!r}")


async def read_resource(context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = str(params.uri)
    contents = RESOURCES.get(uri) or from_template(uri)
    if contents is None:
        raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})
    return types.ReadResourceResult(contents=[contents])


def from_template(uri: str) -> types.TextResourceContents | None:
    before, after = TEMPLATE
    if not (uri.startswith(before) and uri.endswith(after)):
        return None
    name = uri.removeprefix(before).removesuffix(after)
    said_of_it = {"id": name, "templateTest": True, "data": f"Data for ID: {name}"}
    return types.TextResourceContents(uri=uri, mime_type="application/json", text=json.dumps(said_of_it))


# --- The server -------------------------------------------------------------------------------------------------------


async def call_tool(context: Context, call: Call) -> Any:
    if call.name not in TOOLS:
        raise MCPError(types.INVALID_PARAMS, f"There is no tool {call.name!r}")
    return await rounds(context, call, TOOLS[call.name][1])


async def list_tools(context: Context, params: object) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[listed for listed, _ in TOOLS.values()])


async def list_prompts(context: Context, params: object) -> types.ListPromptsResult:
    return types.ListPromptsResult(prompts=PROMPTS)


async def list_resources(context: Context, params: object) -> types.ListResourcesResult:
    listed = [
        types.Resource(
            uri=uri, name=uri.removeprefix("test://"), description=f"The resource {uri}", mime_type=each.mime_type
        )
        for uri, each in RESOURCES.items()
    ]
    return types.ListResourcesResult(resources=listed)


async def list_templates(context: Context, params: object) -> types.ListResourceTemplatesResult:
    template = types.ResourceTemplate(
        uri_template="{id}".join(TEMPLATE), name="template", description="Data by id", mime_type="application/json"
    )
    return types.ListResourceTemplatesResult(resource_templates=[template])


async def complete(context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    values = [each for each in ("paris", "park", "party") if each.startswith(params.argument.value)]
    return types.CompleteResult(completion=types.Completion(values=values, total=len(values), has_more=False))


async def accept(context: Context, params: object) -> types.EmptyResult:
    return types.EmptyResult()


class Everything(Server[Any]):
    """Tells legacy clients too that it announces changes."""

    def create_initialization_options(self, *_: Any, **more: Any) -> InitializationOptions:
        changes = NotificationOptions(prompts_changed=True, tools_changed=True)
        return super().create_initialization_options(changes, **more)


def build() -> Server[Any]:
    server = Everything(
        NAME,
        version="1",
        cache_hints={
            "tools/list": CacheHint(60_000, "public"),
            "prompts/list": CacheHint(60_000, "public"),
            "resources/list": CacheHint(60_000, "public"),
            "resources/templates/list": CacheHint(60_000, "public"),
            "resources/read": CacheHint(1_000, "private"),
        },
        get_tool_input_schema=lambda name: TOOLS[name][0].input_schema if name in TOOLS else None,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        on_subscribe_resource=accept,
        on_unsubscribe_resource=accept,
        on_subscriptions_listen=ListenHandler(BUS),
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_completion=complete,
        on_set_logging_level=accept,
    )
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=NAME))
    return server


class Events(EventStore):
    """What streams carried, so that a client which lost one gets the rest. An event's id is `STREAM/NUMBER`."""

    def __init__(self) -> None:
        self._streams: dict[StreamId, list[types.JSONRPCMessage | None]] = {}

    async def store_event(self, stream_id: StreamId, message: types.JSONRPCMessage | None) -> EventId:
        events = self._streams.setdefault(stream_id, [])
        events.append(message)
        return f"{stream_id}/{len(events)}"

    async def replay_events_after(self, last_event_id: EventId, send_callback: EventCallback) -> StreamId | None:
        stream_id, _, number = last_event_id.rpartition("/")
        if stream_id not in self._streams:
            return None
        for position, message in enumerate(self._streams[stream_id][int(number) :], int(number) + 1):
            if message is not None:
                await send_callback(EventMessage(message, f"{stream_id}/{position}"))
        return stream_id


def over_sse() -> Any:
    """ASGI: HTTP+SSE, as servers of 2024-11-05 are."""
    server, transport = build(), SseServerTransport("/messages")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "GET" and scope["path"] == "/sse":
            async with transport.connect_sse(scope, receive, send) as (read, write):
                await server.run(read, write, server.create_initialization_options())
        elif scope["method"] == "POST" and scope["path"] == "/messages":
            await transport.handle_post_message(scope, receive, send)
        else:
            await refuse(send, 405, types.INVALID_REQUEST, "Method Not Allowed")

    return app


@contextmanager
def listening(port: int, path: str) -> Iterator[socket.socket]:
    """A socket that clients may connect to at once; its URL is printed for whoever started this."""
    with socket.create_server(("127.0.0.1", port), backlog=1024) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}{path}", flush=True)
        yield listener


class OneEra:
    """ASGI: what a server answers that never heard of the other era, as the SDK's own did and will."""

    def __init__(self, app: Any, era: str) -> None:
        self.app, self.era = app, era

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        version = dict(scope["headers"]).get(b"mcp-protocol-version", b"").decode()
        is_modern = bool(version) and version not in HANDSHAKE_PROTOCOL_VERSIONS
        if self.era == "legacy" and is_modern:
            await refuse(send, 400, types.INVALID_REQUEST, f"Bad Request: Unsupported protocol version: {version}")
        elif self.era == "modern" and scope["method"] != "POST":
            await refuse(send, 405, types.INVALID_REQUEST, "Method Not Allowed")
        elif self.era == "modern" and not is_modern:
            data = {"supported": [MODERN], "requested": version}
            await refuse(send, 400, types.UNSUPPORTED_PROTOCOL_VERSION, f"Only {MODERN} is spoken here", data)
        else:
            await self.app(scope, receive, send)


async def refuse(send: Any, status: int, code: int, message: str, data: Any = None) -> None:
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def serve_http(port: int, era: str) -> None:
    application: Any = over_sse()
    if era != "sse":
        application = build().streamable_http_app(event_store=Events(), retry_interval=100)
    if era in ("legacy", "modern"):
        application = OneEra(application, era)
    config = uvicorn.Config(
        application, http="h11", log_level="warning", timeout_graceful_shutdown=1
    )  # h11 trims header values
    with listening(port, "/sse" if era == "sse" else "/mcp") as listener:
        await uvicorn.Server(config).serve(sockets=[listener])


async def serve_stdio() -> None:
    server = build()
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def main() -> None:
    parser = argparse.ArgumentParser(description="A server for the MCP conformance suite")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", type=int, help="serve streamable HTTP on 127.0.0.1; 0 takes a free port")
    where.add_argument("--stdio", action="store_true")
    parser.add_argument("--era", choices=("both", "legacy", "modern", "sse"), default="both", help="over HTTP only")
    given = parser.parse_args()
    asyncio.run(serve_stdio() if given.stdio else serve_http(given.port, given.era))


if __name__ == "__main__":
    main()
