"""Adapters as containers, with a script that stands for docker: what it is told, and that no container is left behind."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.process.engine import amount, find_engine, image_of
from gateway.core.errors import Invalid, Unsupported
from gateway.wire.resources import AdapterSpec, ResourceList, Resources, SecretReference, Stdio
from tests.support.desired import desired, stdio_spec
from tests.support.local_backend import (
    PATIENT,
    are_ready,
    endpoint_of,
    has_failed,
    kill,
    local_backend,
    only,
    processes_of,
    uids,
    until,
)
from tests.support.sidecar_process import gone

FAKE = Path(__file__).parents[2] / "support" / "fake_docker.py"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Where the fake engine keeps what it knows."""
    (tmp_path / "engine").mkdir()
    return tmp_path / "engine"


@pytest.fixture
def environ(tmp_path: Path, state: Path) -> Mapping[str, str]:
    """With docker on the PATH."""
    script = tmp_path / "bin" / "docker"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -I {FAKE} "$@"\n')
    script.chmod(0o755)
    return {"PATH": f"{script.parent}:/usr/bin:/bin", "DOCKER_CONFIG": str(state), "HOME": str(tmp_path)}


def spec(**fields: Any) -> AdapterSpec:
    told = {"name": "weather", "image_name": "example.com/weather", "image_version": "1", "path": "/serve/mcp"}
    return AdapterSpec(**(told | fields))


def containers(state: Path) -> list[dict[str, Any]]:
    return [json.loads(each.read_text()) for each in sorted(state.glob("*.json"))]


async def test_an_image_becomes_a_container_that_is_ready_at_its_path(
    tmp_path: Path, environ: Mapping[str, str], state: Path
) -> None:
    async with local_backend(tmp_path / "data", environ=environ) as backend:
        assert await backend.refusal(spec()) is None
        await backend.apply([desired(spec())])
        seen = await until(backend, are_ready(1))
        (container,) = containers(state)
        assert (endpoint_of(only(seen)).path, seen.image) == ("/serve/mcp", "example.com/weather:1")
        assert any("runs" in line.text for line in await backend.logs.read(only(seen).name, tail=None, since=None))
    assert containers(state) == []
    await gone([container["pid"]])


async def test_a_container_may_do_no_more_than_it_must(tmp_path: Path, environ: Mapping[str, str], state: Path) -> None:
    limits = ResourceList(cpu="1500m", memory="1Gi", ephemeral_storage="10Mi")
    wanted = spec(resources=Resources(limits=limits), port=9000, command=["serve", "-v"], args=["--all"])
    async with local_backend(tmp_path / "data", environ=environ) as backend:
        await backend.apply([desired(wanted)])
        port = endpoint_of(only(await until(backend, are_ready(1)))).port
        argv = containers(state)[0]["argv"]
    hardened = {"--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", "--pids-limit=512"}
    sized = {"--memory=1073741824", "--cpus=1.5", "--tmpfs=/tmp:rw,nosuid,nodev,size=10485760"}
    assert hardened | sized | {f"--publish=127.0.0.1:{port}:9000"} <= set(argv)
    assert argv[argv.index("--entrypoint") :] == ["--entrypoint", "serve", "example.com/weather:1", "-v", "--all"]


async def test_a_containers_variables_are_not_in_the_command_line_and_the_engines_not_in_the_container(
    tmp_path: Path, environ: Mapping[str, str], state: Path
) -> None:
    wanted = spec(
        environment_variables={"PLAIN": "1\n2"},
        secret_environment={"TOKEN": SecretReference(secret="crm", key="token")},
    )
    known = {**environ, "MCPDECK_SECRET_CRM_TOKEN": "s3cret", "GATEWAY_ONLY": "no"}
    async with local_backend(tmp_path / "data", environ=known) as backend:
        await backend.apply([desired(wanted)])
        await until(backend, are_ready(1))
        (container,) = containers(state)
    assert container["environment"] == {"PLAIN": "1\n2", "TOKEN": "s3cret"}
    assert "s3cret" not in str(container["argv"])
    assert "GATEWAY_ONLY" not in container["client"]


