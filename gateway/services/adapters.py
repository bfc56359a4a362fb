"""What callers may do with adapters: who may, what is valid, and which revision it replaces. Starts nothing itself.

Every write is one write to the store; the reconciler makes it so.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from gateway.core.access import ADMIN_ROLE, DEFAULT_CREATE_ROLES, Principal, may_create, may_read, may_write
from gateway.core.desired import Desired
from gateway.core.errors import Forbidden, Invalid, NotFound, PreconditionFailed
from gateway.core.ports import Backend, Store
from gateway.services.decoding import Json, patched
from gateway.services.reconcile import Reconciler
from gateway.wire.names import parse_adapter_name
from gateway.wire.resources import AdapterSpec, AdapterStatus, normalized, problems_of

_TRIES: Final = 5  # of a write without If-Match that others get in the way of

type Change = Callable[[Desired], Desired]


class Adapters:
    """create_roles, identity_roles: who may create, and who may give an adapter the cloud's identity; case-folded.

    `name` is what stood in the URL, `if_match` the header or "". All raise NotFound and Forbidden; writes also Invalid,
    PreconditionFailed, Conflict, and what the backend refuses with.
    """

    def __init__(
        self,
        store: Store,
        backend: Backend,
        *,
        reconciler: Reconciler,
        create_roles: frozenset[str] = DEFAULT_CREATE_ROLES,
        identity_roles: frozenset[str] = frozenset({ADMIN_ROLE}),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._backend, self._reconciler = store, backend, reconciler
        self._create_roles, self._identity_roles = create_roles, identity_roles | {ADMIN_ROLE}
        self._clock = clock

    async def visible(self, principal: Principal) -> list[Desired]:
        """Those that the caller may read, by name."""
        return [each for each in await self._store.list() if may_read(principal, each.ownership)]

    async def get(self, principal: Principal, name: str) -> Desired:
        found = await self._found(name)
        if not may_read(principal, found.ownership):
            raise Forbidden(
                f"adapter '{name}' is for its creator, administrators, and whoever has one of its requiredRoles"
            )
        return found

    def status(self, desired: Desired) -> AdapterStatus:
        return self._reconciler.status(desired)

    def may_create(self, principal: Principal) -> bool:
        return may_create(principal, self._create_roles)

    async def create(self, principal: Principal, spec: AdapterSpec) -> Desired:
        if not self.may_create(principal):
            raise Forbidden(f"to create an adapter takes one of the roles {', '.join(sorted(self._create_roles))}")
        spec = _checked(spec)
        if spec.use_workload_identity:
            self._check_identity(principal)
        await self._check_backend(spec)
        now = self._clock()
        desired = Desired(spec=spec, created_by=principal.id, created_at=now, last_updated_at=now)
        stored = await self._store.put(desired, expect=None)
        self._reconciler.kick()
        return stored

    async def replace(self, principal: Principal, name: str, spec: AdapterSpec, *, if_match: str = "") -> Desired:
        found = await self._writable(principal, name)
        checked = _checked(spec)

        def change(old: Desired) -> Desired:
            self._check_kept(old, checked)
            return _replaced(old, checked, self._clock())

        return await self._written(principal, found, change, if_match)

    async def patch(self, principal: Principal, name: str, patch: dict[str, Json], *, if_match: str = "") -> Desired:
        """patch: RFC 7396, on what the caller sees."""
        found = await self._writable(principal, name)

        def change(old: Desired) -> Desired:
            spec = _checked(patched(old, patch))
            self._check_kept(old, spec)
            return _replaced(old, spec, self._clock())

        return await self._written(principal, found, change, if_match)

    async def restart(self, principal: Principal, name: str, *, if_match: str = "") -> Desired:
        """One instance after the other, as the backend can."""
        found = await self._writable(principal, name)
        now = self._clock()
        return await self._written(
            principal, found, lambda old: msgspec.structs.replace(old, restarted_at=now), if_match
        )

    async def delete(self, principal: Principal, name: str, *, if_match: str = "") -> None:
        """Its route is gone when this returns; its instances follow."""
        found = await self._writable(principal, name)
        _check_match(if_match, found)
        await self._store.delete(found.name, expect=found.revision if if_match else None)
        self._reconciler.forget(found.name)

    async def _found(self, name: str) -> Desired:
        try:
            found = await self._store.get(parse_adapter_name(name))
        except ValueError:  # no adapter can have such a name
            found = None
        if found is None:
            raise NotFound(f"there is no adapter '{name}'; see: mcpdeck adapters list")
        return found

    async def _writable(self, principal: Principal, name: str) -> Desired:
        found = await self._found(name)
        if not may_write(principal, found.ownership):
            raise Forbidden(f"adapter '{name}' is {found.created_by}'s to change, and administrators'")
        return found

    async def _written(self, principal: Principal, found: Desired, change: Change, if_match: str) -> Desired:
        """Without If-Match the last writer wins, so it is tried again on what somebody else just wrote."""
        for left in reversed(range(_TRIES)):
            _check_match(if_match, found)
            new = change(found)
            if _runs_otherwise(found.spec, new.spec):
                await self._check_backend(new.spec)
            try:
                stored = await self._store.put(new, expect=found.revision)
            except PreconditionFailed:
                if if_match or not left:
                    raise
                found = await self._writable(principal, found.name)
            else:
                self._reconciler.kick()
                return stored
        raise AssertionError  # the last try has raised or returned

    async def _check_backend(self, spec: AdapterSpec) -> None:
        refusal = await self._backend.refusal(spec)
        if refusal is not None:
            raise refusal

    def _check_identity(self, principal: Principal) -> None:
        if principal.roles.isdisjoint(self._identity_roles):
            roles = ", ".join(sorted(self._identity_roles))
            raise Forbidden(
                f"useWorkloadIdentity takes one of the roles {roles}: it lets the adapter act as the cluster"
            )

    def _check_kept(self, old: Desired, spec: AdapterSpec) -> None:
        errors: dict[str, list[str]] = {}
        if spec.name != old.name:
            errors["name"] = [f"must be '{old.name}' as in the URL; a name never changes"]
        if spec.use_workload_identity != old.spec.use_workload_identity:
            errors["useWorkloadIdentity"] = ["never changes; delete the adapter and create it anew"]
        if errors:
            raise Invalid(_summary(errors), errors=errors)


def _checked(spec: AdapterSpec) -> AdapterSpec:
    spec = normalized(spec)
    if errors := problems_of(spec):
        raise Invalid(_summary(errors), errors=errors)
    return spec


def _summary(errors: dict[str, list[str]]) -> str:
    """One sentence, for whoever shows only that."""
    return "; ".join(f"{field} {sentences[0]}" for field, sentences in errors.items())


def _replaced(old: Desired, spec: AdapterSpec, now: datetime) -> Desired:
    return msgspec.structs.replace(old, spec=spec, last_updated_at=now)


def _runs_otherwise(old: AdapterSpec, new: AdapterSpec) -> bool:
    """Whether more changes than how many run, who may, and what is said of it."""

    def stripped(spec: AdapterSpec) -> AdapterSpec:
        return msgspec.structs.replace(spec, replica_count=1, required_roles=[], description="")

    return stripped(old) != stripped(new)


def _check_match(if_match: str, found: Desired) -> None:
    if if_match and not is_match(if_match, found.etag):
        raise PreconditionFailed(
            f"adapter '{found.name}' is at {found.etag}, not at {if_match}: read it again, then change it"
        )


def is_match(header: str, etag: str) -> bool:
    """Whether If-Match or If-None-Match names an etag. A proxy that made it weak changed nothing: it is a revision."""
    said = [each.strip().removeprefix("W/") for each in header.split(",")]
    return "*" in said or etag in said or etag.strip('"') in said
