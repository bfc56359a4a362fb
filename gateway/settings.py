"""What an operator decides, from the command line and the environment. Read once, by the composition root alone.

Every option is a flag, and a variable of the same name behind `MCPDECK_GATEWAY_`; the flag wins. Which issuers are
trusted to say who calls stands in variables of its own (gateway.auth.configured).
"""

import argparse
import os
import socket
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec
import platformdirs

PREFIX: Final = "MCPDECK_GATEWAY_"
DEFAULT_PORT: Final = 8700
DEV_ROLES: Final = ("mcp.dev", "mcp.engineer")  # MS's default, and the role that may create here
CREATE_ROLES: Final = ("mcp.admin", "mcp.engineer")
IDENTITY_ROLES: Final = ("mcp.admin",)


class BackendKind(StrEnum):
    """Where adapters run."""

    PROCESS = "process"
    KUBERNETES = "kubernetes"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes, times in seconds. `port` 0 finds a free one; `audit` "" keeps none, "-" writes to stdout.

    recordings: the folder where they lie at rest, all together max_recordings; None: in memory alone.
    allow_private_urls: None means yes where nothing but loopback is bound.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    data_dir: Path
    seal_keys: Path
    backend: BackendKind = BackendKind.PROCESS
    dev_roles: tuple[str, ...] = DEV_ROLES
    create_roles: tuple[str, ...] = CREATE_ROLES
    identity_roles: tuple[str, ...] = IDENTITY_ROLES
    allow_hosts: frozenset[str] = frozenset()
    allow_origins: frozenset[str] = frozenset()
    allow_private_urls: bool | None = None
    allow_http_urls: bool = False
    pass_env: tuple[str, ...] = ()
    anonymous: frozenset[str] = frozenset()
    max_body: int = 4 * 1024 * 1024
    max_head: int = 32 * 1024
    max_headers: int = 128
    max_event: int = 64 * 1024 * 1024
    max_connections: int = 0
    max_connections_per_peer: int = 0
    max_streams: int = 10_000
    max_sessions: int = 10_000
    max_parked: int = 100
    max_requests: int = 10_000
    request_time: float = 30.0
    keep_alive: float = 620.0
    workers: int = 1
    notice: float = 0.0
    drain: float = 10.0
    audit: str = ""
    recordings: Path | None = None
    max_recordings: int = 256 * 1024 * 1024
    token_budget: int = 20_000
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    log_level: str = "info"
    kubeconfig: Path | None = None
    cluster_context: str = ""
    cluster_namespace: str = ""
    runner_image: str = "mcpdeck/runner:local"
    registry: str = ""
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    workload_account: str = "mcpdeck-workload"
    pod_drain: int = 30


class _Option(msgspec.Struct, frozen=True):
    """One flag. metavar: what it takes; "" for a switch. is_many: may be repeated; commas separate in the variable."""

    flag: str
    metavar: str
    help: str
    is_many: bool = False

    @property
    def name(self) -> str:
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


