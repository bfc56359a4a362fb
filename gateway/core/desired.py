"""What should run: an adapter's specification as stored, who made it and when. Knows no store and no backend."""

from datetime import datetime
from typing import Any, NewType

import msgspec

from gateway.core.access import Ownership, folded
from gateway.wire.names import AdapterName
from gateway.wire.policies import PolicySpec
from gateway.wire.resources import Adapter, AdapterSpec
from gateway.wire.tools import ToolsetSpec, ToolSpec

Revision = NewType("Revision", int)


class Kept[Spec: AdapterSpec | ToolSpec | ToolsetSpec | PolicySpec = Any](msgspec.Struct, frozen=True, kw_only=True):
    """What a store keeps, of every kind. `revision` is the store's and grows with every write, whatever is written."""

    spec: Spec
    created_by: str
    created_at: datetime
    last_updated_at: datetime
    revision: Revision = Revision(0)

    @property
    def name(self) -> AdapterName:
        return AdapterName(self.spec.name)

    @property
    def ownership(self) -> Ownership:
        """Its creator's, where a kind has no roles to share it with."""
        return Ownership(self.created_by)

    @property
    def etag(self) -> str:
        return f'"{self.revision}"'

    def shown(self, *, to_writer: bool) -> Any:
        """As the gateway returns it."""
        raise NotImplementedError

    def _fields(self) -> dict[str, Any]:
        """Of what is returned: the specification's, and who made it when."""
        return msgspec.structs.asdict(self.spec) | {
            "id": self.spec.name,
            "created_by": self.created_by,
            "created_at": self.created_at,
            "last_updated_at": self.last_updated_at,
            "etag": self.etag,
        }


class Desired(Kept[AdapterSpec], frozen=True, kw_only=True):
    """One adapter's desired state."""

    restarted_at: datetime | None = None  # when a restart was last asked for: instances from before are out of date
    is_tool: bool = False  # an HTTP tool server (core.tools): it speaks no MCP, and is at no /adapters/ path

    @property
    def ownership(self) -> Ownership:
        return Ownership(self.created_by, folded(self.spec.required_roles))

    def shown(self, *, to_writer: bool) -> Adapter:
        """A reader gets the names of environment variables, not their values."""
        fields = self._fields()
        if not to_writer:
            fields["environment_variables"] = dict.fromkeys(self.spec.environment_variables)
        return Adapter(**fields)
