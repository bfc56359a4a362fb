"""The routes of tools and toolsets in words and types, as `contract` has all the others."""

from collections.abc import Mapping
from typing import Final

from gateway.controlplane.managed_contract import managed_operations
from gateway.controlplane.operations import IF_MATCH, LOG, SESSIONS, TEXT, Operation, Parameter
from gateway.wire.policies import ApprovalDecision, PendingApproval, Policy, PolicySpec, Question, Tested
from gateway.wire.resources import LiveSession, Page
from gateway.wire.tools import OfferedTool, Tool, ToolsCost, Toolset, ToolsetSpec, ToolSpec, ToolStatus

TOOL_TAGS: Final[Mapping[str, str]] = {
    "tools": "What is offered at /mcp: HTTP tool servers, and tools of adapters.",
    "toolsets": "Named parts of it, at /mcp/{name}.",
    "policies": "Which tool calls go out, there and on adapters' own routes, and which don't.",
    "approvals": "Calls that wait for somebody's word.",
}


TOOL_OPERATIONS: Final = (
    *managed_operations(
        "a tool",
        "tools",
        ToolSpec,
        Tool,
        filters=(
            Parameter("source", "`adapter`, `image` or `url`."),
            Parameter("adapter", "Only those of this adapter."),
            Parameter("requiredRole", "Only those that this role may read."),
        ),
    ),
    Operation(
        method="GET",
        path="/offers",
        endpoint="tools.offered",
        summary="What /mcp offers, tool by tool",
        description="Of the registered tools that the caller may read: exported names, what each costs a model, why "
        "one is quarantined, and how often it was called since this gateway started.",
        answer=list[OfferedTool],
    ),
    Operation(
        method="GET",
        path="/offers/cost",
        endpoint="tools.cost",
        summary="What lists of tools cost a model",
        description="Of the list that the caller gets at /mcp (`toolset` is empty), and of each toolset that it may "
        "read: tools, tokens by estimate, the budget, and a warning where they are more.",
        answer=list[ToolsCost],
    ),
    Operation(
        method="GET",
        path="/tools/{name}/status",
        endpoint="tools.status",
        summary="What runs of a tool, and what of it is offered",
        answer=ToolStatus,
        refusals=(404,),
    ),
    Operation(
        method="GET",
        path="/tools/{name}/logs",
        endpoint="logs.read_tool",
        summary="A tool's log",
        description="Of its server, or of the adapter that it belongs to. As an adapter's log.",
        answer=TEXT,
        parameters=LOG,
        refusals=(400, 404),
    ),
    Operation(
        method="GET",
        path="/tools/{name}/sessions",
        endpoint="sessions.of_tool",
        summary="Live sessions of a tool's server or adapter",
        answer=list[LiveSession] | Page[LiveSession],
        parameters=SESSIONS,
        refusals=(400, 404),
    ),
    Operation(
        method="POST",
        path="/tools/{name}/restart",
        endpoint="tools.restart",
        summary="Restart a tool server",
        description="One instance after the other. A tool of an adapter has nothing to restart: 400.",
        status=202,
        answer=Tool,
        parameters=(IF_MATCH,),
        refusals=(400, 404, 412),
        action="tool.restart",
    ),
    *managed_operations("a toolset", "toolsets", ToolsetSpec, Toolset, filters=()),
    *managed_operations(
        "a policy", "policies", PolicySpec, Policy, filters=(Parameter("mode", "`enforce` or `shadow`."),)
    ),
    Operation(
        method="POST",
        path="/policies/test",
        endpoint="policies.test",
        summary="What policies make of calls",
        description="Of the policies in force, and with a draft besides. Calls nothing. Administrators' alone.",
        body=Question,
        answer=list[Tested],
        refusals=(400, 413),
        action="policy.test",
    ),
    Operation(
        method="GET",
        path="/approvals",
        endpoint="approvals.listing",
        summary="Calls that wait for approval",
        description="Those that the caller may decide, and its own; of this gateway alone.",
        answer=list[PendingApproval],
    ),
    Operation(
        method="POST",
        path="/approvals/{approval_id}",
        endpoint="approvals.decide",
        summary="Approve a call, or don't",
        description="`digest` is the pending approval's: it stands for the arguments that were looked at.",
        body=ApprovalDecision,
        answer=PendingApproval,
        refusals=(400, 404, 412, 413),
        action="approval.decide",
    ),
)