async def test_an_image_that_is_not_there_fails_with_the_engines_words(
    tmp_path: Path, environ: Mapping[str, str]
) -> None:
    async with local_backend(tmp_path / "data", environ=environ) as backend:
        await backend.apply([desired(spec(image_name="example.com/broken"))])
        failed = await until(
            backend, lambda seen: has_failed("CrashLoopBackOff")(seen) and "last words" in seen.instances[0].message
        )
    assert "exited with code 125" in failed.instances[0].message
    assert "manifest unknown" in failed.instances[0].message


async def test_a_killed_client_takes_its_container_with_it(
    tmp_path: Path, environ: Mapping[str, str], state: Path
) -> None:
    async with local_backend(tmp_path / "data", environ=environ) as backend:
        await backend.apply([desired(spec())])
        first = only(await until(backend, are_ready(1)))
        (container,) = containers(state)
        kill(first)
        await until(backend, lambda seen: are_ready(1)(seen) and uids(seen) != [first.uid])
        await gone([container["pid"]])
        assert len(containers(state)) == 1


async def test_containers_that_outlived_everything_are_removed_and_those_of_others_are_not(
    tmp_path: Path, environ: Mapping[str, str], state: Path
) -> None:
    async with local_backend(tmp_path / "data", environ=environ) as backend:
        await backend.apply([desired(spec())])
        first = only(await until(backend, are_ready(1)))
        (left,) = await asyncio.to_thread(lambda: [each.read_text() for each in state.glob("*.json")])
    lasting = await asyncio.create_subprocess_exec("sleep", "3600")
    other = await asyncio.create_subprocess_exec("sleep", "3600")
    for name, pid in ((f"mcpdeck-weather-{first.uid}", lasting.pid), ("somebodys", other.pid)):
        told = json.loads(left) | {"pid": pid}
        if name == "somebodys":
            told["argv"] = []
        await asyncio.to_thread((state / f"{name}.json").write_text, json.dumps(told))
    try:
        async with local_backend(tmp_path / "data", environ=environ):
            async with asyncio.timeout(PATIENT):
                assert await lasting.wait() == -signal.SIGKILL
        assert other.returncode is None
    finally:
        other.kill()
        await other.wait()


def test_no_engine_is_none(tmp_path: Path) -> None:
    assert find_engine({"PATH": str(tmp_path)}) is None


def test_an_engines_own_variables_are_not_an_adapters_to_set(environ: Mapping[str, str]) -> None:
    engine = find_engine({**environ, "LD_PRELOAD": "/x.so"})
    assert engine is not None
    assert [
        name for name in ("PATH", "DOCKER_HOST", "LD_PRELOAD", "HOME", "TOKEN", "DATABASE_URL") if engine.owns(name)
    ] == [
        "PATH",
        "DOCKER_HOST",
        "LD_PRELOAD",
        "HOME",
    ]
    assert "LD_PRELOAD" not in engine.environment


@pytest.mark.parametrize(
    ("quantity", "number"),
    [
        ("500m", 0.5),
        ("2", 2),
        ("1.5", 1.5),
        ("1k", 1000),
        ("512Mi", 536870912),
        ("2Gi", 2147483648),
        ("1Ki", 1024),
        ("1E", 1e18),
    ],
)
def test_quantities_are_kubernetes_own(quantity: str, number: float) -> None:
    assert amount(quantity) == number


