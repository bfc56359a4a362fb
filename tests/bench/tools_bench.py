"""/mcp for measuring, beside the adapter route in the same process: one adapter `stub`, the bench's stubs, all its tools.

    python -m tests.bench.tools_bench [--port 8700] [--tools N] [--policy]

With --policy one of three rules is in force, none of which holds. With --tools that many more tools of 50 adapters that are
not there are registered, to see what a long list costs.
"""

import argparse
import asyncio
import signal

from gateway.auth.dev import DevAuthenticator
from gateway.bridge.sealing import Seals
from gateway.core.affinity import Sealer, new_key
from gateway.core.routes import Routes
from gateway.core.tools import DesiredPolicy, DesiredTool, Registered
from gateway.dataplane.pipeline import Pipeline
from gateway.server import listen, run, serve
from gateway.toolrouter.router import Router
from gateway.wire.hosts import Hosts
from gateway.wire.policies import Effect, PolicySpec, Rule
from gateway.wire.tools import ALL, ToolDefinition, ToolSpec
from tests.bench.lane_bench import STUB, nothing, table
from tests.support.accounts import CountingAccounts
from tests.support.desired import THEN


def registered(count: int, *, has_policy: bool = False) -> Registered:
    tools = (_desired(ToolSpec(name=STUB, adapter=STUB, tool_name=ALL)), *map(_server, range(count)))
    return Registered(tools, policies=(_policy(),) if has_policy else ())


def _policy() -> DesiredPolicy:
    conditions = ('"support" in principal.roles', 'has(args.page) && args.page == "home"', "has(args.amount)")
    rules = [Rule(name=f"r{number}", when=when, effect=Effect.DENY) for number, when in enumerate(conditions)]
    spec = PolicySpec(name="bench", rules=rules)
    return DesiredPolicy(spec=spec, created_by="dev", created_at=THEN, last_updated_at=THEN)


def _server(number: int) -> DesiredTool:
    name = f"tool-{number}"
    properties = {f"argument_{each}": {"type": "string", "description": "One of several words."} for each in range(6)}
    schema = {"type": "object", "properties": properties, "required": ["argument_0"]}
    definition = {"name": name, "description": "Does what its number says, and nothing else.", "inputSchema": schema}
    return _desired(ToolSpec(name=name, url="http://127.0.0.1:9/", tool_definition=ToolDefinition(tool=definition)))


def _desired(spec: ToolSpec) -> DesiredTool:
    return DesiredTool(spec=spec, created_by="dev", created_at=THEN, last_updated_at=THEN)


async def main(port: int, count: int, *, has_policy: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    keys = [new_key()]
    routes, sealer = Routes(table()), Sealer(keys)
    router = Router(routes, sealer)
    accounts, hosts = CountingAccounts(), Hosts(is_loopback=True)
    pipeline = Pipeline(routes, DevAuthenticator(), accounts, sealer, seals=Seals(keys), hosts=hosts, tools=router)
    async with pipeline, router.serving(pipeline):
        router.publish(registered(count, has_policy=has_policy))
        await router.settled()
        await serve(listen("127.0.0.1", port), pipeline, nothing, stop=stop, on_stopping=router.stop)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--tools", type=int, default=0)
    parser.add_argument("--policy", action="store_true")
    given = parser.parse_args()
    run(main(given.port, given.tools, has_policy=given.policy))
