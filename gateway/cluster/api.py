"""One namespace of a cluster through its API: requests and streams of plain JSON. Keeps nothing and watches nothing.

The official package brings configuration, credentials and TLS; its models are left alone: a schema that is newer than
the package must not be cut, and decoding into our own Structs costs a twentieth.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.cluster.errors import ClusterUnreachable, error_of, transport_errors
from gateway.cluster.objects import Kind
from gateway.core.errors import GatewayError, NotFound, TooManyRequests

if TYPE_CHECKING:
    import aiohttp

FIELD_MANAGER: Final = "mcpdeck-gateway"
REQUEST_TIMEOUT: Final = 15.0  # seconds for one request, retries apart
STREAM_SILENCE: Final = 150.0  # seconds: a living watch brings a bookmark every minute or so
ATTEMPTS: Final = 4  # of what the server was too busy for
_CONNECT_TIMEOUT: Final = 5.0
_CONNECTIONS: Final = 1000  # each watch and each followed log holds one

_OWN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_JSON: Final = "application/json"
_APPLY: Final = "application/apply-patch+yaml"
_EDITS: Final = "application/json-patch+json"
_STRATEGIC: Final = "application/strategic-merge-patch+json"
_MERGE: Final = "application/merge-patch+json"

type Json = dict[str, Any]


class Api:
    """namespace: where adapters and their objects live. Every method raises GatewayError."""

    def __init__(self, client: Any, namespace: str) -> None:
        self._client, self.namespace = client, namespace

    async def read(self, kind: Kind, name: str) -> bytes:
        """Raises NotFound."""
        return await self._send("GET", kind.path(self.namespace, name), doing=f"read {kind.name} '{name}'")

    async def find(self, kind: Kind, name: str) -> bytes | None:
        try:
            return await self.read(kind, name)
        except NotFound:
            return None

    async def list_page(self, kind: Kind, query: Mapping[str, str]) -> bytes:
        return await self._send("GET", kind.path(self.namespace), doing=f"list {kind.plural}", query=query)

    async def create(self, kind: Kind, body: Json, *, dry_run: bool = False) -> bytes:
        """Raises Conflict when the name is taken. dry_run: only say whether it could be."""
        name = body["metadata"]["name"]
        doing = f"create {kind.name} '{name}'"
        return await self._send(
            "POST", kind.path(self.namespace), body, doing=doing, query=_MANAGED | (_DRY if dry_run else {})
        )

    async def replace(self, kind: Kind, body: Json) -> bytes:
        """body holds the resourceVersion it replaces. Raises Overtaken when it is another one."""
        name = body["metadata"]["name"]
        doing = f"replace {kind.name} '{name}'"
        return await self._send("PUT", kind.path(self.namespace, name), body, doing=doing, query=_MANAGED)

    async def apply(self, kind: Kind, body: Json, *, force: bool) -> bytes:
        """Server-side apply. force: take fields over from other managers. Raises Overtaken where they hold some."""
        name = body["metadata"]["name"]
        query = {**_MANAGED, "force": "true" if force else "false"}
        doing = f"apply {kind.name} '{name}'"
        path = kind.path(self.namespace, name)
        return await self._send("PATCH", path, body, doing=doing, query=query, content_type=_APPLY)

    async def edit(self, kind: Kind, name: str, edits: list[Json]) -> bytes:
        """A JSON patch. Raises NotFound, Overtaken where it names another resourceVersion."""
        path, doing = kind.path(self.namespace, name), f"edit {kind.name} '{name}'"
        return await self._send("PATCH", path, edits, doing=doing, query=_MANAGED, content_type=_EDITS)

    async def patch(self, kind: Kind, name: str, body: Json, *, subresource: str = "", manager: str = "") -> bytes:
        """A merge patch."""
        path = kind.path(self.namespace, name) + (f"/{subresource}" if subresource else "")
        query = {"fieldManager": manager} if manager else _MANAGED
        doing = f"patch {kind.name} '{name}'"
        return await self._send("PATCH", path, body, doing=doing, query=query, content_type=_MERGE)

    async def merge(self, kind: Kind, name: str, body: Json, *, subresource: str) -> bytes:
        """A strategic merge patch, of kinds that are the cluster's own: lists merge by their keys."""
        path = f"{kind.path(self.namespace, name)}/{subresource}"
        doing = f"patch {kind.name} '{name}'"
        return await self._send("PATCH", path, body, doing=doing, query=_MANAGED, content_type=_STRATEGIC)

    async def delete(
        self,
        kind: Kind,
        name: str,
        *,
        uid: str = "",
        revision: str = "",
        grace: int | None = None,
        propagation: str = "Background",
    ) -> None:
        """uid and revision: preconditions. grace: seconds, for pods. Raises NotFound, Overtaken."""
        preconditions = {"uid": uid, "resourceVersion": revision}
        body: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        body["preconditions"] = {key: value for key, value in preconditions.items() if value}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        path = kind.path(self.namespace, name)
        await self._send("DELETE", path, body, doing=f"delete {kind.name} '{name}'")

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str], *, doing: str, silence: float | None = STREAM_SILENCE
    ) -> AsyncIterator["aiohttp.StreamReader"]:
        """A body that is read as it comes. silence: seconds without a byte after which it counts as broken."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT, sock_read=silence)
        with transport_errors(doing):
            response = (await self._call("GET", path, None, query=query, bound=timeout)).response
            try:
                if response.status >= 400:
                    raise error_of(response.status, await response.read(), doing)
                yield response.content
            finally:
                response.close()

    async def _send(
        self,
        method: str,
        path: str,
        body: Json | list[Json] | None = None,
        *,
        doing: str,
        query: Mapping[str, str] | None = None,
        content_type: str = _JSON,
    ) -> bytes:
        """What the server is too busy for is asked again: then it has done nothing."""
        for attempt in range(ATTEMPTS):
            with transport_errors(doing):
                async with asyncio.timeout(REQUEST_TIMEOUT):
                    response = await self._call(method, path, body, query=query, content_type=content_type)
                    answer: bytes = await response.read()
            if response.status < 400:
                return answer
            error = error_of(response.status, answer, doing)
            wait = _busy(response, error)
            if wait is None or attempt == ATTEMPTS - 1:
                raise error
            await asyncio.sleep(wait + random.uniform(0, 0.5) * 2**attempt)  # noqa: S311 - spreads gateways, hides nothing
        raise AssertionError  # the last attempt returned or raised

    async def _call(
        self,
        method: str,
        path: str,
        body: Json | list[Json] | None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = _JSON,
        bound: Any = None,
    ) -> Any:
        headers = {"Accept": _JSON, "Content-Type": content_type}
        told = [(key, value) for key, value in (query or {}).items()]
        request = await self._client.param_serialize(
            method, path, query_params=told, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        return await self._client.call_api(*request, _request_timeout=bound or REQUEST_TIMEOUT)


_DRY: Final = {"dryRun": "All"}
_MANAGED: Final = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}


def _busy(response: Any, error: GatewayError) -> float | None:
    """Seconds to wait before asking again; None where that would not help."""
    told = response.headers.get("Retry-After", "")
    if isinstance(error, TooManyRequests) or (isinstance(error, ClusterUnreachable) and told):
        return min(float(told), 10.0) if told.isdecimal() else 1.0
    return None


@asynccontextmanager
async def open_api(*, namespace: str = "", kubeconfig: Path | None = None, context: str = "") -> AsyncIterator[Api]:
    """In a pod by its service account, elsewhere by kubeconfig. namespace: "" for the one found there.

    Raises GatewayError, with a sentence, where neither leads to a cluster.
    """
    from kubernetes.aio import client, config

    configuration = client.Configuration(connection_pool_maxsize=_CONNECTIONS)
    # Chain and name are verified; only RFC 5280's form of a CA certificate, which many clusters' own lacks, is not.
    configuration.disable_strict_ssl_verification = True
    try:
        found = await _configure(config, configuration, kubeconfig=kubeconfig, context=context)
    except (config.ConfigException, OSError) as error:
        raise GatewayError(f"no cluster to talk to: {error}; set KUBECONFIG, or run in one") from error
    async with client.ApiClient(configuration) as opened:
        yield Api(opened, namespace or found)


def own_namespace() -> str:
    """Of the pod that this runs in; "" outside a cluster."""
    return (_OWN / "namespace").read_text(encoding="utf-8").strip() if (_OWN / "namespace").exists() else ""


async def _configure(config: Any, configuration: Any, *, kubeconfig: Path | None, context: str) -> str:
    """Returns the namespace that goes with the credentials."""
    if kubeconfig is None and not context and (_OWN / "token").exists():
        config.load_incluster_config(configuration)
        return own_namespace()
    file = str(kubeconfig) if kubeconfig else None
    loader = await config.load_kube_config(file, context=context or None, client_configuration=configuration)
    namespace: str = loader.current_context["context"].get("namespace") or "default"
    return namespace
