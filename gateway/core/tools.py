"""What is offered at /mcp: tools, toolsets, policies as stored, who made them and when. Knows no store, no backend."""

import re
from datetime import datetime

import msgspec

from gateway.core.access import Ownership, folded
from gateway.core.desired import Desired, Kept
from gateway.wire.names import AdapterName
from gateway.wire.policies import Policy, PolicySpec
from gateway.wire.resources import AdapterSpec
from gateway.wire.tools import Tool, Toolset, ToolsetSpec, ToolSpec

_HAS_PATH = re.compile(r"[^:/?#]+://[^/?#]*/+[^/?#]")  # no parser: what kubectl wrote may be no URL at all


class DesiredTool(Kept[ToolSpec], frozen=True, kw_only=True):
    """One tool's desired state; its fields are those of `Desired`."""

    restarted_at: datetime | None = None

    @property
    def ownership(self) -> Ownership:
        return Ownership(self.created_by, folded(self.spec.required_roles))

    @property
    def source(self) -> AdapterName:
        """Whose endpoints its calls go to: the adapter it belongs to, or itself."""
        return AdapterName(self.spec.adapter or self.spec.name)

    def shown(self, *, to_writer: bool) -> Tool:
        fields = self._fields()
        if not to_writer:
            fields["environment_variables"] = dict.fromkeys(self.spec.environment_variables)
        return Tool(**fields)

    def workload(self) -> Desired | None:
        """What a backend must run for it: its own server, at the tool's port and path; None for an adapter's tool.

        A `url` says its port itself, and its path where it has one.
        """
        definition = self.spec.tool_definition
        if not self.spec.is_server or definition is None:
            return None
        fields = {name: getattr(self.spec, name) for name in AdapterSpec.__struct_fields__}
        path = definition.path if definition.operation is None else "/"  # an operation has a path of its own
        return Desired(
            spec=AdapterSpec(**fields | {"port": definition.port, "path": path, "url": self._url()}),
            created_by=self.created_by,
            created_at=self.created_at,
            last_updated_at=self.last_updated_at,
            restarted_at=self.restarted_at,
            revision=self.revision,
            is_tool=True,
        )

    def _url(self) -> str:
        url, definition = self.spec.url, self.spec.tool_definition
        if not url or definition is None or definition.operation is not None or _HAS_PATH.match(url):
            return url
        return f"{url.rstrip('/')}{definition.path}"


class DesiredToolset(Kept[ToolsetSpec], frozen=True, kw_only=True):
    @property
    def ownership(self) -> Ownership:
        return Ownership(self.created_by, folded(self.spec.required_roles))

    def shown(self, *, to_writer: bool) -> Toolset:  # noqa: ARG002 - nothing of it is for writers alone
        return Toolset(**self._fields())


class DesiredPolicy(Kept[PolicySpec], frozen=True, kw_only=True):
    """A policy on tool calls. Administrators' alone, to read as well: it says what is kept from whom."""

    def shown(self, *, to_writer: bool) -> Policy:  # noqa: ARG002 - who may read it may write it
        return Policy(**self._fields())


class Registered(msgspec.Struct, frozen=True):
    """All that is registered, as of one reading of the stores. Swapped whole."""

    tools: tuple[DesiredTool, ...] = ()
    toolsets: tuple[DesiredToolset, ...] = ()
    policies: tuple[DesiredPolicy, ...] = ()
