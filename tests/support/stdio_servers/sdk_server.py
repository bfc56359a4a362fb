"""A dual-era stdio server as people write them with the MCP SDK: echo, progress, elicitation."""

from typing import Annotated

from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve
from pydantic import BaseModel

server = MCPServer("sdk-server", version="1")


class Name(BaseModel):
    name: str


@server.tool()
def echo(text: str) -> str:
    """Says it again."""
    return text


@server.tool()
async def count(to: Annotated[int, "how far"], context: Context) -> str:
    """Reports progress on its way."""
    for step in range(to):
        await context.report_progress(step, to)
    return f"counted to {to}"


def ask_name() -> Elicit[Name]:
    """In the handshake era a request to the client, in 2026-07-28 an input_required result."""
    return Elicit("What is your name?", Name)


@server.tool()
def greet(who: Annotated[Name, Resolve(ask_name)]) -> str:
    """Asks for a name first."""
    return f"hello {who.name}"


if __name__ == "__main__":
    server.run("stdio")
