"""Named resources that callers create, change and delete: who may, what is valid, and which revision it replaces.

The same for every kind. Every write is one write to the store; what must follow is the kind's own to know.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar, Final

import msgspec

from gateway.core.access import DEFAULT_CREATE_ROLES, Principal, may_create, may_read, may_write
from gateway.core.desired import Kept
from gateway.core.errors import Conflict, Forbidden, Invalid, NotFound, PreconditionFailed
from gateway.core.ports import Store
from gateway.services.decoding import Json, patched
from gateway.wire.names import AdapterName, parse_adapter_name

_TRIES: Final = 5  # of a write without If-Match that others get in the way of


class Managed[Stored: Kept, Spec: msgspec.Struct]:
    """noun, a_noun: what one is called. stored, spec: the types of one. create_roles: who may create; case-folded.

    `name` is what stood in the URL, `if_match` the header or "". All raise NotFound and Forbidden; writes also Invalid,
    PreconditionFailed, Conflict, and what the kind itself refuses with.
    """

    noun: ClassVar[str]
    a_noun: ClassVar[str]
    plural: ClassVar[str] = ""

    def __init__(
        self,
        store: Store[Stored],
        stored: type[Stored],
        spec: type[Spec],
        *,
        create_roles: frozenset[str] = DEFAULT_CREATE_ROLES,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self.stored, self.spec = store, stored, spec
        self._create_roles, self._clock = create_roles, clock

    # for a kind to fill in

    def checked(self, spec: Spec) -> Spec:
        """Tidied up. Raises Invalid."""
        raise NotImplementedError

    def kept_errors(self, old: Stored, spec: Spec) -> dict[str, list[str]]:  # noqa: ARG002 - for who overrides it
        """What of a new specification must be as it was, beside the name."""
        return {}

    async def admit(self, principal: Principal, new: Stored, old: Stored | None) -> None:
        """Raises what speaks against it, beside what `checked` found. old: None where it is created."""

    async def check_name(self, new: Stored, old: Stored | None) -> None:
        """Raises Conflict where something of another kind has the name, and may not. old: as in `admit`."""

    async def was_written(self, stored: Stored) -> None:
        raise NotImplementedError

    async def was_deleted(self, name: AdapterName) -> None:
        raise NotImplementedError

    # the same for all

    async def visible(self, principal: Principal) -> list[Stored]:
        """Those that the caller may read, by name."""
        return [each for each in await self._store.list() if may_read(principal, each.ownership)]

    async def get(self, principal: Principal, name: str) -> Stored:
        found = await self._found(name)
        if not may_read(principal, found.ownership):
            raise Forbidden(
                f"{self.noun} '{name}' is for its creator, administrators, and whoever has one of its requiredRoles"
            )
        return found

    def may_create(self, principal: Principal) -> bool:
        return may_create(principal, self._create_roles)

    async def create(self, principal: Principal, spec: Spec) -> Stored:
        if not self.may_create(principal):
            raise Forbidden(f"to create {self.a_noun} takes one of the roles {', '.join(sorted(self._create_roles))}")
        checked, now = self.checked(spec), self._clock()
        new = self.stored(spec=checked, created_by=principal.id, created_at=now, last_updated_at=now)
        await self.admit(principal, new, None)
        stored = await self._put(new, None)
        await self.was_written(stored)
        return stored

    async def replace(self, principal: Principal, name: str, spec: Spec, *, if_match: str = "") -> Stored:
        found = await self._writable(principal, name)
        checked = self.checked(spec)
        return await self._written(principal, found, lambda old: self._replaced(old, checked), if_match)

    async def patch(self, principal: Principal, name: str, patch: dict[str, Json], *, if_match: str = "") -> Stored:
        """patch: RFC 7396, on what the caller sees."""
        found = await self._writable(principal, name)

        def change(old: Stored) -> Stored:
            return self._replaced(old, self.checked(patched(old.shown(to_writer=True), patch, self.spec)))

        return await self._written(principal, found, change, if_match)

    async def delete(self, principal: Principal, name: str, *, if_match: str = "") -> None:
        """What follows from its being gone has begun when this returns."""
        found = await self._writable(principal, name)
        self._check_match(if_match, found)
        await self._store.delete(found.name, expect=found.revision if if_match else None)
        await self.was_deleted(found.name)

    async def _found(self, name: str) -> Stored:
        try:
            found = await self._store.get(parse_adapter_name(name))
        except ValueError:  # nothing can have such a name
            found = None
        if found is None:
            raise NotFound(f"there is no {self.noun} '{name}'; see: mcpdeck {self.plural or f'{self.noun}s'} list")
        return found

    async def _writable(self, principal: Principal, name: str) -> Stored:
        found = await self._found(name)
        if not may_write(principal, found.ownership):
            raise Forbidden(f"{self.noun} '{name}' is {found.created_by}'s to change, and administrators'")
        return found

    async def _written(
        self, principal: Principal, found: Stored, change: Callable[[Stored], Stored], if_match: str
    ) -> Stored:
        """Without If-Match the last writer wins, so it is tried again on what somebody else just wrote."""
        for left in reversed(range(_TRIES)):
            self._check_match(if_match, found)
            new = change(found)
            await self.admit(principal, new, found)
            try:
                stored = await self._put(new, found)
            except PreconditionFailed:
                if if_match or not left:
                    raise
                found = await self._writable(principal, found.name)
            else:
                await self.was_written(stored)
                return stored
        raise AssertionError  # the last try has raised or returned

    async def _put(self, new: Stored, old: Stored | None) -> Stored:
        """Looks once more when it is written: of two with one name, made in one instant, at least one then goes."""
        stored = await self._store.put(new, expect=old.revision if old is not None else None)
        try:
            await self.check_name(stored, old)
        except Conflict:
            if old is None:
                await self._store.delete(stored.name, expect=stored.revision)
            else:
                await self._store.put(old, expect=stored.revision)
            await self.was_written(stored)  # who has read it meanwhile reads again
            raise
        return stored

    async def _restarted(self, principal: Principal, found: Stored, if_match: str) -> Stored:
        """Of kinds that run: one instance after the other, as the backend can."""
        now = self._clock()
        return await self._written(
            principal, found, lambda old: msgspec.structs.replace(old, restarted_at=now), if_match
        )

    def _replaced(self, old: Stored, spec: Spec) -> Stored:
        errors = self.kept_errors(old, spec)
        name = self._name_of(spec)
        if name != old.name:
            errors = {"name": [f"must be '{old.name}' as in the URL; a name never changes"]} | errors
        if errors:
            raise Invalid(summary(errors), errors=errors)
        return msgspec.structs.replace(old, spec=spec, last_updated_at=self._clock())

    def _name_of(self, spec: Spec) -> str:
        return str(getattr(spec, "name", ""))

    def _check_match(self, if_match: str, found: Stored) -> None:
        if if_match and not is_match(if_match, found.etag):
            raise PreconditionFailed(
                f"{self.noun} '{found.name}' is at {found.etag}, not at {if_match}: read it again, then change it"
            )


def is_match(header: str, etag: str) -> bool:
    """Whether If-Match or If-None-Match names an etag. A proxy that made it weak changed nothing: it is a revision."""
    said = [each.strip().removeprefix("W/") for each in header.split(",")]
    return "*" in said or etag in said or etag.strip('"') in said


def summary(errors: dict[str, list[str]]) -> str:
    """One sentence, for whoever shows only that."""
    return "; ".join(f"{field} {sentences[0]}" for field, sentences in errors.items())
