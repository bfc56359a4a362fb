"""The resources of the HTTP contract (api.md) as frozen Structs, camelCase on the wire.

What a client sends is `AdapterSpec`, which refuses unknown fields; what the gateway returns tolerates newer ones.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from gateway.wire.names import ENVIRONMENT_NAME, parse_adapter_name

IMAGE_NAME = re.compile(r"(?:[a-zA-Z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:(?:[._]|__|-+|/)[a-z0-9]+)*")
IMAGE_VERSION = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}|sha256:[0-9a-f]{64}")
QUANTITY = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
PATH = re.compile(r"/[a-zA-Z0-9/_\-.]*")
URL = re.compile(r"https?://[^\s/?#@\x00-\x1f\x7f]+(?:/[^\s?#\x00-\x1f\x7f]*)?(?:\?[^\s#\x00-\x1f\x7f]*)?")
TOKEN_URL = re.compile(r"https://[^\s/?#@\x00-\x1f\x7f]+(?:/[^\s?#\x00-\x1f\x7f]*)?(?:\?[^\s#\x00-\x1f\x7f]*)?")
FORM_TEXT = re.compile(r"[\x20-\x7e]*")
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
OWN_HEADER = re.compile(  # what frames a message, or routes it
    r"connection|content-length|host|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade|mcp-.*",
    re.IGNORECASE,
)

DESCRIPTION_LENGTH: Final = 4096
MAX_REPLICAS: Final = 100
MAX_RECORDED: Final = 10_000  # messages of an adapter
MAX_ENTRIES: Final = 256  # of a map; a cluster judges the cost of its rules by it
IMAGE_LENGTH: Final = 255
FORM_LENGTH: Final = 1024  # of what is sent to a token endpoint


class Isolation(StrEnum):
    """Whether a legacy stdio server gets a child per session, or one child serves all."""

    PROCESS = "process"
    SHARED = "shared"


class EraPolicy(StrEnum):
    """What becomes of a client whose era the adapter does not speak (protocol.md, section 4)."""

    AUTO = "auto"  # passed where the eras meet, translated where they don't
    PASS = "pass"  # noqa: S105 - never translated: the adapter itself answers, whatever it says
    BRIDGE = "bridge"  # the adapter is spoken to in the newest era it has, and every other one translated into that


class GrantKind(StrEnum):
    """How the gateway comes to a token for a server elsewhere. The last two speak for the caller, whose token they show
    to the issuer and to nobody else."""

    CLIENT_CREDENTIALS = "client-credentials"  # the gateway speaks for itself (RFC 6749, section 4.4)
    TOKEN_EXCHANGE = "token-exchange"  # noqa: S105 - a kind's name (RFC 8693)
    ON_BEHALF_OF = "on-behalf-of"  # Entra ID's


class Phase(StrEnum):
    """Where an adapter or instance stands. The deck's glyphs and words follow these."""

    PENDING = "Pending"  # stored, nothing started yet
    STARTING = "Starting"
    READY = "Ready"
    ROLLING = "Rolling"
    DEGRADED = "Degraded"  # some instances ready, not all
    FAILED = "Failed"
    STOPPED = "Stopped"  # zero replicas wanted
    STOPPING = "Stopping"


