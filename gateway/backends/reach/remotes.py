"""The servers elsewhere that a backend looks after, each by a task of its own. Knows of none how it is looked at."""

import asyncio
import logging
from collections.abc import Callable, Iterator

from gateway.backends.reach.caller import Caller
from gateway.backends.reach.patience import Patience
from gateway.backends.reach.remote import Egress, Remote, Resolve, SecretValues
from gateway.core.desired import Desired
from gateway.core.observed import Observed
from gateway.wire.names import AdapterName

log = logging.getLogger(__name__)


class Remotes:
    """on_change: told whose looks have changed. An error that nobody foresaw in one of them is that one's alone."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        on_change: Callable[[AdapterName], None],
        *,
        caller: Caller,
        secrets: SecretValues,
        egress: Egress,
        resolve: Resolve,
        patience: Patience,
    ) -> None:
        self._tasks, self._on_change = tasks, on_change
        self._caller, self._secrets, self._egress, self._resolve = caller, secrets, egress, resolve
        self._patience = patience
        self._kept: dict[AdapterName, tuple[Remote, asyncio.Task[None]]] = {}

    def __contains__(self, name: AdapterName) -> bool:
        return name in self._kept

    def __iter__(self) -> Iterator[AdapterName]:
        return iter(tuple(self._kept))

    def observed(self, name: AdapterName) -> Observed:
        """Of one that is kept."""
        return self._kept[name][0].observed()

    def want(self, desired: Desired, before: Desired | None) -> None:
        """before: what was wanted of that name until now, if something was."""
        name = desired.name
        if before is not None and before.is_tool != desired.is_tool:
            self.dismiss(name)
        if name in self._kept:
            is_renewed = before is not None and before.restarted_at != desired.restarted_at
            self._kept[name][0].want(desired.spec, is_renewed=is_renewed)
            return
        remote = Remote(
            desired.spec,
            is_tool=desired.is_tool,
            caller=self._caller,
            secrets=self._secrets,
            egress=self._egress,
            resolve=self._resolve,
            patience=self._patience,
            on_change=lambda: self._on_change(name),
        )
        self._kept[name] = remote, self._tasks.create_task(self._keep(name, remote), name=f"{name}: look after")

    def dismiss(self, name: AdapterName) -> None:
        _, task = self._kept.pop(name, (None, None))
        if task is not None:
            task.cancel()

    async def _keep(self, name: AdapterName, remote: Remote) -> None:
        while True:
            try:
                await remote.keep()
            except Exception:  # it would end the backend, and the gateway with it
                log.exception("%s can't be looked after", name)
                await asyncio.sleep(self._patience.longest_restart)
