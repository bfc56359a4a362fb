"""core.ports.Witness: what reaches no adapter, for the audit log. Judges nothing."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from gateway.core.access import Principal
from gateway.core.errors import GatewayError, Unauthenticated
from gateway.core.ports import Asking
from gateway.core.routes import TOOLS_PATH, adapter_of
from gateway.services.audit import Recorder
from gateway.services.called import Called, said_by, shown
from gateway.wire.audit import AuditRecord

REFUSED = "mcp.refused"
CALL = "mcp.call"


class Witness:
    def __init__(self, audit: Recorder, *, clock: Callable[[], float] = time.time) -> None:
        self._audit, self._clock = audit, clock

    def refused(self, asking: Asking, principal: Principal | None, error: GatewayError, *, request_id: bytes) -> None:
        if isinstance(error, Unauthenticated) and not error.challenge.error:
            return  # no token at all: how every client begins
        record = AuditRecord(
            at=datetime.fromtimestamp(self._clock(), UTC),
            action=REFUSED,
            principal=principal.id if principal else "",
            principal_name=principal.name if principal else "",
            target=_target(asking.request.path),
            method=asking.request.method,
            status=error.status,
            bytes_in=len(asking.request.body),
            request_id=request_id.decode("latin-1"),
            peer=asking.peer,
            detail=f"{error.slug}: {shown(error.detail or error.title)}",
        )
        if principal is None:
            self._audit.record_stranger(record)
        else:
            self._audit.record(record)

    def answered(
        self, asking: Asking, principal: Principal, *, status: int, bytes_out: int, request_id: bytes, began: float
    ) -> None:
        request = asking.request
        self._audit.record(
            Called(
                action=CALL,
                opened_at=began,
                ended_at=self._clock(),
                principal=principal,
                target=_target(request.path),
                instance="",
                verb=request.method,
                said=said_by(request),
                status=status,
                bytes_in=len(request.body),
                bytes_out=bytes_out,
                request_id=request_id,
                peer=asking.peer,
            )
        )


def _target(path: str) -> str:
    """An adapter's name, or the path of the gateway's own server."""
    return shown(adapter_of(path) or path) if path.rstrip("/") != TOOLS_PATH else TOOLS_PATH
