"""The data plane with callers known by real tokens, for measuring beside nginx: a real issuer, verified once, over TLS.

    python -m tests.bench.identity_bench [--port 8700] [--bearer FILE] [--audit FILE]

Everything that identity costs a call in a real gateway is on: the token's look-up, roles, the session's principal,
identity headers with a signed assertion, live sessions, and the audit log (in memory; with --audit in a file). Without
--bearer callers are known by dev authentication; with it a token is written to FILE, for the load generator.
"""

import argparse
import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from gateway.auth.configured import DEV, OIDC, Opened, identity, opened_dev
from gateway.bridge.sealing import Seals
from gateway.core.access import Ownership
from gateway.core.affinity import Sealer, new_key
from gateway.core.routes import Routes, RoutingTable
from gateway.dataplane.pipeline import Pipeline
from gateway.server import listen, run, serve
from gateway.services.audit import open_audit
from gateway.services.events import Hub
from gateway.services.sessions import Sessions
from gateway.services.witness import Witness
from gateway.wire.hosts import Hosts
from mcpdeck.devissuer.serve import AUDIENCE, temporary_issuer
from mcpdeck.devissuer.tokens import User
from tests.bench.lane_bench import STUB, nothing, table
from tests.support.gateway_fakes import FakeBackend

ROLE = "operators"


async def opened(stack: AsyncExitStack, port: int, bearer: Path | None, keys: list[bytes]) -> Opened:
    if bearer is None:
        return opened_dev({}, [ROLE], allow_private=True)
    issuer, files = await stack.enter_async_context(temporary_issuer())
    bearer.write_text(issuer.minter.access_token(User("ada", (ROLE, "another", "a-third")), "bench", ("mcp",)))  # noqa: ASYNC240 - a bench
    configured = identity({
        "MCPDECK_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "MCPDECK_OIDC_ISSUERS": issuer.minter.issuer,
        "MCPDECK_OIDC_AUDIENCES": AUDIENCE,
        "MCPDECK_OIDC_CA_FILE": str(files.authority),
    })  # fmt: skip
    assert configured is not None
    return configured.open(keys)


async def main(port: int, bearer: Path | None, audit_file: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    keys = [new_key()]
    for_operators = msgspec.structs.replace(table().routes[STUB], ownership=Ownership("root", frozenset({ROLE})))
    routes = Routes(RoutingTable({STUB: for_operators}))
    async with AsyncExitStack() as stack:
        identified = await opened(stack, port, bearer, keys)
        assert identified.name == (OIDC if bearer else DEV)
        audit = await stack.enter_async_context(open_audit(audit_file))
        sessions = Sessions(routes, FakeBackend(), hub=Hub(), audit=audit, tokens=identified.tokens)
        pipeline = Pipeline(
            routes,
            identified.authenticator,
            sessions,
            Sealer(keys),
            seals=Seals(keys),
            hosts=Hosts(is_loopback=True),
            assertions=identified.assertions,
            tokens=identified.tokens,
            witness=Witness(audit),
            challenge=identified.challenge,
        )
        async with pipeline:
            await serve(listen("127.0.0.1", port), pipeline, nothing, stop=stop)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--bearer", type=Path, help="write a token here, and let in nobody without one")
    parser.add_argument("--audit", default="", metavar="FILE")
    given = parser.parse_args()
    run(main(given.port, given.bearer, given.audit))