OPTIONS: Final = (
    _Option("--bind", "HOST:PORT", f"where to listen; 127.0.0.1:{DEFAULT_PORT}. Port 0 finds a free one"),
    _Option("--data-dir", "DIR", "where state is kept; the platform's data folder"),
    _Option("--seal-keys", "FILE", "what session ids are sealed with, the same for all replicas; DATA-DIR/seal.keys"),
    _Option("--backend", "KIND", "process (children of this gateway, the default) or kubernetes"),
    _Option("--dev-roles", "ROLE,…", f"roles of who sends no X-Dev-Roles, without an issuer; {','.join(DEV_ROLES)}"),
    _Option("--create-roles", "ROLE,…", f"who may create adapters; {','.join(CREATE_ROLES)}"),
    _Option("--identity-roles", "ROLE,…", f"who may let one act as the cluster or its callers; {IDENTITY_ROLES[0]}"),
    _Option("--allow-host", "HOST", "also serve requests for this Host; repeat", is_many=True),
    _Option("--allow-origin", "ORIGIN", "let pages of this origin call, https://HOST; repeat", is_many=True),
    _Option("--allow-private-urls", "yes|no", "whether `url` adapters may be in private networks; yes on loopback"),
    _Option("--allow-http-urls", "yes|no", "whether `url` adapters beyond private networks may do without TLS; no"),
    _Option("--pass-env", "NAME", "a variable of this environment that stdio servers get; repeat", is_many=True),
    _Option("--anonymous", "PATH", "serve /metrics, /openapi.json or /docs without a token too; repeat", is_many=True),
    _Option("--max-body", "BYTES", "the largest request body; 4194304"),
    _Option("--max-head", "BYTES", "the largest request head; 32768"),
    _Option("--max-headers", "NUMBER", "the most headers of a request; 128"),
    _Option("--max-event", "BYTES", "the largest event of a stream, and the largest message that is bridged; 67108864"),
    _Option("--max-connections", "NUMBER", "clients' connections; 0, as many as there are file descriptors"),
    _Option("--max-connections-per-peer", "NUMBER", "of one address; 0, any"),
    _Option("--max-streams", "NUMBER", "lasting streams of one principal; 10000, 0 for any"),
    _Option("--max-sessions", "NUMBER", "sessions of one principal; 10000, 0 for any"),
    _Option(
        "--max-parked", "NUMBER", "bridged calls of one principal and adapter that wait for answers; 100, 0 for any"
    ),
    _Option("--max-requests", "NUMBER", "requests that an adapter has in hand, streams included; 10000, 0 for any"),
    _Option("--request-time", "SECONDS", "until a request is whole, and one more for each 4 KiB of it; 30, 0 for any"),
    _Option("--keep-alive", "SECONDS", "how long a connection rests, or its client leaves answers unread; 620"),
    _Option("--workers", "NUMBER", "processes on this port, one for each core; 1"),
    _Option("--notice", "SECONDS", "how long a stop still lets in, unready, until balancers have seen it; 0"),
    _Option("--drain", "SECONDS", "how long a stop waits for what is under way; 10"),
    _Option("--token-budget", "TOKENS", "what a list of tools may cost a model before a warning; 20000, 0 for any"),
    _Option("--audit", "FILE", "keep an audit log in this file; - for stdout"),
    _Option("--recordings", "DIR|off", "where recorded traffic lies, encrypted; off: in memory; DATA-DIR/recordings"),
    _Option("--max-recordings", "BYTES", "of all recordings there; 268435456"),
    _Option("--tls-certificate", "FILE", "serve HTTPS (HTTP/2 and 1.1) with this PEM chain"),
    _Option("--tls-key", "FILE", "its private key"),
    _Option("--kubeconfig", "FILE", "the cluster, for --backend kubernetes outside one; KUBECONFIG's"),
    _Option("--cluster-context", "NAME", "one of its contexts; the current one"),
    _Option("--cluster-namespace", "NAME", "where adapters live; the context's, or the pod's own"),
    _Option("--runner-image", "IMAGE", "what stdio adapters run in; mcpdeck/runner:local"),
    _Option("--registry", "HOST/PATH", "put before images that name no registry"),
    _Option("--pull-policy", "POLICY", "of adapters' images: Always, IfNotPresent (the default) or Never"),
    _Option("--pull-secret", "NAME", "of the adapters' namespace, for their images; repeat", is_many=True),
    _Option("--workload-account", "NAME", "the ServiceAccount of adapters with useWorkloadIdentity; mcpdeck-workload"),
    _Option("--pod-drain", "SECONDS", "how long an adapter's leaving pod still serves its sessions; 30"),
    _Option("--log-level", "LEVEL", "debug, info, warning or error; info"),
)


class Misconfigured(ValueError):
    """Names the flag or variable, what it was and what is wanted."""


def read(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> Settings:
    """Raises Misconfigured; exits with 2 and a usage line on a flag that is not known."""
    given = _variables(environ) | _flags(arguments)
    host, port = _bind(given.pop("bind", ""))
    values: dict[str, Any] = {"host": host, "port": port}
    values |= {_FIELDS.get(name, name): _PARSERS[name](name, text) for name, text in given.items()}
    values.setdefault("data_dir", platformdirs.user_data_path("mcpdeck") / "gateway")
    values.setdefault("seal_keys", values["data_dir"] / "seal.keys")
    values.setdefault("recordings", values["data_dir"] / "recordings")
    settings = Settings(**values)
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise Misconfigured("--tls-certificate and --tls-key go together")
    return settings


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    known = {option.variable: option.name for option in OPTIONS}
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise Misconfigured(f"{', '.join(unknown)}: no such setting; known are {', '.join(sorted(known))}")
    return {known[name]: text for name, text in environ.items() if name in known and text}


def _flags(arguments: Sequence[str]) -> dict[str, str]:
    parser = argparse.ArgumentParser(
        prog="mcpdeck-gateway",
        description="The gateway: MCP traffic and its management on one port.",
        allow_abbrev=False,
    )
    for option in OPTIONS:
        action = "append" if option.is_many else "store"
        parser.add_argument(option.flag, dest=option.name, metavar=option.metavar, action=action, help=option.help)
    words = vars(parser.parse_args(arguments))
    return {
        name: ",".join(text) if isinstance(text, list) else text for name, text in words.items() if text is not None
    }


def _bind(text: str) -> tuple[str, int]:
    """`127.0.0.1:0`, `[::1]:8700`, `:8700` for every address, or a port alone."""
    if not text:
        return "127.0.0.1", DEFAULT_PORT
    host, colon, port = text.rpartition(":")
    if not colon:
        host = "127.0.0.1"
    if not (port.isdecimal() and int(port) <= 65535):
        raise Misconfigured(f"--bind {text}: wanted HOST:PORT with a port from 0 to 65535")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)


