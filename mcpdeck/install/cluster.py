"""A cluster as `mcpdeck install` needs it: applies (server-side), reads and deletes any object. Decides nothing."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from mcpdeck.errors import Misconfigured, Unreachable

type Json = dict[str, Any]

MANAGER: Final = "mcpdeck-install"
CHANNELS: Final = "v4.channel.k8s.io"  # bytes behind a channel's number
TIMEOUT: Final = 20.0  # seconds for one request
# kind -> plural, for what the manifests hold; everything else would be a mistake of ours
PLURALS: Final = {
    "Namespace": "namespaces",
    "CustomResourceDefinition": "customresourcedefinitions",
    "ServiceAccount": "serviceaccounts",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "NetworkPolicy": "networkpolicies",
    "Job": "jobs",
    "Deployment": "deployments",
    "Service": "services",
    "Pod": "pods",
    "SelfSubjectReview": "selfsubjectreviews",
    "SelfSubjectAccessReview": "selfsubjectaccessreviews",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
}


class Refused(Exception):
    """The cluster's own sentence on why not. is_unknown: it does not know who asks."""

    def __init__(self, sentence: str, *, is_unknown: bool = False) -> None:
        super().__init__(sentence)
        self.is_unknown = is_unknown


class Cluster:
    """Raises Refused, Unreachable."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def apply(self, told: Json) -> str:
        """`created`, `changed` or `unchanged`."""
        before = await self.read(told)
        query = {"fieldManager": MANAGER, "force": "true"}
        answer = await self._send("PATCH", path_of(told), told, query, "application/apply-patch+yaml")
        if before is None or answer is None:
            return "created"
        is_same = _version(before) == _version(answer)
        return "unchanged" if is_same else "changed"

    async def read(self, told: Json) -> Json | None:
        return await self._send("GET", path_of(told))

    async def list(self, kind: str, namespace: str, selector: str) -> list[Json]:
        """Those that carry these labels."""
        path = f"/api/v1/namespaces/{namespace}/{PLURALS[kind]}"
        answer = await self._send("GET", path, query={"labelSelector": selector})
        return list((answer or {}).get("items", []))

    async def get(self, path: str) -> Json:
        """Whatever stands there; empty for nothing."""
        return await self._send("GET", path) or {}

    async def create(self, told: Json) -> Json:
        """Of what the cluster answers and does not keep, such as a review."""
        place = path_of({**told, "metadata": {"name": ""}}).rstrip("/")
        return await self._send("POST", place, told) or {}

    async def port(self, pod: str, namespace: str, port: int) -> Any:
        """A WebSocket that leads to a pod's port, in the channel protocol. To be closed."""
        import aiohttp

        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
        _, url, headers, _, _ = await self._client.param_serialize(
            "GET", path, query_params=[("ports", str(port))], header_params={}, auth_settings=["BearerToken"]
        )
        rest = self._client.rest_client
        if rest.pool_manager is None:
            rest.pool_manager = rest._create_pool_manager()  # noqa: SLF001 - made at the first request otherwise
        try:
            async with asyncio.timeout(TIMEOUT):
                return await rest.pool_manager.ws_connect(url, headers=headers, protocols=(CHANNELS,), max_msg_size=0)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"no way to pod {pod}: {str(error) or type(error).__name__}") from error

    async def delete(self, told: Json) -> bool:
        """Whether there was one."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        return await self._send("DELETE", path_of(told), body) is not None

    async def _send(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Json | None:
        """None for what is not there."""
        import aiohttp

        headers = {"Accept": "application/json", "Content-Type": content_type}
        request = await self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            async with asyncio.timeout(TIMEOUT):
                response = await self._client.call_api(*request, _request_timeout=TIMEOUT)
                answer = msgspec.json.decode(await response.read(), type=dict[str, Any])
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"the cluster does not answer: {str(error) or type(error).__name__}") from error
        if response.status == 404:
            return None
        if response.status >= 400:
            is_unknown = response.status == 401
            raise Refused(f"{path}: {answer.get('message', response.status)}", is_unknown=is_unknown)
        return answer


def path_of(told: Json) -> str:
    """Of one object."""
    version, namespace = told["apiVersion"], told["metadata"].get("namespace")
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{place}/{PLURALS[told['kind']]}/{told['metadata']['name']}"


def is_ours(found: Json) -> bool:
    """Whether `mcpdeck install` made it."""
    return any(each.get("manager") == MANAGER for each in found["metadata"].get("managedFields", []))


@asynccontextmanager
async def opened(context: str = "") -> AsyncIterator[Cluster]:
    """By kubeconfig. context: "" for the current one. Raises Misconfigured."""
    from kubernetes.aio import client, config

    _must_be_configured()
    configuration = client.Configuration()
    configuration.disable_strict_ssl_verification = True  # chain and name are verified; see gateway.cluster.api
    try:
        load: Any = config.load_kube_config
        await load(context=context or None, client_configuration=configuration)
    except (config.ConfigException, OSError) as error:
        raise _unknown(context, error) from error
    async with client.ApiClient(configuration) as opened_client:
        yield Cluster(opened_client)


def is_context(name: str) -> bool:
    """Whether a kubeconfig of the reader's names a cluster so."""
    return name in contexts()


def contexts() -> list[str]:
    """The names of the reader's clusters; none where there is no kubeconfig."""
    from kubernetes.aio import config

    listed: Any = config.list_kube_config_contexts
    try:
        _must_be_configured()
        found, _ = listed()
    except (config.ConfigException, OSError, Misconfigured):
        return []
    return [str(each.get("name")) for each in found]


def context_of(context: str) -> str:
    """The name of the context that is meant. Raises Misconfigured."""
    from kubernetes.aio import config

    if context:
        return context
    _must_be_configured()
    try:
        listed: Any = config.list_kube_config_contexts
        _, current = listed()
    except (config.ConfigException, OSError) as error:
        raise _unknown(context, error) from error
    return str(current["name"])


def _must_be_configured() -> None:
    """Raises Misconfigured where there is no kubeconfig at all, of which the library says something else."""
    from kubernetes.aio.config import kube_config

    places = str(kube_config.KUBE_CONFIG_DEFAULT_LOCATION)
    if not any(Path(each).expanduser().exists() for each in places.split(os.pathsep) if each):
        raise Misconfigured(f"there is no kubeconfig at {places}; set KUBECONFIG to the one of your cluster")


def _unknown(context: str, error: Exception) -> Misconfigured:
    known = contexts()
    if context and known and context not in known:
        return Misconfigured(f"your kubeconfig has no context {context!r}; there are: {', '.join(known)}")
    return Misconfigured(f"no cluster is known here: {error}; set KUBECONFIG, or give --kube-context")


def _version(told: Json) -> str:
    return str(told["metadata"].get("resourceVersion", ""))
