"""What of an adapter's specification its processes depend on: when that changes they are replaced, else never. Pure."""

import hashlib

import msgspec

from gateway.core.desired import Desired
from gateway.wire.names import AdapterName
from gateway.wire.resources import AdapterSpec

_OF_ALL = ("environment_variables", "secret_environment")
_OF_STDIO = ("stdio", "session")
_OF_IMAGES = ("image_name", "image_version", "command", "args", "port", "path", "resources")

_encode = msgspec.json.Encoder(order="sorted").encode


class Plan(msgspec.Struct, frozen=True):
    """What an instance runs. Two plans with one digest are interchangeable."""

    spec: AdapterSpec
    digest: str
    is_tool: bool = False  # it speaks no MCP: an HTTP server that answers anything is ready

    @property
    def adapter(self) -> AdapterName:
        return AdapterName(self.spec.name)


def plan_of(desired: Desired) -> Plan:
    spec = desired.spec
    fields = (*_OF_ALL, *(_OF_IMAGES if spec.stdio is None else _OF_STDIO))
    told = {name: getattr(spec, name) for name in fields} | {"restarted": desired.restarted_at}
    if "session" in told:  # whether sessions outlive a process is nothing that a process sees
        told["session"] = {key: it for key, it in msgspec.to_builtins(spec.session).items() if key != "resurrect"}
    return Plan(spec, hashlib.sha256(_encode(told)).hexdigest()[:16], desired.is_tool)