class _Strict(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What clients send: an unknown field is an error that names it."""


class _Returned(msgspec.Struct, frozen=True, rename="camel"):
    """What the gateway returns: a client tolerates fields of a newer one."""


class Stdio(_Strict, frozen=True, kw_only=True, omit_defaults=True):
    """A stdio MCP server as argv, never a shell line. With an image it runs in that image (cluster only)."""

    command: str
    args: list[str] = []
    image_name: str = ""
    image_version: str = ""


class SecretReference(_Strict, frozen=True, kw_only=True):
    """One key of a named secret of the platform (a Kubernetes Secret; locally the environment of the gateway)."""

    secret: str
    key: str


class Authorization(_Strict, frozen=True, kw_only=True, omit_defaults=True):
    """The access token that a `url` adapter is called with, and how the gateway comes to it.

    scope, resource (RFC 8707), audience: what the token is to be for, as its issuer wants it said.
    """

    kind: GrantKind
    token_url: str
    client_id: str
    client_secret: SecretReference
    scope: str = ""
    resource: str = ""
    audience: str = ""


class SessionPolicy(_Strict, frozen=True, kw_only=True):
    """resurrect: a session whose instance died goes on with another one, which hears again how it began."""

    isolation: Isolation = Isolation.PROCESS
    idle_timeout: float = 1800.0  # seconds without a request, a stream or a call in flight
    max: int = 1000  # live sessions per instance
    resurrect: bool = False


class Timeouts(_Strict, frozen=True, kw_only=True):
    """Bounds on the data plane, in seconds. `idle` is silence within an answer, `total` a whole one that is no lasting
    stream; for these two 0 means no bound."""

    connect: float = 5.0
    first_byte: float = 120.0
    idle: float = 0.0
    total: float = 0.0


class Recording(_Strict, frozen=True, kw_only=True):
    """The flight recorder. sample: which share is kept, of sessions, or of calls where there are none."""

    enabled: bool = False
    max_messages: int = 1000
    sample: float = 1.0


class ResourceList(_Strict, frozen=True, kw_only=True, omit_defaults=True):
    cpu: str = ""
    memory: str = ""
    ephemeral_storage: str = msgspec.field(default="", name="ephemeral-storage")


class Resources(_Strict, frozen=True, kw_only=True):
    requests: ResourceList = ResourceList(cpu="250m", memory="256Mi")
    limits: ResourceList = ResourceList(cpu="1", memory="512Mi", ephemeral_storage="2Gi")


class AdapterSpec(_Strict, frozen=True, kw_only=True, omit_defaults=True):
    """Desired state of one adapter. Exactly one source: `imageName` with `imageVersion`, `stdio`, or `url`."""

    name: str
    image_name: str = ""
    image_version: str = ""
    command: list[str] = []
    args: list[str] = []
    port: int = 8000
    path: str = "/mcp"
    stdio: Stdio | None = None
    url: str = ""
    headers: dict[str, SecretReference] = {}
    authorization: Authorization | None = None
    environment_variables: dict[str, str] = {}
    secret_environment: dict[str, SecretReference] = {}
    replica_count: int = 1
    description: str = ""
    use_workload_identity: bool = False
    required_roles: list[str] = []
    resources: Resources = Resources()
    session: SessionPolicy = SessionPolicy()
    timeouts: Timeouts = Timeouts()
    era: EraPolicy = EraPolicy.AUTO
    recording: Recording = Recording()


class Adapter(AdapterSpec, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=False, omit_defaults=False):
    """An adapter as the gateway returns it: the spec's fields, and who made it when.

    `environment_variables` holds values for writers, and null per name for readers.
    """

    id: str
    environment_variables: dict[str, str | None] = {}  # type: ignore[assignment]  # null for readers
    created_by: str
    created_at: datetime
    last_updated_at: datetime
    etag: str


class InstanceStatus(_Returned, frozen=True, kw_only=True):
    """One replica: a child process here, a pod in a cluster. `uid` changes whenever it starts anew."""

    name: str
    uid: str = ""
    phase: Phase
    ready: bool
    restarts: int = 0
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None


class Condition(_Returned, frozen=True, kw_only=True):
    """A Kubernetes-style condition: `type` Ready, Progressing, …; `status` True, False or Unknown."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class AdapterStatus(_Returned, frozen=True, kw_only=True):
    """Observed state. `replica_status` is MS's word: `Healthy`, or `Degraded: r/n ready`."""

    ready_replicas: int
    updated_replicas: int
    available_replicas: int
    image: str
    replica_status: str
    phase: Phase
    reason: str = ""
    message: str = ""
    instances: list[InstanceStatus] = []
    conditions: list[Condition] = []


class Page[Item](_Returned, frozen=True, kw_only=True, omit_defaults=True):
    """A list that was asked for with `limit`. `next_cursor` is absent on the last page."""

    items: list[Item]
    next_cursor: str | None = None


class LiveSession(_Returned, frozen=True, kw_only=True):
    """One live MCP session of an adapter. `id` is a digest: the id that clients hold never leaves the data plane.

    rate: calls per second, of about the last minute; p95: seconds that all but five in a hundred of the last some
    hundred calls took less than, right to a fifth. Both as of the last change. oldest_call_at: when the oldest of those
    in flight began.
    """

    id: str
    adapter: str
    instance: str
    era: str
    principal: str
    principal_name: str = ""
    client_name: str = ""
    client_version: str = ""
    protocol_version: str = ""
    state: str = "live"
    opened_at: datetime
    last_used_at: datetime
    calls: int = 0
    in_flight: int = 0
    streams: int = 0
    errors: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    rate: float = 0.0
    p95: float | None = None
    last_error: str = ""
    last_error_at: datetime | None = None
    oldest_call_at: datetime | None = None


class WhoAmI(_Returned, frozen=True, kw_only=True):
    """The caller, and what it may do: `permissions` holds `create`, `admin`; per resource see its own answer."""

    id: str
    name: str
    roles: list[str]
    permissions: list[str]
    authentication: str


class ChangeEvent(_Returned, frozen=True, kw_only=True):
    """One message of `/events`: `type` is `added`, `modified`, `deleted` or `status`; `kind` Adapter, Tool, Toolset
    or Session.

    `resource` is what `kind` says, or for `status` an AdapterStatus (of a Tool a ToolStatus); absent on `deleted`.
    """

    type: str
    kind: str
    name: str
    resource: dict[str, Any] | None = None


def problems_of(spec: AdapterSpec) -> dict[str, list[str]]:
    """What is wrong with a spec, by field as on the wire (`stdio.command`); empty when it is right."""
    found: dict[str, list[str]] = {}

    def check(ok: object, field: str, sentence: str) -> None:
        if not ok:
            found.setdefault(field, []).append(sentence)

    try:
        parse_adapter_name(spec.name)
    except ValueError as error:
        check(False, "name", str(error))
    _check_source(spec, check)
    check(0 <= spec.replica_count <= MAX_REPLICAS, "replicaCount", f"must be 0 to {MAX_REPLICAS}")
    check(len(spec.description) <= DESCRIPTION_LENGTH, "description", f"has more than {DESCRIPTION_LENGTH} characters")
    check(1 <= spec.port <= 65535, "port", "must be 1 to 65535")
    check(PATH.fullmatch(spec.path), "path", "must begin with '/' and hold only letters, digits and /_-.")
    _check_sizes(spec, check)
    for name, value in spec.environment_variables.items():
        check(ENVIRONMENT_NAME.fullmatch(name), f"environmentVariables.{name}", "is not an environment variable's name")
        check("\0" not in value, f"environmentVariables.{name}", "holds a NUL")
    for name in spec.secret_environment:
        check(ENVIRONMENT_NAME.fullmatch(name), f"secretEnvironment.{name}", "is not an environment variable's name")
        check(name not in spec.environment_variables, f"secretEnvironment.{name}", "is also in environmentVariables")
    for name in spec.headers:
        check(HEADER_NAME.fullmatch(name), f"headers.{name}", "is not a header's name")
        check(not OWN_HEADER.fullmatch(name), f"headers.{name}", "is the gateway's own to set")
    for side in ("requests", "limits"):
        for resource, quantity in msgspec.to_builtins(getattr(spec.resources, side)).items():
            check(QUANTITY.fullmatch(quantity), f"resources.{side}.{resource}", f"{quantity!r} is not a quantity")
    check(spec.session.idle_timeout > 0, "session.idleTimeout", "must be more than 0 seconds")
    check(spec.session.max >= 1, "session.max", "must be at least 1")
    for bound in ("connect", "first_byte"):
        field = "firstByte" if bound == "first_byte" else bound
        check(getattr(spec.timeouts, bound) > 0, f"timeouts.{field}", "must be more than 0 seconds")
    check(spec.timeouts.idle >= 0, "timeouts.idle", "must be 0 (no bound) or more seconds")
    check(spec.timeouts.total >= 0, "timeouts.total", "must be 0 (no bound) or more seconds")
    is_bounded = 1 <= spec.recording.max_messages <= MAX_RECORDED
    check(is_bounded, "recording.maxMessages", f"must be 1 to {MAX_RECORDED}")
    check(0 < spec.recording.sample <= 1, "recording.sample", "must be more than 0, and at most 1")
    return found


def _check_source(spec: AdapterSpec, check: Any) -> None:
    sources = [bool(spec.image_name), spec.stdio is not None, bool(spec.url)]
    check(sum(sources) == 1, "source", "give exactly one of imageName with imageVersion, stdio, or url")
    _check_image(spec.image_name, spec.image_version, "", check)
    if not spec.image_name:
        check(not spec.command and not spec.args, "command", "belongs to imageName; a stdio server has stdio.command")
    if spec.stdio is not None:
        _check_image(spec.stdio.image_name, spec.stdio.image_version, "stdio.", check)
        check(spec.stdio.command.strip(), "stdio.command", "is empty")
        check("\0" not in spec.stdio.command + "".join(spec.stdio.args), "stdio.args", "holds a NUL")
    if spec.url:
        check(URL.fullmatch(spec.url), "url", "is not an http(s) URL without user info and fragment")
    else:
        check(not spec.headers, "headers", "belong to url")
        check(spec.authorization is None, "authorization", "belongs to url")
    if spec.authorization is not None:
        _check_authorization(spec.authorization, spec.headers, check)


def _check_authorization(authorization: Authorization, headers: dict[str, SecretReference], check: Any) -> None:
    check(TOKEN_URL.fullmatch(authorization.token_url), "authorization.tokenUrl", "is not an https URL")
    check(authorization.client_id, "authorization.clientId", "is empty")
    for name, field in (
        ("client_id", "clientId"),
        ("scope", "scope"),
        ("resource", "resource"),
        ("audience", "audience"),
    ):
        text = getattr(authorization, name)
        is_text = len(text) <= FORM_LENGTH and FORM_TEXT.fullmatch(text)
        check(is_text, f"authorization.{field}", f"must be at most {FORM_LENGTH} visible ASCII characters and spaces")
    is_twice = any(name.lower() == "authorization" for name in headers)
    check(not is_twice, "headers.authorization", "is what `authorization` sets: give one of the two")


def _check_image(name: str, version: str, prefix: str, check: Any) -> None:
    if not name:
        check(not version, f"{prefix}imageVersion", "needs imageName")
        return
    is_repository = len(name) <= IMAGE_LENGTH and ".." not in name and IMAGE_NAME.fullmatch(name)
    check(is_repository, f"{prefix}imageName", "is not a repository")
    check(IMAGE_VERSION.fullmatch(version), f"{prefix}imageVersion", "is neither a tag nor a sha256: digest")


def _check_sizes(spec: AdapterSpec, check: Any) -> None:
    maps: dict[str, dict[str, Any]] = {
        "environmentVariables": spec.environment_variables,
        "secretEnvironment": spec.secret_environment,
        "headers": spec.headers,
    }
    for field, entries in maps.items():
        check(len(entries) <= MAX_ENTRIES, field, f"has more than {MAX_ENTRIES} entries")


def normalized[Spec: AdapterSpec](spec: Spec) -> Spec:
    """The spec with roles trimmed and de-duplicated, whatever their case; the first spelling stays."""
    roles: dict[str, str] = {}
    for role in filter(None, map(str.strip, spec.required_roles)):
        roles.setdefault(role.casefold(), role)
    return msgspec.structs.replace(spec, required_roles=list(roles.values()))
