"""A dual-era stdio server as people write them with the MCP SDK: echo, progress, elicitation."""

from typing import Annotated

from mcp.server.mcpserver import Context, MCPServer
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


@server.tool()
async def greet(context: Context) -> str:
    """Asks for a name first."""
    answer = await context.elicit("What is your name?", Name)
    return f"hello {answer.data.name}" if answer.action == "accept" else "hello stranger"


if __name__ == "__main__":
    server.run("stdio")
