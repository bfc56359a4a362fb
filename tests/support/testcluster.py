"""The real Kubernetes of ../shared/testcluster: brought up once for all workers of a run, and left running.

Ordinary tests share it, each in a namespace of its own; one that breaks parts of it asks for it alone.
"""

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import yaml

from gateway.cluster.api import Api, open_api

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT.parent / "shared" / "testcluster"
PROGRAMS = Path(os.environ.get("TESTCLUSTER_BIN", "/var/cache/testcluster/bin"))
STATE = Path(os.environ.get("TESTCLUSTER_STATE", "/var/lib/testcluster"))
REDIS = "mcpdeck/redis:local"
_LOCK = Path(tempfile.gettempdir()) / "mcpdeck-testcluster.lock"
_START = 1800  # seconds; the first start on a machine builds Kubernetes


def why_not() -> str:
    """Why there can be no test cluster here; "" where there can."""
    if not (SCRIPTS / "up").exists():
        return "there is no ../shared/testcluster"
    if os.geteuid() != 0:
        return "the test cluster needs root"
    if not (PROGRAMS / "kubelet").exists() and shutil.which("go") is None:
        return "the test cluster is not built, and there is no Go to build it with"
    return ""


def bring_up() -> Path:
    """The kubeconfig. Workers wait for the first of them."""
    with _locked(fcntl.LOCK_EX):
        done = subprocess.run([SCRIPTS / "up"], capture_output=True, text=True, check=False, timeout=_START)
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip().splitlines()[-1])


@contextmanager
def shared() -> Iterator[None]:
    """While nobody breaks it."""
    with _locked(fcntl.LOCK_SH):
        yield


@contextmanager
def alone() -> Iterator[None]:
    """While no other test uses it."""
    with _locked(fcntl.LOCK_EX):
        yield


def kubectl(*words: str, stdin: str = "") -> str:
    """What it printed. AssertionError with what it complained of."""
    done = subprocess.run(
        [PROGRAMS / "kubectl", *words],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "KUBECONFIG": str(STATE / "admin.kubeconfig")},
    )
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
    return done.stdout


def as_json(*words: str) -> Any:
    return msgspec.json.decode(kubectl(*words, "-o", "json"))


def install_definitions() -> None:
    kubectl("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "manifests" / "crds"))
    kubectl(
        "wait",
        "--for=condition=Established",
        "crd/adapters.mcpdeck.dev",
        "crd/tools.mcpdeck.dev",
        "crd/toolsets.mcpdeck.dev",
        "crd/policies.mcpdeck.dev",
        "--timeout=30s",
    )


def runner_image() -> None:
    """The image of manifests/images/runner.Containerfile, as it is now, in the cluster."""
    image("runner", "mcpdeck/runner:local")


def redis_image() -> None:
    """Debian's Redis, since no registry is reached from here."""
    image(str(ROOT / "tests" / "support" / "redis"), REDIS)


def image(file: str, tag: str) -> None:
    """Of a Containerfile in manifests/images, or elsewhere by path. Layers that have not changed are from before."""
    name = Path(file).name
    with _locked(fcntl.LOCK_EX, "images"):
        base = "docker.io/library/python:slim"
        if subprocess.run(["buildah", "images", "-q", base], capture_output=True, check=False).returncode:
            _run(str(SCRIPTS / "python-image"))
        _run(str(ROOT / "manifests" / "images" / "build"), file, tag, base)
        built, loaded = _run("buildah", "images", "-q", tag), STATE / f"loaded-{name}"
        if not loaded.exists() or loaded.read_text() != built:
            _run(str(SCRIPTS / "load"), "--buildah", tag, tag)
            loaded.write_text(built)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_START)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr[-2000:]}"
    return done.stdout


def kill_container(pod: str, namespace: str) -> None:
    """SIGKILL to all of its processes, which run on this very machine: a crash, without a word to anyone."""
    (status,) = as_json("get", "pod", pod, "-n", namespace)["status"]["containerStatuses"]
    _, _, container = status["containerID"].rpartition("/")
    killed = 0
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if container in Path(f"/proc/{process.pid}/cgroup").read_text():
                process.kill()
                killed += 1
    assert killed, f"no process of {pod} is found"


@asynccontextmanager
async def without_api_server() -> AsyncIterator[None]:
    """Killed, and started anew as it was at the end. Only for who has the cluster alone."""
    pid_file = STATE / "run" / "kube-apiserver.pid"
    process = psutil.Process(int(pid_file.read_text()))
    argv = process.cmdline()
    process.kill()
    process.wait(30)
    try:
        yield
    finally:
        await asyncio.to_thread(_start_api_server, argv, pid_file)


def _start_api_server(argv: list[str], pid_file: Path) -> None:
    log = str(STATE / "log" / "kube-apiserver.log")
    onto_log = [(os.POSIX_SPAWN_OPEN, fd, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) for fd in (1, 2)]
    from_nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    program = str(PROGRAMS / "kube-apiserver")
    pid = os.posix_spawn(program, argv, os.environ, file_actions=[from_nothing, *onto_log], setsid=True)
    pid_file.write_text(f"{pid}\n")
    deadline = time.monotonic() + 60
    while True:
        try:
            kubectl("get", "--raw", "/readyz")
        except AssertionError:
            assert time.monotonic() < deadline, "the API server does not come back"
            time.sleep(0.2)
        else:
            return


@asynccontextmanager
async def namespace(kubeconfig: Path, prefix: str = "test") -> AsyncIterator[Api]:
    """A namespace of its own, whose end is not waited for."""
    name = f"{prefix}-{secrets.token_hex(4)}"
    await asyncio.to_thread(kubectl, "create", "namespace", name)
    try:
        async with open_api(namespace=name, kubeconfig=kubeconfig) as api:
            yield api
    finally:
        await asyncio.to_thread(kubectl, "delete", "namespace", name, "--wait=false")


def adapter_yaml(name: str, spec: dict[str, Any], **metadata: Any) -> str:
    told = {
        "apiVersion": "mcpdeck.dev/v1alpha1",
        "kind": "Adapter",
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }
    return yaml.safe_dump(told)


@contextmanager
def _locked(how: int, what: str = "cluster") -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(Path(f"{_LOCK}.{what}").open("a"))
        fcntl.flock(file, how)
        yield
