"""What should run: an adapter's specification as stored, who made it and when. Knows no store and no backend."""

from datetime import datetime
from typing import NewType

import msgspec

from gateway.core.access import Ownership, folded
from gateway.wire.names import AdapterName
from gateway.wire.resources import Adapter, AdapterSpec

Revision = NewType("Revision", int)


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """One adapter's desired state. `revision` is the store's and grows with every write, whatever its adapter."""

    spec: AdapterSpec
    created_by: str
    created_at: datetime
    last_updated_at: datetime
    restarted_at: datetime | None = None  # when a restart was last asked for: instances from before are out of date
    revision: Revision = Revision(0)
    is_tool: bool = False  # an HTTP tool server (core.tools): it speaks no MCP, and is at no /adapters/ path

    @property
    def name(self) -> AdapterName:
        return AdapterName(self.spec.name)

    @property
    def ownership(self) -> Ownership:
        return Ownership(self.created_by, folded(self.spec.required_roles))

    @property
    def etag(self) -> str:
        return f'"{self.revision}"'

    def shown(self, *, to_writer: bool) -> Adapter:
        """As the gateway returns it. A reader gets the names of environment variables, not their values."""
        fields = {name: getattr(self.spec, name) for name in AdapterSpec.__struct_fields__}
        if not to_writer:
            fields["environment_variables"] = dict.fromkeys(self.spec.environment_variables)
        return Adapter(
            **fields,
            id=self.spec.name,
            created_by=self.created_by,
            created_at=self.created_at,
            last_updated_at=self.last_updated_at,
            etag=self.etag,
        )
