"""The routes that every kind of managed resource has, in words and types, as `managed` has them. Knows no kind."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gateway.controlplane.operations import CHANGE, IF_MATCH, IF_NONE_MATCH, LISTING, Operation, Parameter
from gateway.wire.resources import Page


def managed_operations(
    a_noun: str,
    plural: str,
    sent: Any,
    returned: Any,
    *,
    filters: tuple[Parameter, ...],
    make: str = "Register",
    said: Mapping[str, str] = MappingProxyType({}),
) -> list[Operation]:
    """Create, list, get, replace, patch, delete. make: the first one's word. said: what a kind says more of one."""
    noun = a_noun.rsplit(maxsplit=1)[-1]
    path = f"/{plural}"
    one = f"{path}/{{name}}"
    return [
        Operation(
            method="POST",
            path=path,
            endpoint=f"{plural}.create",
            summary=f"{make} {a_noun}",
            description=said.get("create", "Needs one of the create roles. It holds at /mcp when the answer comes."),
            body=sent,
            status=201,
            answer=returned,
            refusals=(400, 409, 413),
            action=f"{noun}.create",
        ),
        Operation(
            method="GET",
            path=path,
            endpoint=f"{plural}.listing",
            summary=f"List {plural}",
            description="Those that the caller may read, by name: an array, or a page where `limit` or `cursor` is "
            "given.",
            answer=list[returned] | Page[returned],
            parameters=(*LISTING, Parameter("createdBy", "Only those of this principal."), *filters),
            refusals=(400,),
        ),
        Operation(
            method="GET",
            path=one,
            endpoint=f"{plural}.one",
            summary=f"One {noun}",
            description=said.get("one", ""),
            answer=returned,
            parameters=(IF_NONE_MATCH,),
            refusals=(304, 404),
        ),
        Operation(
            method="PUT",
            path=one,
            endpoint=f"{plural}.replace",
            summary=f"Replace {a_noun}",
            description=said.get("replace", "What is left out gets its default. Name and creator stay."),
            body=sent,
            answer=returned,
            parameters=(IF_MATCH,),
            refusals=CHANGE,
            action=f"{noun}.replace",
        ),
        Operation(
            method="PATCH",
            path=one,
            endpoint=f"{plural}.patch",
            summary=f"Change some of {a_noun}",
            description="A merge patch (RFC 7396): what is named is set, null removes.",
            body="application/merge-patch+json",
            answer=returned,
            parameters=(IF_MATCH,),
            refusals=CHANGE,
            action=f"{noun}.patch",
        ),
        Operation(
            method="DELETE",
            path=one,
            endpoint=f"{plural}.delete",
            summary=f"Delete {a_noun}",
            description=said.get("delete", ""),
            status=204,
            parameters=(IF_MATCH,),
            refusals=(404, 412),
            action=f"{noun}.delete",
        ),
    ]
