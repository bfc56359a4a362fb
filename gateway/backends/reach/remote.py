"""A server elsewhere, by its URL: which address it has, whether one may go there, and whether it speaks MCP.

The name is resolved here and judged once; calls then go to the judged address, so that no later answer of a name server
leads them elsewhere. Starts nothing.
"""

import asyncio
import contextlib
import hashlib
import ipaddress
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, assert_never
from urllib.parse import SplitResult, urlsplit

import msgspec

from gateway.backends.reach.caller import Caller, Headers
from gateway.backends.reach.patience import Backoff, Patience
from gateway.backends.reach.probe import NotReady, Ready, Verdict, answers, probe
from gateway.backends.reach.problems import CannotStart
from gateway.core.access import Principal
from gateway.core.egress import Reach, reach_of
from gateway.core.errors import GatewayError
from gateway.core.grants import Grant, grant_of
from gateway.core.observed import NAME_NOT_RESOLVED, Instance, Observed
from gateway.core.ports import Tokens
from gateway.core.routes import Endpoint
from gateway.wire.names import AdapterName, PrincipalId, instance_name
from gateway.wire.resources import AdapterSpec, Phase, SecretReference

log = logging.getLogger(__name__)

type SecretValues = Callable[[Mapping[str, SecretReference]], Awaitable[dict[str, str]]]  # raises CannotStart
type Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

NOBODY: Final = Principal(PrincipalId(""))  # who the gateway is when it asks for itself
_FIELD_VALUE = re.compile(r"[\x20-\x7e\x80-\xff\t]*")


class Egress(msgspec.Struct, frozen=True):
    """Where adapters may lie. allow_private: on this organisation's own networks, where they may do without TLS.

    allow_http: they may do without it anywhere.
    tokens: where the access tokens are had that some of them want; None: nowhere.
    """

    allow_private: bool = False
    allow_http: bool = False
    tokens: Tokens | None = None


class OutOfBounds(Exception):
    """No request may go there. The sentence says why, and what an operator could do."""


class Remote:
    """One `url` adapter. `keep` looks after it until it is cancelled. is_tool: it speaks no MCP."""

    def __init__(
        self,
        spec: AdapterSpec,
        *,
        is_tool: bool,
        caller: Caller,
        secrets: SecretValues,
        egress: Egress,
        resolve: Resolve,
        patience: Patience,
        on_change: Callable[[], None],
    ) -> None:
        self._instance = instance_name(AdapterName(spec.name), 0)
        self._caller, self._secrets, self._egress, self._resolve = caller, secrets, egress, resolve
        self._patience, self._on_change = patience, on_change
        self._spec, self._is_tool = spec, is_tool
        self._seen: Instance | None = None
        self._headers: Headers = ()
        self._grant: Grant | None = None
        self._tried = 0  # addresses that did not answer, one after the other
        self._is_nameless = False  # whether no name server had its name, the last time
        self._news = asyncio.Event()

    def want(self, spec: AdapterSpec, *, is_renewed: bool = False) -> None:
        """is_renewed: look anew, whether or not something changed."""
        is_other = _asks(spec) != _asks(self._spec)
        if is_other:
            self._seen, self._headers, self._grant = None, (), None
        is_scaled = spec.replica_count != self._spec.replica_count
        self._spec = spec
        if is_other or is_scaled or is_renewed:
            self._news.set()
            self._on_change()

    def observed(self) -> Observed:
        if self._spec.replica_count == 0:
            return Observed()
        seen = self._seen or Instance(name=self._instance, uid=uid_of(self._spec), phase=Phase.STARTING)
        return Observed(instances=(seen,), headers=tuple(self._headers), grant=self._grant)

    async def keep(self) -> None:
        """Look, and look again: seldom where all is well, later each time where it is not."""
        backoff = Backoff(self._patience)
        while True:
            self._news.clear()
            is_wanted = self._spec.replica_count > 0
            is_well = is_wanted and await self._look()
            if is_well:
                backoff = Backoff(self._patience)
            pause = self._patience.remote if is_well else backoff.after(0)
            if self._is_nameless:
                pause = min(pause, self._patience.nameless)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause if is_wanted else None):
                    await self._news.wait()
                    backoff = Backoff(self._patience)

    async def _look(self) -> bool:
        spec = self._spec
        try:
            headers = field_lines(await self._secrets(spec.headers))
            grant = await self._grant_of(spec)
            endpoint = await self._endpoint(spec)
            own = await self._own_authorization(grant)
        except CannotStart as problem:
            self._sees(spec, Phase.FAILED, problem.reason, problem.sentence)
            return False
        verdict = await self._asked(endpoint, (*headers, *own), is_credible=bool(own or (headers and grant is None)))
        if _asks(spec) != _asks(self._spec):
            return False  # it was asked about what is no longer wanted
        self._headers, self._grant = headers, grant
        match verdict:
            case Ready(eras=eras, is_sse=is_sse, note=note):
                self._tried = 0
                found = msgspec.structs.replace(endpoint, eras=eras, is_sse=is_sse)
                self._sees(spec, Phase.READY, message=note, endpoint=found)
                return True
            case NotReady(reason=reason, sentence=sentence):
                self._tried += 1
                self._sees(spec, Phase.FAILED, reason, f"{spec.url}: {sentence}", endpoint=endpoint)
                return False
            case other:
                assert_never(other)

    async def _asked(self, endpoint: Endpoint, headers: Headers, *, is_credible: bool) -> Verdict:
        if self._is_tool:
            return await answers(self._caller, endpoint, headers, patience=self._patience)
        return await probe(self._caller, endpoint, headers, patience=self._patience, is_credible=is_credible)

    async def _grant_of(self, spec: AdapterSpec) -> Grant | None:
        """Raises CannotStart."""
        wanted, tokens = spec.authorization, self._egress.tokens
        if wanted is None:
            return None
        refusal = tokens.refusal(wanted) if tokens is not None else "this gateway gets no access tokens for adapters"
        if refusal:
            raise CannotStart("NotAllowed", refusal)
        secrets = await self._secrets({"clientSecret": wanted.client_secret})
        return grant_of(wanted, secrets["clientSecret"])

    async def _own_authorization(self, grant: Grant | None) -> Headers:
        """What the gateway can show for itself. Nobody calls yet, so a token that speaks for a caller is not to be had.

        Raises CannotStart.
        """
        tokens = self._egress.tokens
        if grant is None or grant.is_for_the_caller or tokens is None:
            return ()
        try:
            return ((b"authorization", await tokens.authorization(grant, NOBODY, token="")),)
        except GatewayError as error:
            raise CannotStart("NoAccessToken", error.detail or error.title) from error

    async def _endpoint(self, spec: AdapterSpec) -> Endpoint:
        """With the address that was used before, as long as the name still has it, or has none that can be had.

        Raises CannotStart.
        """
        try:
            parts = urlsplit(spec.url)
            port = port_of(parts)
        except ValueError as error:
            raise CannotStart("NotAllowed", f"{spec.url} is no URL: {error}") from error
        known = self._seen.endpoint.host if self._seen is not None and self._seen.endpoint is not None else ""
        try:
            addresses = await addresses_of(parts, self._egress, self._resolve, seconds=self._patience.resolve)
        except OutOfBounds as problem:
            raise CannotStart("NotAllowed", str(problem)) from problem
        except (OSError, UnicodeError, TimeoutError) as error:
            was_nameless, self._is_nameless = self._is_nameless, True
            sentence = f"{parts.hostname} has no address: {str(error) or 'no answer'}"
            if not known:
                raise CannotStart(NAME_NOT_RESOLVED, sentence) from error
            if not was_nameless:
                log.warning("%s; %s goes on with the last one, %s", sentence, self._instance, known)
            addresses = [known]
        else:
            self._is_nameless = False
        host = known if known in addresses and not self._tried else addresses[self._tried % len(addresses)]
        query = f"?{parts.query}" if parts.query else ""
        return Endpoint(
            self._instance,
            uid_of(spec),
            host,
            port,
            (parts.path or "/") + query,
            authority=parts.netloc,
            is_tls=parts.scheme == "https",
        )

    def _sees(
        self, spec: AdapterSpec, phase: Phase, reason: str = "", message: str = "", *, endpoint: Endpoint | None = None
    ) -> None:
        seen = Instance(
            name=self._instance, uid=uid_of(spec), phase=phase, reason=reason, message=message, endpoint=endpoint
        )
        if seen != self._seen:
            self._seen = seen
            self._on_change()


