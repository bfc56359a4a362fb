"""Who may do what. Roles compare without case; an empty `requiredRoles` means creator and administrators only."""

from collections.abc import Iterable

import msgspec

from gateway.wire.names import PrincipalId

ADMIN_ROLE = "mcp.admin"
DEFAULT_CREATE_ROLES = frozenset({ADMIN_ROLE, "mcp.engineer"})


class Principal(msgspec.Struct, frozen=True):
    """Who calls. `id` is unique across issuers and stable across tokens; `roles` are case-folded.

    resource: the one path that the token is good for (`/adapters/x/mcp`); "" for the whole gateway.
    """

    id: PrincipalId
    name: str = ""
    roles: frozenset[str] = frozenset()
    issuer: str = ""
    resource: str = ""

    @property
    def is_admin(self) -> bool:
        return ADMIN_ROLE in self.roles


class Ownership(msgspec.Struct, frozen=True):
    """What access to a resource hangs on. `required_roles` are case-folded."""

    created_by: str
    required_roles: frozenset[str] = frozenset()


def folded(roles: Iterable[str]) -> frozenset[str]:
    return frozenset(role.strip().casefold() for role in roles if role.strip())


def may_read(principal: Principal, resource: Ownership) -> bool:
    """Reading is what lets one use an adapter, call a tool, and see its status and logs."""
    return may_write(principal, resource) or not principal.roles.isdisjoint(resource.required_roles)


def may_write(principal: Principal, resource: Ownership) -> bool:
    return principal.is_admin or principal.id.casefold() == resource.created_by.casefold()


def is_bound_elsewhere(principal: Principal, resource: str) -> bool:
    """Whether the token was minted for another resource than this one (RFC 8707). resource: as routes.resource_of."""
    return bool(principal.resource) and principal.resource != resource


def may_create(principal: Principal, create_roles: frozenset[str] = DEFAULT_CREATE_ROLES) -> bool:
    return not principal.roles.isdisjoint(create_roles)