@pytest.mark.parametrize("quantity", ["", "m", "1ki", "1 Gi", "-1", "1Mb"])
def test_what_is_no_quantity_is_refused(quantity: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        amount(quantity)


def test_a_digest_is_joined_as_one() -> None:
    digest = "sha256:" + "0" * 64
    assert image_of(spec(image_version=digest)) == f"example.com/weather@{digest}"


# what can't run here


async def refusal(folder: Path, wanted: AdapterSpec, environ: Mapping[str, str], **options: Any) -> Any:
    async with local_backend(folder, environ=environ, **options) as backend:
        return await backend.refusal(wanted)


async def test_an_image_without_an_engine_says_what_to_do(tmp_path: Path) -> None:
    refused = await refusal(tmp_path, spec(), {"PATH": "/nowhere"})
    assert isinstance(refused, Unsupported)
    assert refused.detail == (
        "images need podman or docker on the gateway's PATH: install one of them, "
        "deploy the server as stdio or url, or run it on the cluster backend"
    )


async def test_an_engine_that_does_not_work_is_quoted(tmp_path: Path, environ: Mapping[str, str]) -> None:
    refused = await refusal(tmp_path / "data", spec(), {**environ, "DOCKER_BROKEN": "1"})
    assert isinstance(refused, Unsupported)
    assert "does not work (Cannot connect to the Docker daemon)" in refused.detail


async def test_an_engine_that_vanished_is_quoted(tmp_path: Path, environ: Mapping[str, str]) -> None:
    async with local_backend(tmp_path / "data", environ=environ) as backend:
        await asyncio.to_thread((tmp_path / "bin" / "docker").unlink)
        refused = await backend.refusal(spec())
    assert isinstance(refused, Unsupported)
    assert "No such file or directory" in refused.detail


async def test_variables_that_steer_the_engine_are_named(tmp_path: Path, environ: Mapping[str, str]) -> None:
    token = SecretReference(secret="a", key="b")
    wanted = spec(environment_variables={"PATH": "/x", "FINE": "1"}, secret_environment={"DOCKER_HOST": token})
    refused = await refusal(tmp_path / "data", wanted, environ)
    assert isinstance(refused, Invalid)
    assert set(refused.errors) == {"environmentVariables.PATH", "secretEnvironment.DOCKER_HOST"}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (stdio_spec(use_workload_identity=True), "set useWorkloadIdentity to false"),
        (
            AdapterSpec(name="weather", stdio=Stdio(command="x", image_name="y", image_version="1")),
            "leave out stdio.imageName",
        ),
    ],
)
async def test_what_only_a_cluster_has_is_unsupported_with_a_way_out(
    tmp_path: Path, wanted: AdapterSpec, words: str
) -> None:
    refused = await refusal(tmp_path, wanted, os.environ)
    assert isinstance(refused, Unsupported)
    assert words in refused.detail


@pytest.mark.parametrize(
    ("wanted", "field", "words"),
    [
        (AdapterSpec(name="a", url="https://10.0.0.1/mcp"), "url", "private"),
        (AdapterSpec(name="a", url="https://169.254.169.254/"), "url", "where no adapter may lie"),
        (AdapterSpec(name="a", url="http://93.184.216.34/"), "url", "reached by https only"),
        (AdapterSpec(name="a", url="https://93.184.216.34:99999/"), "url", "Port out of range"),
        (AdapterSpec(name="a", url="https://93.184.216.34/", replica_count=2), "replicaCount", "0 or 1"),
    ],
)
async def test_a_url_out_of_bounds_is_an_error_of_its_field(
    tmp_path: Path, wanted: AdapterSpec, field: str, words: str
) -> None:
    refused = await refusal(tmp_path, wanted, os.environ)
    assert isinstance(refused, Invalid)
    assert words in refused.errors[field][0]


@pytest.mark.parametrize("url", ["https://93.184.216.34/mcp", "https://nowhere.example/mcp"])
async def test_a_url_that_can_be_tried_is_not_refused(tmp_path: Path, url: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise OSError("not known")

    assert await refusal(tmp_path, AdapterSpec(name="a", url=url), os.environ, resolve=resolve) is None


async def test_a_private_url_is_fine_where_an_operator_says_so(tmp_path: Path) -> None:
    wanted = AdapterSpec(name="a", url="http://127.0.0.1:9/mcp")
    assert await refusal(tmp_path, wanted, os.environ, allow_private=True) is None


async def test_stdio_needs_a_posix_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with local_backend(tmp_path) as backend:
        with monkeypatch.context() as patch:
            patch.setattr("sys.platform", "win32")
            refused = await backend.refusal(stdio_spec())
    assert isinstance(refused, Unsupported)
    assert "WSL" in refused.detail


# beside each other


async def test_processes_of_no_container_are_marked_as_its_clients_are(
    tmp_path: Path, environ: Mapping[str, str], state: Path
) -> None:
    async with local_backend(tmp_path / "data", environ=environ) as backend:
        await backend.apply([desired(spec())])
        instance = only(await until(backend, are_ready(1)))
        assert containers(state)[0]["pid"] not in [each.pid for each in processes_of(instance.uid)]
