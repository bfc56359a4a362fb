"""Starts one life of an instance, finds those that outlived a gateway, and clears away what is left of one.

Everything that a start needs happens without a turn of the loop: there is no moment at which a process is nobody's.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Final

import msgspec
import psutil

from gateway.backends.process import keeper, strays
from gateway.backends.process.child import Child, began, start
from gateway.backends.process.engine import LABEL, UID_LABEL, Engine
from gateway.backends.process.environment import Secrets
from gateway.backends.process.folder import Folder
from gateway.backends.process.logs import Logs
from gateway.backends.process.plan import Plan
from gateway.backends.process.records import Record, Records
from gateway.backends.reach.problems import CannotStart
from gateway.wire.names import instance_name
from gateway.wire.resources import AdapterSpec, Isolation, Stdio

log = logging.getLogger(__name__)

_KEEPER_ENDS: Final = 5.0  # seconds that the keeper of a log may take for an ended child's last words
_HOW_TO_GET: Final = {
    "uv": "pip install uv",
    "uvx": "pip install uv",
    "npx": "install Node.js, https://nodejs.org",
    "npm": "install Node.js, https://nodejs.org",
    "node": "install Node.js, https://nodejs.org",
    "bunx": "install Bun, https://bun.sh",
    "deno": "install Deno, https://deno.com",
    "docker": "install Docker or podman",
}


class Running(msgspec.Struct):
    """A started life. `record` is as on disk."""

    record: Record
    child: Child
    keeper: Child | None


class _Command(msgspec.Struct, frozen=True):
    argv: Sequence[str]
    environment: Mapping[str, str]
    port: int
    path: str = "/mcp"
    container: str = ""


class Launcher:
    """environment: what every child sees of the gateway's, scrubbed already. max_body: bytes that a sidecar takes."""

    def __init__(
        self,
        folder: Folder,
        *,
        environment: Mapping[str, str],
        secrets: Secrets,
        logs: Logs,
        engine: Engine | None,
        max_body: int,
    ) -> None:
        self._folder, self._environment, self._secrets, self._logs = folder, environment, secrets, logs
        self._engine, self._max_body = engine, max_body
        self._records = Records(folder.records)

    def start(self, plan: Plan, ordinal: int, *, restarts: int) -> Running:
        """Raises CannotStart."""
        try:
            with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
                return self._start(plan, ordinal, listener, restarts=restarts)
        except OSError as error:
            raise CannotStart("CannotStart", f"this machine can't start it: {error}") from error

    def adopt(self, record: Record) -> Running:
        """One that `survivors` found."""
        return Running(record, Child(record.pid), Child(record.keeper) if _is_keeper(record.keeper) else None)

    def note(self, running: Running, record: Record) -> None:
        """What has become known of it, for the next gateway. Its own comes first: a full disk is only said."""
        running.record = record
        try:
            self._records.write(record)
        except OSError as error:
            log.warning("%s: what is known of it can't be written: %s", record.instance, error)

    async def clear(self, running: Running) -> None:
        """After its child has ended: the last lines come in, and nothing of it lives on."""
        record = running.record
        await asyncio.to_thread(strays.kill_strays, self._folder.id, [record.uid])
        if record.container and self._engine is not None:
            await self._engine.remove([record.container])
        if running.keeper is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_KEEPER_ENDS):
                    await running.keeper.ended.wait()
        self._records.forget(record.uid)

    async def survivors(self) -> Sequence[Record]:
        """Lives that outlived a gateway. What of this folder runs without a record, or beside its child, is killed."""
        records = {record.uid: record for record in self._records.all()}
        found = await asyncio.to_thread(strays.strays_of, self._folder.id)
        living = {uid: record for uid, record in records.items() if self._is_living(record)}
        orphans = (records.keys() | found.keys()) - living.keys()
        if orphans:
            killed = await asyncio.to_thread(strays.kill_strays, self._folder.id, orphans)
            log.info("an earlier gateway left %d processes, which are killed", killed)
        for uid in orphans:
            self._records.forget(uid)
        await self._remove_containers({record.container for record in living.values()})
        return list(living.values())

    def kill_all(self) -> None:
        """Everything of this folder, at once and without the loop: the last thing that a gateway does."""
        for record in self._records.all():
            strays.kill_strays(self._folder.id, [record.uid])
            self._records.forget(record.uid)

    def _is_living(self, record: Record) -> bool:
        return record.pid != 0 and strays.is_marked(record.pid, self._folder.id, record.uid, began=record.began)

    async def _remove_containers(self, kept: set[str]) -> None:
        if self._engine is not None and self._has_contained.exists():
            left = await self._engine.containers(self._folder.id)
            await self._engine.remove([name for name in left if name not in kept])

    @property
    def _has_contained(self) -> Path:
        """There once a container was started here: without it, the engine need not be asked at each start."""
        return self._folder.records / "containers"

    def _start(self, plan: Plan, ordinal: int, listener: socket.socket, *, restarts: int) -> Running:
        instance = instance_name(plan.adapter, ordinal)
        uid = token_hex(8)
        command = self._command(plan.spec, uid, listener)
        folder = self._folder.work(plan.adapter)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        logs, life = self._logs.new_life(instance)
        record = Record(
            uid=uid,
            adapter=plan.adapter,
            ordinal=ordinal,
            life=life,
            digest=plan.digest,
            port=command.port,
            path=command.path,
            started_at=datetime.now(UTC),
            container=command.container,
            restarts=restarts,
            is_tool=plan.is_tool,
            is_shared=plan.spec.stdio is not None and plan.spec.session.isolation is Isolation.SHARED,
        )
        self._records.write(record)
        try:
            child, keeping = self._start_both(command, record, folder=folder, logs=logs, listener=listener)
        except BaseException:
            self._records.forget(uid)
            raise
        running = Running(record, child, keeping)
        known = msgspec.structs.replace(record, pid=child.pid, began=began(child.pid), keeper=keeping.pid)
        self.note(running, known)
        return running

    def _start_both(
        self, command: _Command, record: Record, *, folder: Path, logs: Path, listener: socket.socket
    ) -> tuple[Child, Child]:
        """The child, and the keeper of its log, which ends by itself when nobody can write to the log any more."""
        reading, writing = os.pipe()
        try:
            argv = [sys.executable, "-I", "-S", keeper.__file__, str(logs), str(record.life)]
            keeping = start(argv, environment={}, folder=logs, stdin=reading)
            descriptors = () if command.container else (listener.fileno(),)
            marked = {**command.environment, strays.MARK: strays.mark_of(self._folder.id, record.uid)}
            return (
                start(command.argv, environment=marked, folder=folder, output=writing, descriptors=descriptors),
                keeping,
            )
        finally:
            os.close(reading)
            os.close(writing)

    def _command(self, spec: AdapterSpec, uid: str, listener: socket.socket) -> _Command:
        own = {**spec.environment_variables, **self._secrets.values(spec.secret_environment)}
        if spec.stdio is not None:
            environment = {**self._environment, **own}
            find_command(spec.stdio, environment["PATH"])
            argv = sidecar_argv(
                spec, spec.stdio, descriptor=listener.fileno(), state=self._folder.eras, max_body=self._max_body
            )
            return _Command(argv, environment, listener.getsockname()[1])
        return self._container(spec, uid, own)

    def _container(self, spec: AdapterSpec, uid: str, own: Mapping[str, str]) -> _Command:
        if self._engine is None:
            raise CannotStart(
                "NoEngine", "there is neither podman nor docker on the gateway's PATH: install one of them"
            )
        self._has_contained.touch()
        name, port = f"mcpdeck-{spec.name}-{uid}", _free_port()
        labels = {LABEL: self._folder.id, UID_LABEL: uid}
        argv = self._engine.run(spec, name=name, port=port, labels=labels, variables=list(own))
        return _Command(argv, {**self._engine.environment, **own}, port, spec.path, name)