def _words(_name: str, text: str) -> tuple[str, ...]:
    return tuple(filter(None, (word.strip() for word in text.split(","))))


def _names(name: str, text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _words(name, text))


def _bytes(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1024:
        raise Misconfigured(f"{_told(name)} {text}: wanted a whole number of at least 1024 bytes")
    return int(text)


def _workers(name: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise Misconfigured(f"{_told(name)} {text}: wanted 1 to 64")
    if int(text) > 1 and not (hasattr(os, "fork") and hasattr(socket, "SO_REUSEPORT")):
        raise Misconfigured(f"{_told(name)} {text}: this platform has no fork or shares no port; start one gateway")
    return int(text)


def _number(name: str, text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise Misconfigured(f"{_told(name)} {text}: wanted a whole number, 0 or more")
    return int(text)


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise Misconfigured(f"{_told(name)} {text}: wanted seconds, 0 or more")
    return seconds


def _pod_drain(name: str, text: str) -> int:
    """A kubelet sleeps for one second at least, and its probe's URL takes whole ones."""
    if not text.isdecimal() or not 1 <= int(text) <= 3600:
        raise Misconfigured(f"{_told(name)} {text}: wanted whole seconds, 1 to 3600")
    return int(text)


def _switch(name: str, text: str) -> bool:
    if text.lower() not in ("yes", "no", "true", "false"):
        raise Misconfigured(f"{_told(name)} {text}: wanted yes or no")
    return text.lower() in ("yes", "true")


def _level(name: str, text: str) -> str:
    if text.lower() not in ("debug", "info", "warning", "error"):
        raise Misconfigured(f"{_told(name)} {text}: wanted debug, info, warning or error")
    return text.lower()


def _kind(name: str, text: str) -> BackendKind:
    try:
        return BackendKind(text)
    except ValueError:
        raise Misconfigured(f"{_told(name)} {text}: wanted {' or '.join(BackendKind)}") from None


def _pull_policy(name: str, text: str) -> str:
    if text not in ("Always", "IfNotPresent", "Never"):
        raise Misconfigured(f"{_told(name)} {text}: wanted Always, IfNotPresent or Never")
    return text


def _file(_name: str, text: str) -> Path:
    return Path(text).expanduser()


def _file_or_off(name: str, text: str) -> Path | None:
    return None if text.lower() == "off" else _file(name, text)


def _text(_name: str, text: str) -> str:
    return text


def _told(name: str) -> str:
    return f"--{name.replace('_', '-')}"


_FIELDS: Final = {"pull_secret": "pull_secrets", "allow_host": "allow_hosts", "allow_origin": "allow_origins"}
_PARSERS: Final[Mapping[str, Any]] = {
    "data_dir": _file,
    "seal_keys": _file,
    "backend": _kind,
    "dev_roles": _words,
    "create_roles": _words,
    "identity_roles": _words,
    "allow_host": _names,
    "allow_origin": _names,
    "allow_private_urls": _switch,
    "allow_http_urls": _switch,
    "pass_env": _words,
    "anonymous": _names,
    "max_body": _bytes,
    "max_head": _bytes,
    "max_headers": _number,
    "max_event": _bytes,
    "max_connections": _number,
    "max_connections_per_peer": _number,
    "max_streams": _number,
    "max_sessions": _number,
    "max_parked": _number,
    "max_requests": _number,
    "workers": _workers,
    "request_time": _seconds,
    "keep_alive": _seconds,
    "notice": _seconds,
    "drain": _seconds,
    "token_budget": _number,
    "audit": _text,
    "recordings": _file_or_off,
    "max_recordings": _bytes,
    "tls_certificate": _file,
    "tls_key": _file,
    "log_level": _level,
    "kubeconfig": _file,
    "cluster_context": _text,
    "cluster_namespace": _text,
    "runner_image": _text,
    "registry": _text,
    "pull_policy": _pull_policy,
    "pull_secret": _words,
    "workload_account": _text,
    "pod_drain": _pod_drain,
}
