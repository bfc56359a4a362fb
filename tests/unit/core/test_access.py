"""Who may do what."""

import pytest

from gateway.core.access import (
    DEFAULT_CREATE_ROLES,
    Ownership,
    Principal,
    folded,
    is_bound_elsewhere,
    may_create,
    may_read,
    may_write,
)
from gateway.wire.names import PrincipalId

THEIRS = Ownership("ann")
SHARED = Ownership("ann", folded([" Team-A "]))


def principal(name: str, *roles: str) -> Principal:
    return Principal(PrincipalId(name), roles=folded(roles))


@pytest.mark.parametrize("resource", [THEIRS, SHARED])
@pytest.mark.parametrize(
    "who", [principal("ann"), principal("ANN"), principal("bob", "mcp.admin"), principal("bob", "MCP.Admin")]
)
def test_creators_and_administrators_may_read_and_write(who: Principal, resource: Ownership) -> None:
    assert may_read(who, resource)
    assert may_write(who, resource)


def test_a_required_role_lets_one_read_and_not_write() -> None:
    assert may_read(principal("bob", "TEAM-A"), SHARED)
    assert not may_write(principal("bob", "team-a"), SHARED)


@pytest.mark.parametrize("who", [principal("bob"), principal("bob", "team-b"), principal("bob", "mcp.engineer")])
def test_all_others_may_neither(who: Principal) -> None:
    assert not may_read(who, SHARED)
    assert not may_write(who, SHARED)


def test_no_required_roles_means_creator_and_administrators_only() -> None:
    assert not may_read(principal("bob", "team-a"), THEIRS)


@pytest.mark.parametrize("role", sorted(DEFAULT_CREATE_ROLES))
def test_create_roles_let_one_create(role: str) -> None:
    assert may_create(principal("bob", role.upper()))


def test_without_a_create_role_one_may_not_create() -> None:
    assert not may_create(principal("bob", "mcp.dev"))
    assert may_create(principal("bob", "mcp.dev"), folded(["MCP.dev"]))


def test_blank_roles_are_none() -> None:
    assert folded(["", "  ", "A", " a "]) == {"a"}


def test_a_token_for_one_resource_is_good_for_no_other() -> None:
    bound = Principal(PrincipalId("ann"), resource="/adapters/x/mcp")
    assert not is_bound_elsewhere(bound, "/adapters/x/mcp")
    assert is_bound_elsewhere(bound, "/adapters/y/mcp")
    assert is_bound_elsewhere(bound, "")
    assert not is_bound_elsewhere(principal("ann"), "/adapters/x/mcp")
