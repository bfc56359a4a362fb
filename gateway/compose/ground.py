"""Where desired state is kept and where it runs: this machine, or a cluster. Reconciles nothing."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, assert_never

import msgspec

from gateway.backends.kubernetes.backend import KubernetesBackend, kubernetes_backend
from gateway.backends.kubernetes.shape import Shape
from gateway.backends.process.backend import ProcessBackend, process_backend
from gateway.cluster.api import open_api, own_namespace
from gateway.cluster.desires import open_desires
from gateway.compose.house import allows_private
from gateway.core.ports import Store, Tokens
from gateway.core.tools import DesiredPolicy, DesiredTool, DesiredToolset
from gateway.settings import BackendKind, Settings
from gateway.stores.kinds import POLICIES, TOOLS, TOOLSETS
from gateway.stores.kubernetes import stores
from gateway.stores.sqlite import open_sqlite


class Ground(msgspec.Struct, frozen=True):
    adapters: Store
    tools: Store[DesiredTool]
    toolsets: Store[DesiredToolset]
    policies: Store[DesiredPolicy]
    backend: ProcessBackend | KubernetesBackend


@asynccontextmanager
async def ground_of(
    settings: Settings, variables: Mapping[str, str], *, tokens: Tokens | None, load: Callable[[str], int]
) -> AsyncIterator[Ground]:
    reach: dict[str, Any] = {
        "allow_private": allows_private(settings),
        "allow_http": settings.allow_http_urls,
        "tokens": tokens,
    }
    match settings.backend:
        case BackendKind.PROCESS:
            folder = settings.data_dir
            running = process_backend(
                folder, environ=variables, passed=settings.pass_env, max_body=settings.max_body, load=load, **reach
            )
            async with open_sqlite(folder / "state.sqlite") as store, running as backend:
                yield Ground(store, store.beside(TOOLS), store.beside(TOOLSETS), store.beside(POLICIES), backend)
        case BackendKind.KUBERNETES:
            namespace, context = settings.cluster_namespace, settings.cluster_context
            async with (
                open_api(namespace=namespace, kubeconfig=settings.kubeconfig, context=context) as api,
                open_desires(api) as desires,
                kubernetes_backend(api, desires, _shape(settings), **reach) as pods,
            ):
                kept = stores(api, desires)
                yield Ground(kept.adapters, kept.tools, kept.toolsets, kept.policies, pods)
        case other:
            assert_never(other)


def _shape(settings: Settings) -> Shape:
    return Shape(
        runner_image=settings.runner_image,
        registry=settings.registry,
        pull_policy=settings.pull_policy,
        pull_secrets=settings.pull_secrets,
        workload_account=settings.workload_account,
        drain=settings.pod_drain,
        allow_private_egress=allows_private(settings),
        gateway_namespace=own_namespace(),
    )
