"""Names that only their `parse_*` mints, so that a type says what was checked."""

import re
from typing import NewType

AdapterName = NewType("AdapterName", str)
InstanceName = NewType("InstanceName", str)
PrincipalId = NewType("PrincipalId", str)

ADAPTER_NAME_LENGTH = 52  # a StatefulSet's pod name and revision label must fit in 63 characters
DNS_LABEL = re.compile(rf"[a-z0-9](?:[a-z0-9-]{{0,{ADAPTER_NAME_LENGTH - 2}}}[a-z0-9])?")
INSTANCE = re.compile(r"(.+)-(0|[1-9][0-9]{0,8})")
ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_adapter_name(text: str) -> AdapterName:
    """A DNS-1123 label of at most 52 characters. Raises ValueError with the rule."""
    if not DNS_LABEL.fullmatch(text):
        raise ValueError(f"{text!r} is not a DNS label (a-z, 0-9, '-', at most {ADAPTER_NAME_LENGTH} characters)")
    return AdapterName(text)


def instance_name(adapter: AdapterName, ordinal: int) -> InstanceName:
    """The name of an adapter's replica, as a StatefulSet names its pods: `weather-0`."""
    return InstanceName(f"{adapter}-{ordinal}")


def split_instance_name(instance: str) -> tuple[str, int]:
    """`weather-0` -> (`weather`, 0). Raises ValueError when there is no ordinal."""
    found = INSTANCE.fullmatch(instance)
    if found is None:
        raise ValueError(f"{instance!r} is not an adapter's name with an ordinal, such as 'weather-0'")
    return found[1], int(found[2])
