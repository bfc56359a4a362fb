"""Containers of this machine's engine, podman or docker, by its command line: what to say to it. Watches nothing.

`run` stays in the foreground, so that a container is a child like any other; what its end may leave is removed by name.
"""

import asyncio
import contextlib
import re
import shutil
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from gateway.backends.process.environment import scrubbed
from gateway.wire.resources import AdapterSpec, ResourceList

ENGINES: Final = ("podman", "docker")
LABEL: Final = "dev.mcpdeck.folder"
UID_LABEL: Final = "dev.mcpdeck.uid"
_OWN_PREFIXES: Final = ("DOCKER_", "CONTAINER_", "CONTAINERS_", "PODMAN_", "LD_", "DYLD_", "XDG_", "DBUS_")
_PATIENCE: Final = 10.0  # seconds for one command
_QUANTITY = re.compile(r"([0-9.]+)(m|[kMGTPE]|[KMGTPE]i|)")
_FACTOR: Final = {
    "": 1.0,
    "m": 0.001,
    **{letter: 1000.0**power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", 1)},
}


class Engine(msgspec.Struct, frozen=True):
    """path: of its command. environment: what the command itself needs, and the container never sees."""

    path: str
    environment: Mapping[str, str]

    def run(
        self, spec: AdapterSpec, *, name: str, port: int, labels: Mapping[str, str], variables: Sequence[str]
    ) -> list[str]:
        """The argv, which all can see: of variables it has the names; their values come from the command's own."""
        limits = spec.resources.limits
        entry = ["--entrypoint", spec.command[0]] if spec.command else []
        return [
            *(self.path, "run", "--rm", "--name", name, "--pull", "missing"),
            *(f"--label={key}={value}" for key, value in labels.items()),
            f"--publish=127.0.0.1:{port}:{spec.port}",
            *("--cap-drop=ALL", "--security-opt=no-new-privileges", "--pids-limit=512", "--read-only"),
            f"--tmpfs=/tmp:rw,nosuid,nodev{_size(limits)}",
            *_limits(limits),
            *(f"--env={name}" for name in variables),
            *entry,
            image_of(spec),
            *spec.command[1:],
            *spec.args,
        ]

    def owns(self, variable: str) -> bool:
        """Whether a variable steers the command itself, so that no adapter may set it."""
        return variable in self.environment or variable.startswith(_OWN_PREFIXES)

    async def trouble(self) -> str | None:
        """Why it does not work; None where it does."""
        status, said = await self._say("version")
        return None if status == 0 else said.strip().rpartition("\n")[2] or f"it exits with {status}"

    async def remove(self, containers: Sequence[str]) -> None:
        """Whether they are there or not."""
        if containers:
            await self._say("rm", "--force", *containers)

    async def containers(self, folder_id: str) -> list[str]:
        """The names of all containers of a data folder."""
        _, said = await self._say("ps", "--all", f"--filter=label={LABEL}={folder_id}", "--format={{.Names}}")
        return said.split()

    async def _say(self, *words: str) -> tuple[int, str]:
        try:
            process = await asyncio.create_subprocess_exec(
                self.path,
                *words,
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return 127, f"{self.path}: {error.strerror or error}"
        try:
            async with asyncio.timeout(_PATIENCE):
                said, _ = await process.communicate()
                return process.returncode or 0, said.decode(errors="replace")
        except TimeoutError:
            return 124, f"{self.path} {words[0]} does not answer within {_PATIENCE:g} s"
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


def find_engine(environ: Mapping[str, str]) -> Engine | None:
    """The first one there is on the gateway's PATH."""
    needed = scrubbed(environ) | {
        name: value for name, value in environ.items() if name.startswith(_OWN_PREFIXES) and not name.startswith("LD_")
    }
    paths = (shutil.which(name, path=needed["PATH"]) for name in ENGINES)
    return next((Engine(path, needed) for path in paths if path is not None), None)


def image_of(spec: AdapterSpec) -> str:
    return f"{spec.image_name}{'@' if spec.image_version.startswith('sha256:') else ':'}{spec.image_version}"


def amount(quantity: str) -> float:
    """A Kubernetes quantity as a number: `500m` is 0.5, `2Gi` is 2147483648. Raises ValueError."""
    found = _QUANTITY.fullmatch(quantity)
    if found is None:
        raise ValueError(f"{quantity!r} is not a quantity")
    return float(found[1]) * _FACTOR[found[2]]


def _limits(limits: ResourceList) -> list[str]:
    flags = [f"--memory={int(amount(limits.memory))}"] if limits.memory else []
    return flags + ([f"--cpus={amount(limits.cpu):g}"] if limits.cpu else [])


def _size(limits: ResourceList) -> str:
    return f",size={int(amount(limits.ephemeral_storage))}" if limits.ephemeral_storage else ""
