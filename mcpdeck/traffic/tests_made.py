"""A recording as a pytest file that makes the same calls again and expects the same of them. Pure: text out.

What it holds of a recording is data: nothing that a server said becomes code.
"""

import json
import pprint
import textwrap
from collections.abc import Iterable
from typing import Any

from gateway.wire.names import parse_adapter_name
from mcpdeck.traffic.replaying import Step

_HEAD = '''\
"""Made by `mcpdeck traffic export`: {count} recorded calls of adapter {adapter}, made again.

    MCPDECK_REPLAY_URL={url}/adapters/{adapter}/mcp pytest {file}
"""

import asyncio
import os

import pytest

from mcpdeck.mcp.exchange import McpError
from mcpdeck.mcp.peer import call, connected, tools

URL = os.environ.get("MCPDECK_REPLAY_URL", {default})
IGNORED = {{"_meta", "resultType", "ttlMs", "cacheScope", "requestState"}}  # add what may differ from call to call


async def ask(method, params):
    async with connected(URL) as peer:
        try:
            if method != "tools/call":
                return await peer.request(method, params)
            known = {{tool["name"]: tool for tool in await tools(peer)}}
            tool = known.get(params["name"], {{"name": params["name"]}})
            return await call(peer, tool, params.get("arguments") or {{}})
        except McpError as error:
            return {{"error": str(error)}}


def comparable(value):
    if isinstance(value, dict):
        return {{name: comparable(inner) for name, inner in value.items() if name not in IGNORED}}
    return [comparable(inner) for inner in value] if isinstance(value, list) else value


CALLS = [
'''
_TAIL = """\
]


@pytest.mark.parametrize(("method", "params", "expected"), CALLS)
def test_recorded_call(method, params, expected):
    assert comparable(asyncio.run(ask(method, params))) == comparable(expected)
"""


def pytest_file(steps: Iterable[Step], *, adapter: str, url: str, file: str) -> str:
    """url: of the gateway. Raises ValueError for an adapter of no possible name, which a forged recording may hold."""
    parse_adapter_name(adapter)
    calls = list(steps)
    default = json.dumps(f"{url}/adapters/{adapter}/mcp")
    head = _HEAD.format(count=len(calls), adapter=adapter, url=url, file=file, default=default)
    return head + "".join(_case(step) for step in calls) + _TAIL


def _case(step: Step) -> str:
    expected: dict[str, Any] = {"error": step.error} if step.error else step.recorded
    name = "".join(each if each.isalnum() or each in " /_-." else "-" for each in step.name)
    written = pprint.pformat((step.method, step.params, expected), width=100, sort_dicts=False)
    return textwrap.indent(f"pytest.param(\n    *{_hung(written)},\n    id={name!r},\n),\n", "    ")


def _hung(text: str) -> str:
    return textwrap.indent(text, "    ").lstrip()
