"""The custom resources Tool, Toolset and Policy: schema, rules, columns. Pure; `manifests/make.py` writes them down.

The rules are those of `wire.tools`; what hangs on a tool's own JSON Schema stays with the gateway.
"""

from typing import Any, Final

from gateway.cluster.definitions import (
    HAS_IMAGE,
    HAS_URL,
    column,
    definition,
    rule,
    source_spec,
    status_schema,
)
from gateway.cluster.schema import Schema, field, re2, schema_of
from gateway.wire import names, policies, resources, toolnames, tools
from gateway.wire.policies import Effect, PolicySpec
from gateway.wire.tools import ToolsetSpec, ToolSpec

_HAS_ADAPTER: Final = "has(self.adapter) && self.adapter != ''"
_IS_ALL: Final = "has(self.toolName) && self.toolName == '*'"
_CREATED: Final = ".metadata.creationTimestamp"
_EMPTY: Final = "(!has(self.{0}) || self.{0}.size() == 0)"

_DIFFER: Final = "self.all(one, self.exists_one(other, other.name == one.name))"
_BOUNDS: Final = "(has(self.perMinute) && self.perMinute > 0) || (has(self.concurrent) && self.concurrent > 0)"


def tool_definition() -> dict[str, Any]:
    spec = source_spec(ToolSpec)
    field(spec, "adapter").update(pattern=re2(names.DNS_LABEL, or_empty=True), maxLength=names.ADAPTER_NAME_LENGTH)
    field(spec, "toolName")["maxLength"] = tools.NAME_LENGTH
    field(spec, "views")["maxProperties"] = field(spec, "locked")["maxProperties"] = tools.MAX_VIEWS
    field(spec, "locked.{}")["pattern"] = re2(tools.DIGEST)
    for view in (field(spec, "view"), field(spec, "views.{}")):
        field(view, "name")["pattern"] = re2(toolnames.EXPORTED, or_empty=True)
        field(view, "description")["maxLength"] = resources.DESCRIPTION_LENGTH
    _bound_definition(field(spec, "toolDefinition"))
    spec["x-kubernetes-validations"] += _tool_rules()
    named = rule(
        "!has(self.spec.toolDefinition) || self.spec.toolDefinition.tool.name == self.metadata.name",
        "toolDefinition.tool.name must be the tool's own name",
    )
    columns = [
        column("Phase", ".status.phase"),
        column("Adapter", ".spec.adapter"),
        column("Tool", ".spec.toolName"),
        column("Ready", ".status.readyReplicas", "integer"),
        column("Reason", ".status.reason"),
        column("Age", ".metadata.creationTimestamp", "date"),
    ]
    status = status_schema()
    return definition(
        "Tool", "tools", ["mcptool"], spec=spec, status=status, columns=columns, scale=False, rules=[named]
    )


def toolset_definition() -> dict[str, Any]:
    spec = schema_of(ToolsetSpec, without=frozenset({"name"}))
    field(spec, "description")["maxLength"] = resources.DESCRIPTION_LENGTH
    field(spec, "tokenBudget")["minimum"] = 0
    for each in ("tools", "exclude"):
        field(spec, f"{each}.[]")["minLength"] = 1
    columns = [
        column("Tools", ".spec.tools"),
        column("Discovery", ".spec.discovery", "boolean"),
        column("Age", ".metadata.creationTimestamp", "date"),
    ]
    return definition("Toolset", "toolsets", ["mcptools"], spec=spec, status={}, columns=columns, scale=False)


def policy_definition() -> dict[str, Any]:
    """Its expressions are compiled by the gateway alone; one that is none refuses every call that it concerns."""
    spec = schema_of(PolicySpec, without=frozenset({"name"}))
    field(spec, "description")["maxLength"] = resources.DESCRIPTION_LENGTH
    field(spec, "toolset").update(pattern=re2(names.DNS_LABEL, or_empty=True), maxLength=names.ADAPTER_NAME_LENGTH)
    field(spec, "default")["enum"] = [Effect.ALLOW.value, Effect.DENY.value]
    field(spec, "approval.expires").update(minimum=0, exclusiveMinimum=True, maximum=policies.LONGEST_WAIT)
    for kind in ("rules", "limits"):
        field(spec, kind)["maxItems"] = policies.MAX_RULES
        field(spec, kind)["x-kubernetes-validations"] = [rule(_DIFFER, "two of them have the same name")]
        field(spec, f"{kind}.[].name").update(pattern=r"[^\s\pZ]", maxLength=policies.MAX_NAME)
        field(spec, f"{kind}.[].when")["maxLength"] = policies.MAX_EXPRESSION
    for bound in ("perMinute", "concurrent"):
        field(spec, f"limits.[].{bound}")["minimum"] = 0
    field(spec, "limits.[]")["x-kubernetes-validations"] = [rule(_BOUNDS, "give perMinute or concurrent")]
    columns = [column("Mode", ".spec.mode"), column("Default", ".spec.default"), column("Age", _CREATED, "date")]
    return definition("Policy", "policies", ["mcppolicy"], spec=spec, status={}, columns=columns, scale=False)


def _bound_definition(described: Schema) -> None:
    field(described, "port").update(minimum=1, maximum=65535)
    field(described, "path")["pattern"] = re2(resources.PATH)
    described["properties"]["tool"] = {
        "type": "object",
        "required": ["name", "inputSchema"],
        "properties": {
            "name": {"type": "string", "maxLength": tools.NAME_LENGTH},
            "inputSchema": {
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"type": "string", "enum": ["object"]}},
                "x-kubernetes-preserve-unknown-fields": True,
            },
        },
        "x-kubernetes-preserve-unknown-fields": True,
    }


def _tool_rules() -> list[dict[str, Any]]:
    return [
        rule(
            f"({_HAS_ADAPTER} ? 1 : 0) + ({HAS_IMAGE} ? 1 : 0) + ({HAS_URL} ? 1 : 0) == 1",
            "give exactly one of adapter with toolName, imageName with imageVersion, or url",
        ),
        rule("!has(self.stdio)", "stdio belongs to adapters; deploy one, then name it in adapter"),
        rule(
            f"({_HAS_ADAPTER}) == (has(self.toolName) && self.toolName != '')",
            "adapter and toolName go together",
        ),
        rule(f"({_HAS_ADAPTER}) != has(self.toolDefinition)", "toolDefinition is what an HTTP tool server needs"),
        rule(
            f"!({_HAS_ADAPTER}) || ({_EMPTY.format('environmentVariables')} && {_EMPTY.format('secretEnvironment')}"
            f" && {_EMPTY.format('headers')})",
            "variables and headers belong to the adapter",
        ),
        rule(f"({_IS_ALL}) || {_EMPTY.format('views')}", 'views belong to toolName "*"; one tool has view'),
    ]
