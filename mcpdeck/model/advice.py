"""What usually mends an adapter, by the word of its status: a sentence for who has just read why it fails. Pure."""

from collections.abc import Mapping
from typing import Final

from gateway.wire.resources import Adapter

_IMAGE: Final = "check the image's name and tag, and that the cluster may pull it; then edit it"
_MISSING: Final = "make that secret, with that key, or edit what names it; it goes on by itself"
_ROUTE: Final = "does it run, and may the gateway reach it? if it lies elsewhere now, edit its URL"
_SILENT: Final = "its log says what it waits for, or restart it"

_ADVICE: Final[Mapping[str, str]] = {
    "CommandNotFound": "install the command where the gateway runs, or edit it",
    "CrashLoopBackOff": "its log says more, that of the run before too; then edit its command or environment",
    "CreateContainerConfigError": _MISSING,
    "CredentialsRefused": "put a new token into the secret that its headers name; it goes on by itself",
    "ErrImagePull": _IMAGE,
    "FailedCreate": "lower its replicas or resources, or have the quota or the admission let it",
    "HandshakeFailed": "does its command start an MCP server on stdin and stdout? its log says what it waits for",
    "ImagePullBackOff": _IMAGE,
    "InvalidImageName": _IMAGE,
    "NoAccessToken": "check its authorization: tokenUrl, clientId, and the secret",
    "OOMKilled": "give it more memory: edit resources.limits.memory",
    "SecretMissing": _MISSING,
    "Unreachable": _SILENT,
    "Unresponsive": _SILENT,
    "Unschedulable": "lower resources.requests, or make room in the cluster",
}
_OF_A_URL: Final[Mapping[str, str]] = {
    "HandshakeFailed": "check the path of its URL: most servers are at /mcp; then edit it",
    "NameNotResolved": "check the host in its URL, and the name server; then edit it",
    "Unreachable": _ROUTE,
    "Unresponsive": _ROUTE,
}


def advice(adapter: Adapter, reason: str) -> str:
    """Empty where nothing is known to help."""
    return (_OF_A_URL.get(reason) if adapter.url else None) or _ADVICE.get(reason, "")
