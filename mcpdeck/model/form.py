"""The deploy form as data: what was typed, the specification it means, and which field an error belongs to. Pure."""

import shlex
from enum import StrEnum
from typing import Final

import msgspec

from gateway.wire.names import parse_adapter_name
from gateway.wire.resources import AdapterSpec, Isolation, SessionPolicy, Stdio, problems_of


class Source(StrEnum):
    """Where the server comes from; one of three."""

    COMMAND = "command"
    URL = "url"
    IMAGE = "image"


SOURCE_TITLES: Final = {
    Source.COMMAND: "Command (stdio)",
    Source.URL: "URL (hosted elsewhere)",
    Source.IMAGE: "Container image",
}
SOURCE_EXAMPLES: Final = {
    Source.COMMAND: "uvx mcp-server-time",
    Source.URL: "https://example.com/mcp",
    Source.IMAGE: "ghcr.io/acme/weather:1.4.2",
}


class Entries(msgspec.Struct, frozen=True, kw_only=True):
    """The form as typed."""

    name: str = ""
    source: Source = Source.COMMAND
    location: str = ""
    replicas: str = "1"
    environment: str = ""  # KEY=value lines
    roles: str = ""
    description: str = ""
    isolation: Isolation = Isolation.PROCESS


FIELDS: Final = ("name", "location", "replicas", "environment", "roles", "description", "isolation")

# Which form field shows the errors of which wire fields, by their first part.
_FIELD_OF: Final = {
    "name": "name",
    "source": "location",
    "stdio": "location",
    "url": "location",
    "imageName": "location",
    "imageVersion": "location",
    "replicaCount": "replicas",
    "environmentVariables": "environment",
    "requiredRoles": "roles",
    "description": "description",
    "session": "isolation",
}

type Errors = dict[str, list[str]]


def spec_of(entries: Entries) -> tuple[AdapterSpec | None, Errors]:
    """The specification, or None with the errors by form field; both when it can be built but is not right."""
    errors: Errors = {}
    try:
        parse_adapter_name(entries.name.strip())
    except ValueError as error:
        errors["name"] = [str(error)]
    more = _location(entries, errors)
    environment = _environment(entries.environment, errors)
    if not entries.replicas.strip().isdecimal():
        errors["replicas"] = ["is not a whole number"]
    if errors:
        return None, errors
    spec = AdapterSpec(
        name=entries.name.strip(),
        replica_count=int(entries.replicas),
        environment_variables=environment,
        required_roles=[role.strip() for role in entries.roles.split(",") if role.strip()],
        description=entries.description.strip(),
    )
    if entries.isolation is not Isolation.PROCESS:
        more["session"] = SessionPolicy(isolation=entries.isolation)
    spec = msgspec.structs.replace(spec, **more)
    return spec, by_field(problems_of(spec))


def _location(entries: Entries, errors: Errors) -> dict[str, object]:
    text = entries.location.strip()
    if not text:
        errors["location"] = [f"is needed, such as {SOURCE_EXAMPLES[entries.source]}"]
        return {}
    match entries.source:
        case Source.URL:
            return {"url": text}
        case Source.IMAGE:
            repository, separator, digest = text.partition("@")
            if separator:
                return {"image_name": repository, "image_version": digest}
            repository, _, tag = text.rpartition(":") if ":" in text.rsplit("/", 1)[-1] else (text, "", "latest")
            return {"image_name": repository, "image_version": tag}
        case Source.COMMAND:
            try:
                command, *arguments = shlex.split(text)
            except ValueError as error:
                errors["location"] = [f"can not be split into arguments: {str(error).lower()}"]
                return {}
            return {"stdio": Stdio(command=command, args=arguments)}


def _environment(text: str, errors: Errors) -> dict[str, str]:
    """KEY=value lines as in a .env file: blank lines and # comments are skipped, a pair of quotes is taken off."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().removeprefix("export ")
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        if not equals:
            errors.setdefault("environment", []).append(f"line {number} has no '='")
            continue
        quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
        found[name.strip()] = value[1:-1] if quoted else value
    return found


def by_field(problems: Errors) -> Errors:
    """The errors of the wire's fields at the form's; what belongs to none stands under the empty name."""
    found: Errors = {}
    for wire_field, sentences in problems.items():
        first, _, rest = wire_field.partition(".")
        field = _FIELD_OF.get(first, "")
        prefix = f"{rest} " if first == "environmentVariables" and rest else "" if field else f"{wire_field}: "
        found.setdefault(field, []).extend(f"{prefix}{sentence}" for sentence in sentences)
    return found


def entries_of(spec: AdapterSpec) -> Entries | None:
    """The form that means this specification; None where the form has no field for some of it."""
    if spec.stdio is not None:
        source, location = Source.COMMAND, shlex.join([spec.stdio.command, *spec.stdio.args])
    elif spec.url:
        source, location = Source.URL, spec.url
    else:
        separator = "@" if spec.image_version.startswith("sha256:") else ":"
        source, location = Source.IMAGE, f"{spec.image_name}{separator}{spec.image_version}" if spec.image_name else ""
    entries = Entries(
        name=spec.name,
        source=source,
        location=location,
        replicas=str(spec.replica_count),
        environment="\n".join(f"{name}={value}" for name, value in spec.environment_variables.items()),
        roles=", ".join(spec.required_roles),
        description=spec.description,
        isolation=spec.session.isolation,
    )
    return entries if not location or spec_of(entries)[0] == spec else None
