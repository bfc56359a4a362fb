"""`mcpdeck tools import openapi`: an HTTP API's operations as tools. What they become is `model.openapi`'s to say."""

import argparse
from typing import TYPE_CHECKING, Any, Final

from gateway.wire.tools import ToolSpec, problems_of
from mcpdeck import control
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.documents import kind_of, text_of
from mcpdeck.cli.exits import OK, UNREACHABLE, USAGE, Failure
from mcpdeck.cli.specs import secret_of
from mcpdeck.cli.words import pair
from mcpdeck.errors import ProblemError, plainly

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words
    from mcpdeck.model.openapi import Imported

_PATIENCE: Final = 20.0  # seconds for a document


def add_parser(verbs: "argparse._SubParsersAction[Words]") -> None:
    line = "Make tools of what others describe."
    kinds = verbs.add_parser("import", help=line, description=line).nested()
    line = "Make a tool of each operation of an HTTP API, from its OpenAPI document (3.0 or 3.1)."
    openapi = kinds.add_parser("openapi", help=line, description=line)
    openapi.add_argument("document", metavar="FILE|URL", help="YAML or JSON; - is stdin")
    openapi.add_argument("--server", default="", metavar="URL", help="where the API is; as the document says")
    openapi.add_argument("--prefix", default="", metavar="TEXT", help="before every tool's name")
    openapi.add_argument("--only", action="append", default=[], metavar="NAME", help="of these tools alone; repeat")
    openapi.add_argument("--header", action="append", type=pair, default=[], metavar="NAME=SECRET/KEY",
                         help="sent with every call, from a secret where the gateway runs; repeat")  # fmt: skip
    openapi.add_argument("--role", action="append", default=[], help="who else may use them; repeat")
    openapi.add_argument(
        "--dry-run", choices=("client",), metavar="client", help="say what would be made, send nothing"
    )
    openapi.set_defaults(run=_openapi)


def _openapi(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.changes import each

    found = _found(words)
    for left in found.left:
        desk.printer.tell(f"left out: {left.operation}: {left.reason}")
    tools = [tool for tool in found.tools if not words.only or tool.name in words.only]
    for tool in tools:
        if errors := problems_of(tool):
            raise Failure(USAGE, f"{tool.name}: " + "; ".join(f"{field} {told[0]}" for field, told in errors.items()))
    if words.dry_run:
        for tool in tools:
            print(f"{tool.name}\t{tool.description}")
        return OK
    desk.target.must_be_writable()

    def put(tool: ToolSpec) -> None:
        try:
            desk.target.do(control.register(tool))
        except ProblemError as error:
            if error.problem.status != 409:
                raise
            desk.target.do(control.replace_tool(tool.name, tool, None))
        desk.printer.tell(f"{tool.name} is registered: {tool.description}")

    return each(desk, tools, put, lambda tool: tool.name)


def _found(words: argparse.Namespace) -> "Imported":
    from mcpdeck.model.openapi import NotOpenApi, tools_of

    is_url = words.document.startswith(("http://", "https://"))
    document = _parsed(_fetched(words.document) if is_url else text_of(words.document), words.document)
    headers = {name: secret_of(value) for name, value in words.header}
    try:
        return tools_of(
            document,
            where=words.document if is_url else "",
            server=words.server,
            prefix=words.prefix,
            headers=headers,
            roles=words.role,
        )
    except NotOpenApi as error:
        raise Failure(USAGE, f"{words.document}: {error}") from error


def _fetched(url: str) -> str:
    import httpx

    try:
        answer = httpx.get(url, timeout=_PATIENCE, follow_redirects=True)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise Failure(UNREACHABLE, f"{url} can not be read: {plainly(error)}") from error
    return answer.text


def _parsed(text: str, name: str) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Failure(USAGE, f"{name} is neither YAML nor JSON: {getattr(error, 'problem', None) or error}") from error
    if not isinstance(document, dict):
        raise Failure(USAGE, f"{name}: an OpenAPI document is a map with `openapi:`, and this is {kind_of(document)}")
    return document
