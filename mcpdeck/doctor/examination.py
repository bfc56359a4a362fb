"""Asks a gateway, and what lies before it, one question after another. What an answer means is in `verdicts`."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from gateway.wire.mcp import Era
from gateway.wire.resources import Adapter, AdapterStatus, ChangeEvent
from mcpdeck.auth.account import origin_of
from mcpdeck.auth.errors import AuthError, NothingPublished
from mcpdeck.auth.sources import GivenToken, TokenSource
from mcpdeck.client import GatewayClient, Synced, open_http, translated
from mcpdeck.config.contexts import Context
from mcpdeck.doctor import verdicts, way
from mcpdeck.doctor.verdicts import fine, mind, skipped, wrong
from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.model.findings import Finding, Outcome
from mcpdeck.model.plain import one_line

SECONDS: Final = 6.0  # that one check may take
GATES: Final = frozenset(
    {"name", "connection", "tls", "health", "token", "roles"}
)  # without these the rest is pointless
_COMMAND: Final = re.compile(r"\bmcpdeck (?=login|adapters|logs)")  # those that go to a gateway

type Question = Callable[[], Coroutine[None, None, Finding]]


class Examination:
    """One gateway, once. source: where this caller's tokens come from; None where nobody is signed in.

    options: what `mcpdeck` needs to mean this gateway, for commands that mend; empty where it is meant anyway.
    """

    def __init__(
        self,
        context: Context,
        *,
        source: Callable[[], TokenSource | None],
        adapter: str = "",
        options: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._context = context
        self._url = context.url.rstrip("/")
        self._source = source
        self._adapter = adapter
        self._options = f"{options} " if options else ""
        self._clock = clock
        self._auth: httpx.Auth | None = None
        self._adapters: list[Adapter] = []
        self._statuses: dict[str, AdapterStatus] = {}
        self._sign_in, self._may_create = "mcpdeck login", True
        self._refused: set[Era] = set()

    async def findings(self) -> AsyncGenerator[Finding]:
        """In order. What can not be examined since something before it is wrong is skipped, and says so."""
        broken = ""
        for check, ask in self._questions():
            if broken:
                yield skipped(check, f"not before {broken} is right")
                continue
            finding = await _asked(check, ask)
            finding = msgspec.structs.replace(finding, fix=_COMMAND.sub(rf"mcpdeck {self._options}", finding.fix))
            if finding.outcome is Outcome.WRONG and check in GATES:
                broken = finding.title
            yield finding

    def _questions(self) -> list[tuple[str, Question]]:
        parts = urlsplit(self._url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        return [
            ("name", partial(self._name, host, port)),
            ("connection", partial(way.connection, self._context, host, port)),
            ("tls", partial(way.tls, self._context, host, port, now=self._clock())),
            ("health", self._health),
            ("discovery", self._discovery),
            ("token", self._token),
            ("roles", self._roles),
            ("adapters", self._list),
            ("modern", partial(self._handshake, "modern", Era.MODERN)),
            ("legacy", partial(self._handshake, "legacy", Era.LEGACY)),
        ]

    async def _name(self, host: str, port: int) -> Finding:
        if not host:
            return wrong("name", f"{self._context.name} has no URL: it does not run here now", "mcpdeck up")
        return await way.name(host, port)

    # The gateway

    async def _health(self) -> Finding:
        try:
            answer = await self._readyz(self._url)
        except Unreachable as error:
            behind = f"mcpdeck doctor --cluster --kube-context {self._context.name} says whether one is ready there"
            return wrong(
                "health", str(error), behind if self._context.is_forwarded else "is a gateway behind this URL?"
            )
        if not _is_of_a_gateway(answer):
            return await self._somewhere_else(answer)
        if answer.is_success and b'"degraded"' in answer.content:
            return mind("health", f"it serves, and is degraded: {_reasons(answer)}", "see the gateway's log")
        if answer.is_success:
            return fine("health", "it is ready")
        return mind("health", f"it lives, and is not ready: {_reasons(answer)}", "wait, or see the gateway's log")

    async def _readyz(self, url: str) -> httpx.Response:
        """Raises Unreachable."""
        async with open_http(url, ca_file=self._context.ca_file) as http:
            with translated(url):
                return await http.get("/readyz")

    async def _somewhere_else(self, answer: httpx.Response) -> Finding:
        """What answers is no gateway; one that lies at the root of the same host is named."""
        path, root = urlsplit(self._url).path, origin_of(self._url)
        told = f"{path}/readyz gave {answer.status_code}, and no gateway's answer"
        if path and _is_of_a_gateway(await self._readyz(root)):
            return wrong("health", f"{told}; there is one at {root}", way.renamed(self._context, root))
        return wrong("health", told, "is a gateway behind this URL, or a proxy before it? correct the URL")

    async def _discovery(self) -> Finding:
        from mcpdeck.auth.discovery import discover

        try:
            context = self._context
            offer = await asyncio.to_thread(
                discover, self._url, ca_file=context.ca_file, is_forwarded=context.is_forwarded
            )
        except NothingPublished as error:
            return skipped("discovery", one_line(str(error)))
        except AuthError as error:
            return mind("discovery", str(error), "correct this URL, or MCPDECK_PUBLIC_URL of the gateway")
        place = offer.sign_in.issuer if offer.sign_in else ", ".join(offer.authorization_servers)
        if not place:
            return mind("discovery", "it names no issuer", "mcpdeck login --issuer URL, if it wants a sign-in")
        return fine("discovery", one_line(place))

    async def _token(self) -> Finding:
        try:
            source = await asyncio.to_thread(self._source)
            if source is None:
                return skipped("token", "nobody is signed in here, which may be all right")
            if isinstance(source, GivenToken):
                self._sign_in = "put a new token into MCPDECK_TOKEN; or unset it, then mcpdeck login"
            token = await asyncio.to_thread(source.token)
            from mcpdeck.auth.session import BearerAuth

            self._auth = BearerAuth(source, origin_of(self._url))
        except AuthError as error:
            return wrong("token", str(error), self._sign_in)
        found = verdicts.token(verdicts.claims_of(token.text), self._clock())
        return msgspec.structs.replace(found, fix=self._sign_in) if found.outcome is Outcome.WRONG else found

    async def _roles(self) -> Finding:
        try:
            async with GatewayClient(self._url, auth=self._auth, ca_file=self._context.ca_file) as client:
                who = await client.whoami()
                self._may_create = verdicts.may_create(who)
                return verdicts.roles(who)
        except Unreachable as error:
            return wrong("roles", str(error), "is a gateway behind this URL, of this version?")
        except ProblemError as error:
            if error.problem.status == 401:
                return wrong("roles", f"the gateway does not know you: {error}", self._sign_in)
            return wrong("roles", str(error), "see the gateway's log" + _request(error))

    async def _list(self) -> Finding:
        try:
            async with GatewayClient(self._url, auth=self._auth, ca_file=self._context.ca_file) as client:
                await self._take_in(client)
        except Unreachable as error:
            return wrong("adapters", str(error), "does something between end event streams?")
        except ProblemError as error:
            return wrong("adapters", str(error), "see the gateway's log" + _request(error))
        return verdicts.adapters(self._adapters, self._statuses, may_create=self._may_create)

    async def _take_in(self, client: GatewayClient) -> None:
        async with aclosing(client.events()) as events:
            async for event in events:
                match event:
                    case Synced():
                        return
                    case ChangeEvent(kind="Adapter", type="status"):
                        self._statuses[event.name] = msgspec.convert(event.resource, AdapterStatus)
                    case ChangeEvent(kind="Adapter"):
                        self._adapters.append(msgspec.convert(event.resource, Adapter))

    # Through the gateway

    async def _handshake(self, check: str, era: Era) -> Finding:
        from mcpdeck.mcp.exchange import McpError, Refused
        from mcpdeck.mcp.peer import connected, tools

        name = verdicts.ready_adapter(self._adapters, self._statuses, self._adapter)
        if not name:
            return skipped(check, "no adapter is ready to be spoken with")
        url = f"{self._url}/adapters/{name}/mcp"
        try:
            async with connected(url, auth=self._auth, ca_file=self._context.ca_file, era=era, silence=SECONDS) as peer:
                found = await tools(peer) if "tools" in peer.info.capabilities else []
                info = peer.info
        except (McpError, Refused) as error:
            return self._unspoken(check, era, f"{name} does not speak it: {error}", name)
        except ProblemError as error:
            if error.problem.status == 404:
                return wrong(check, f"{name}: {error}", "mcpdeck adapters list says which there are")
            return wrong(check, f"{name}: {error}", f"mcpdeck adapters status {name}; mcpdeck logs {name}")
        except Unreachable as error:
            return wrong(check, f"{name}: {error}", f"mcpdeck logs {name}")
        who = one_line(f"{info.name} {info.version}".strip()) or name
        return fine(check, f"{name} answers as {who}, {len(found)} tools, protocol {info.protocol_version}")

    def _unspoken(self, check: str, era: Era, told: str, name: str) -> Finding:
        self._refused.add(era)
        if len(self._refused) == len(Era):
            return wrong(
                check, f"{told}, and not the other either", f"mcpdeck adapters status {name}; mcpdeck logs {name}"
            )
        fix = f"clients of the other era are served; era: auto lets the gateway translate: mcpdeck adapters edit {name}"
        return mind(check, told, fix)


async def _asked(check: str, ask: Question) -> Finding:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(SECONDS):
            found = await ask()
    except TimeoutError:
        return wrong(check, f"no answer in {SECONDS:.0f} s", "is something between that lets nothing through?")
    if found.outcome is Outcome.SKIPPED:
        return found
    return msgspec.structs.replace(found, seconds=time.perf_counter() - began)


def _is_of_a_gateway(answer: httpx.Response) -> bool:
    """Whether a gateway's /readyz answered, and no page or proxy."""
    try:
        said = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        return False
    return answer.status_code in (200, 503) and isinstance(said, dict) and "checks" in said


def _reasons(answer: httpx.Response) -> str:
    try:
        checks: Sequence[Any] = msgspec.json.decode(answer.content, type=dict[str, Any]).get("checks", [])
    except msgspec.DecodeError:
        return "no reason told"
    reasons = [str(each.get("reason", "")) for each in checks if isinstance(each, dict) and not each.get("ok")]
    return one_line("; ".join(filter(None, reasons))) or "no reason told"


def _request(error: ProblemError) -> str:
    return f", request {error.request_id}" if error.request_id else ""