def sidecar_argv(spec: AdapterSpec, stdio: Stdio, *, descriptor: int, state: Path, max_body: int) -> list[str]:
    """The sidecar that serves a stdio server on an inherited socket. -I: what an adapter sets for its own Python
    (PYTHONPATH, PYTHONHOME) is not for the sidecar's."""
    session = spec.session
    return [
        *(sys.executable, "-I", "-m", "sidecar", "--fd", str(descriptor), "--name", spec.name),
        *("--isolation", session.isolation, "--max-sessions", str(session.max)),
        *("--idle-timeout", f"{session.idle_timeout:g}", "--max-body", str(max_body), "--state", str(state)),
        *("--", stdio.command, *stdio.args),
    ]


def find_command(stdio: Stdio, path: str) -> str:
    """Where the command is. Raises CannotStart: CommandNotFound, with what to do."""
    command = stdio.command
    if os.sep in command and not Path(command).is_absolute():
        raise CannotStart(
            "CommandNotFound",
            f"{command!r} is a relative path, and relative to what nobody knows: give an absolute one",
        )
    found = shutil.which(command, path=path)
    if found is not None:
        return found
    if Path(command).is_absolute():
        what = "may not be executed: chmod +x it" if Path(command).exists() else "does not exist"
        raise CannotStart("CommandNotFound", f"{command!r} {what}")
    advice = _HOW_TO_GET.get(command, "install it, or give its absolute path")
    raise CannotStart("CommandNotFound", f"{command!r} is not on the gateway's PATH: {advice}")


def _is_keeper(pid: int) -> bool:
    """Whether a process keeps a log; its number may have become another's."""
    try:
        return pid != 0 and keeper.__file__ in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def _free_port() -> int:
    """For the engine, which takes no socket. If somebody else is faster, the container ends, and is started anew."""
    with socket.create_server(("127.0.0.1", 0)) as probing:
        return int(probing.getsockname()[1])
