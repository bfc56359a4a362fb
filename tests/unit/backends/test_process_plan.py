"""Which changes of a specification concern its processes, and what command they become."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.process.launcher import find_command, sidecar_argv
from gateway.backends.process.plan import plan_of
from gateway.backends.reach.problems import CannotStart
from gateway.wire.resources import (
    AdapterSpec,
    Isolation,
    ResourceList,
    Resources,
    SecretReference,
    SessionPolicy,
    Stdio,
)
from sidecar.__main__ import parse
from tests.support.desired import THEN, desired, stdio_spec


def image_spec(**fields: Any) -> AdapterSpec:
    told: dict[str, Any] = {"name": "weather", "image_name": "crm", "image_version": "1"} | fields
    return AdapterSpec(**told)


@pytest.mark.parametrize(
    "fields",
    [
        {"stdio": Stdio(command="other")},
        {"stdio": Stdio(command="true", args=["-v"])},
        {"environment_variables": {"A": "1"}},
        {"secret_environment": {"A": SecretReference(secret="a", key="b")}},
        {"session": SessionPolicy(isolation=Isolation.SHARED)},
    ],
)
def test_what_a_stdio_server_depends_on_replaces_it(fields: dict[str, Any]) -> None:
    told: dict[str, Any] = {"name": "weather", "stdio": Stdio(command="true")} | fields
    changed = AdapterSpec(**told)
    assert plan_of(desired(changed)).digest != plan_of(desired(stdio_spec())).digest


@pytest.mark.parametrize(
    "fields",
    [
        {"image_version": "2"},
        {"command": ["serve"]},
        {"args": ["-v"]},
        {"port": 9000},
        {"path": "/other"},
        {"resources": Resources(limits=ResourceList(memory="1Gi"))},
    ],
)
def test_what_a_container_depends_on_replaces_it(fields: dict[str, Any]) -> None:
    assert plan_of(desired(image_spec(**fields))).digest != plan_of(desired(image_spec())).digest


@pytest.mark.parametrize(
    "fields", [{"description": "new"}, {"required_roles": ["a"]}, {"replica_count": 5}, {"path": "/unused-by-stdio"}]
)
def test_what_it_does_not_depend_on_leaves_it_alone(fields: dict[str, Any]) -> None:
    assert plan_of(desired(stdio_spec(**fields))).digest == plan_of(desired(stdio_spec())).digest


def test_a_restart_that_was_asked_for_replaces_it_once() -> None:
    restarted = desired(stdio_spec(), restarted_at=THEN + timedelta(seconds=1))
    assert plan_of(restarted).digest != plan_of(desired(stdio_spec())).digest
    assert plan_of(restarted).digest == plan_of(restarted).digest


def test_the_order_of_variables_means_nothing() -> None:
    one, other = ({"A": "1", "B": "2"}, {"B": "2", "A": "1"})
    digests = {plan_of(desired(stdio_spec(environment_variables=each))).digest for each in (one, other)}
    assert len(digests) == 1


def test_the_sidecar_understands_what_it_is_started_with() -> None:
    stdio = Stdio(command="npx", args=["-y", "server", "--", "--fd", "3", "a b", ""])
    policy = SessionPolicy(isolation=Isolation.SHARED, idle_timeout=12.5, max=7)
    argv = sidecar_argv(stdio_spec(session=policy), stdio, descriptor=5, state=Path("/state"), max_body=9)
    options = parse(argv[argv.index("sidecar") + 1 :])
    assert options.argv == ["npx", *stdio.args]
    assert (options.fd, options.name, options.isolation, options.max_sessions) == (5, "weather", "shared", 7)
    assert (options.timeouts.idle, options.max_body, options.state) == (12.5, 9, Path("/state"))


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("uvx", "'uvx' is not on the gateway's PATH: pip install uv"),
        ("npx", "nodejs.org"),
        ("no-such-thing", "install it, or give its absolute path"),
        ("./server.py", "give an absolute one"),
        ("bin/server", "give an absolute one"),
        ("/nowhere/server", "does not exist"),
    ],
)
def test_a_command_that_is_not_there_says_what_to_do(command: str, sentence: str) -> None:
    with pytest.raises(CannotStart, match=sentence) as caught:
        find_command(Stdio(command=command), "/nowhere")
    assert caught.value.reason == "CommandNotFound"


def test_a_file_that_may_not_be_executed_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    server = tmp_path / "server"
    server.write_text("#!/bin/sh")
    with pytest.raises(CannotStart, match="chmod"):
        find_command(Stdio(command=str(server)), "/nowhere")
    server.chmod(0o755)
    assert find_command(Stdio(command=str(server)), "/nowhere") == str(server)
    assert find_command(Stdio(command="server"), str(tmp_path)) == str(server)