def _asks(spec: AdapterSpec) -> tuple[object, ...]:
    """What decides where requests go, and with what."""
    return spec.url, spec.headers, spec.authorization


def uid_of(spec: AdapterSpec) -> str:
    """The same after every restart of the gateway: sessions live elsewhere, and outlast it."""
    return hashlib.sha256(f"{spec.name}\0{spec.url}".encode()).hexdigest()[:16]


def field_lines(values: "dict[str, str]") -> tuple[tuple[bytes, bytes], ...]:
    """Headers as they are sent. Raises CannotStart where a secret's value fits into none."""
    for name, value in values.items():
        if not _FIELD_VALUE.fullmatch(value):
            raise CannotStart("SecretMissing", f"the secret for the header {name!r} has line breaks or other controls")
    return tuple((name.lower().encode(), value.strip().encode("latin-1")) for name, value in values.items())


async def addresses_of(parts: SplitResult, egress: Egress, resolve: Resolve, *, seconds: float) -> Sequence[str]:
    """At least one. Raises OutOfBounds when one of them is: who controls a name may answer otherwise next time.

    Raises OSError, UnicodeError or TimeoutError when the name has none.
    """
    host = parts.hostname or ""
    try:
        addresses: Sequence[str] = [str(ipaddress.ip_address(host))]
    except ValueError:
        async with asyncio.timeout(seconds):
            addresses = await resolve(host, port_of(parts))
    if not addresses:
        raise OSError("no answer")
    for address in addresses:
        match reach_of(address):
            case Reach.FORBIDDEN:
                raise OutOfBounds(f"{host} is {address}, where no adapter may lie")
            case Reach.PRIVATE:
                if not egress.allow_private:
                    raise OutOfBounds(
                        f"{host} is {address}, which is private; an operator allows that with --allow-private-urls"
                    )
            case Reach.PUBLIC:
                if parts.scheme != "https" and not egress.allow_http:
                    raise OutOfBounds(
                        f"{host} is {address}, reached by https only; an operator allows http with --allow-http-urls"
                    )
            case other:
                assert_never(other)
    return addresses


def port_of(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)
