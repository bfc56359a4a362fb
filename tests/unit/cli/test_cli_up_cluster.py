"""The context that `mcpdeck up --cluster` keeps: named as the cluster, and nobody else's is overwritten."""

import argparse
from pathlib import Path

import msgspec
import pytest

from mcpdeck.cli import accounts
from mcpdeck.cli.up_cluster import keep_context
from mcpdeck.config.contexts import Context, Contexts
from mcpdeck.config.places import places
from mcpdeck.config.running import Running
from mcpdeck.errors import Misconfigured
from mcpdeck.install.cluster import Cluster, context_of, is_context, opened
from mcpdeck.install.forward import Forward, forwarded, is_serving
from tests.support.command import surroundings

URL = "http://127.0.0.1:8710"


@pytest.fixture
def contexts(tmp_path: Path) -> Contexts:
    return Contexts(tmp_path / "contexts.yaml", Running(tmp_path / "running"))


def test_it_is_named_as_the_cluster_and_meant_where_nothing_else_is(contexts: Contexts) -> None:
    name = keep_context(contexts, "arn:aws:eks:eu/prod", URL)
    assert contexts.find(name) == Context(name="arn-aws-eks-eu-prod", url=URL, is_forwarded=True)
    assert contexts.current() == name


def test_another_port_is_taken_over_and_what_else_was_said_stays(contexts: Contexts) -> None:
    contexts.add(Context(name="prod", url="http://127.0.0.1:1", read_only=True), use=False)
    assert keep_context(contexts, "prod", URL) == "prod"
    assert contexts.find("prod") == Context(name="prod", url=URL, read_only=True, is_forwarded=True)


@pytest.mark.parametrize(("url", "is_trusted"), [(URL, True), ("https://mcp.example", False)])
def test_a_gateway_behind_its_port_may_call_itself_by_another_url(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, url: str, is_trusted: bool
) -> None:
    for name, value in surroundings(tmp_path).items():
        monkeypatch.setenv(name, value)
    kept = Contexts(places().contexts_file, Running(places().running))
    keep_context(kept, "prod", URL)
    kept.add(msgspec.structs.replace(kept.find("prod"), url=url), use=True)
    assert accounts._target(argparse.Namespace()).is_forwarded == is_trusted


@pytest.mark.parametrize("name", ["prod", "local"])
def test_a_name_that_means_something_else_is_left_alone(contexts: Contexts, name: str) -> None:
    contexts.add(Context(name="prod", url="https://mcp.example"), use=True)
    assert keep_context(contexts, name, URL) == f"{name}-forwarded"
    assert contexts.find("prod").url == "https://mcp.example"
    assert contexts.current() == "prod"


def test_a_cluster_without_a_usable_name_has_one(contexts: Contexts) -> None:
    assert keep_context(contexts, "///", URL) == "cluster"


async def test_without_a_kubeconfig_it_says_what_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = str(tmp_path / "none")
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", missing)
    with pytest.raises(Misconfigured, match=r"there is no kubeconfig at .*set KUBECONFIG"):
        context_of("")
    with pytest.raises(Misconfigured, match=r"there is no kubeconfig at .*set KUBECONFIG"):
        async with opened():
            pass
    assert not is_context("testcluster")
    assert context_of("named") == "named"


def test_a_pod_serves_while_it_is_ready_and_does_not_leave() -> None:
    ready = {"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert is_serving(ready)
    assert not is_serving({**ready, "metadata": {"deletionTimestamp": "2026-07-01T00:00:00Z"}})
    assert not is_serving({"metadata": {}, "status": {}})


async def test_a_port_that_is_taken_is_told_with_what_helps() -> None:
    forward = Forward(Cluster(None), "mcpdeck", lambda _: None)
    async with forwarded(forward, 0) as url:
        with pytest.raises(Misconfigured, match="--port 0 finds a free one"):
            async with forwarded(forward, int(url.rpartition(":")[2])):
                pass
