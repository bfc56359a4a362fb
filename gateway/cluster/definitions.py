"""The custom resource Adapter: schema, rules, columns. Pure; `manifests/make.py` writes it down.

The rules are those of `wire.resources.problems_of`, said to the API server in patterns, bounds and CEL; a test holds
both to one corpus. What belongs to a request (who may set a field) is not here.
"""

from typing import Any, Final

from gateway.cluster.schema import SPACE, Schema, field, re2, schema_of
from gateway.wire import names, resources
from gateway.wire.resources import AdapterSpec, AdapterStatus

GROUP: Final = "mcpdeck.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CREATED_BY: Final = f"{GROUP}/created-by"
CREATED_AT: Final = f"{GROUP}/created-at"
EDITION: Final = f"{GROUP}/edition"
UPDATED_AT: Final = f"{GROUP}/updated-at"
RESTARTED_AT: Final = f"{GROUP}/restarted-at"

HAS_IMAGE = "has(self.imageName) && self.imageName != ''"
_IMAGE_IS_WHOLE = f"({HAS_IMAGE}) == (has(self.imageVersion) && self.imageVersion != '')"
_WHOLE = "imageName and imageVersion go together"
HAS_URL = "has(self.url) && self.url != ''"
_NO_NUL = r"^[^\x00]*$"
_NOT_BLANK = rf"^[^\x00]*[^\x00{SPACE}][^\x00]*$"
_NAMED = f"self.all(name, name.matches('^{names.ENVIRONMENT_NAME.pattern}$'))"


class CustomStatus(AdapterStatus, frozen=True, kw_only=True, rename="camel"):
    """An adapter's status as its object keeps it. selector: of its pods, for the scale subresource.

    revision: the resourceVersion with which the desired state came that `observed_generation` and `observed_restart`
    name; writes of the status leave it as it is, and so an etag survives them.
    """

    observed_generation: int = 0
    observed_restart: str = ""
    revision: str = ""
    selector: str = ""


def adapter_definition() -> dict[str, Any]:
    spec = source_spec(AdapterSpec)
    spec["x-kubernetes-validations"] += [
        rule(
            f"({HAS_IMAGE} ? 1 : 0) + (has(self.stdio) ? 1 : 0) + ({HAS_URL} ? 1 : 0) == 1",
            "give exactly one of imageName with imageVersion, stdio, or url",
        )
    ]
    columns = [
        column("Phase", ".status.phase"),
        column("Ready", ".status.readyReplicas", "integer"),
        column("Wanted", ".spec.replicaCount", "integer"),
        column("Reason", ".status.reason"),
        column("Image", ".status.image", priority=1),
        column("Owner", f".metadata.annotations.{CREATED_BY.replace('.', r'\.')}", priority=1),
        column("Age", ".metadata.creationTimestamp", "date"),
    ]
    return definition("Adapter", "adapters", ["mcp"], spec=spec, status=status_schema(), columns=columns, scale=True)


def source_spec(struct: type[AdapterSpec]) -> Schema:
    """What adapters and tools have in common."""
    spec = schema_of(struct, without=frozenset({"name"}))
    _bound_texts(spec)
    _bound_numbers(spec)
    for each in ("environmentVariables", "secretEnvironment"):
        field(spec, each)["x-kubernetes-validations"] = [rule(_NAMED, "a key is not an environment variable's name")]
    field(spec, "headers")["x-kubernetes-validations"] = [
        rule(
            f"self.all(name, name.matches('^{_celled(resources.HEADER_NAME.pattern)}$'))", "a key is no header's name"
        ),
        rule(
            f"!self.exists(name, name.matches('^(?i:{resources.OWN_HEADER.pattern})$'))",
            "a header is the gateway's own to set",
        ),
    ]
    field(spec, "stdio")["x-kubernetes-validations"] = [rule(_IMAGE_IS_WHOLE, _WHOLE)]
    _bound_authorization(field(spec, "authorization"))
    spec["x-kubernetes-validations"] = _spec_rules()
    return spec


def _bound_texts(spec: Schema) -> None:
    for each in ("", "stdio."):
        image = field(spec, f"{each}imageName")
        image.update(pattern=re2(resources.IMAGE_NAME, or_empty=True), maxLength=resources.IMAGE_LENGTH)
        image["x-kubernetes-validations"] = [rule("!self.contains('..')", "is not a repository")]
        field(spec, f"{each}imageVersion")["pattern"] = re2(resources.IMAGE_VERSION, or_empty=True)
    field(spec, "path")["pattern"] = re2(resources.PATH)
    field(spec, "url")["pattern"] = re2(resources.URL, or_empty=True)
    field(spec, "stdio.command")["pattern"] = _NOT_BLANK
    field(spec, "stdio.args.[]")["pattern"] = _NO_NUL
    field(spec, "environmentVariables.{}")["pattern"] = _NO_NUL
    field(spec, "description")["maxLength"] = resources.DESCRIPTION_LENGTH
    for each in ("environmentVariables", "secretEnvironment", "headers"):
        field(spec, each)["maxProperties"] = resources.MAX_ENTRIES
    for side in ("requests", "limits"):
        for each in field(spec, f"resources.{side}")["properties"].values():
            each["pattern"] = re2(resources.QUANTITY, or_empty=True)


def _bound_authorization(authorization: Schema) -> None:
    field(authorization, "tokenUrl")["pattern"] = re2(resources.TOKEN_URL)
    for each in ("clientId", "scope", "resource", "audience"):
        field(authorization, each).update(pattern=re2(resources.FORM_TEXT), maxLength=resources.FORM_LENGTH)
    field(authorization, "clientId")["minLength"] = 1


def _bound_numbers(spec: Schema) -> None:
    field(spec, "replicaCount").update(minimum=0, maximum=resources.MAX_REPLICAS, default=1, format="int32")
    field(spec, "port").update(minimum=1, maximum=65535, format="int32")
    field(spec, "session.max")["minimum"] = 1
    for each in ("session.idleTimeout", "timeouts.connect", "timeouts.firstByte"):
        field(spec, each).update(minimum=0, exclusiveMinimum=True)
    for each in ("timeouts.idle", "timeouts.total"):
        field(spec, each)["minimum"] = 0
    field(spec, "recording.maxMessages").update(minimum=1, maximum=resources.MAX_RECORDED)
    field(spec, "recording.sample").update(minimum=0, exclusiveMinimum=True, maximum=1)


def _spec_rules() -> list[dict[str, Any]]:
    empty = "(!has(self.{0}) || self.{0}.size() == 0)"
    workload = "(has({0}.useWorkloadIdentity) && {0}.useWorkloadIdentity)"
    return [
        rule(_IMAGE_IS_WHOLE, _WHOLE),
        rule(
            f"({HAS_IMAGE}) || ({empty.format('command')} && {empty.format('args')})",
            "command and args belong to imageName; a stdio server has stdio.command",
        ),
        rule(f"({HAS_URL}) || {empty.format('headers')}", "headers belong to url"),
        rule(f"({HAS_URL}) || !has(self.authorization)", "authorization belongs to url"),
        rule(
            "!has(self.authorization) || !has(self.headers) || "
            "!self.headers.exists(name, name.matches('^(?i:authorization)$'))",
            "the header authorization is what `authorization` sets: give one of the two",
        ),
        rule(
            "!has(self.secretEnvironment) || !has(self.environmentVariables) || "
            "!self.secretEnvironment.exists(name, name in self.environmentVariables)",
            "a name in secretEnvironment is also in environmentVariables",
        ),
        rule(f"{workload.format('self')} == {workload.format('oldSelf')}", "useWorkloadIdentity is immutable"),
    ]


def status_schema() -> Schema:
    status = schema_of(CustomStatus)
    conditions = field(status, "conditions")
    conditions |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    del status["required"]
    return status


def definition(
    kind: str,
    plural: str,
    short: list[str],
    *,
    spec: Schema,
    status: Schema,
    columns: list[dict[str, Any]],
    scale: bool,
    rules: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    name_rule = rule(
        f"self.metadata.name.matches('^{names.DNS_LABEL.pattern}$')",
        f"the name is not a DNS label of at most {names.ADAPTER_NAME_LENGTH} characters",
    )
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            **({"status": status} if status else {}),
        },
        "x-kubernetes-validations": [name_rule, *(rules or [])],
    }
    subresources: dict[str, Any] = {"status": {}} if status else {}
    if scale:
        subresources["scale"] = {
            "specReplicasPath": ".spec.replicaCount",
            "statusReplicasPath": ".status.readyReplicas",
            "labelSelectorPath": ".status.selector",
        }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": short,
                "categories": ["mcpdeck"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    **({"subresources": subresources} if subresources else {}),
                    "additionalPrinterColumns": columns,
                }
            ],
        },
    }


def rule(rule: str, message: str) -> dict[str, Any]:
    return {"rule": rule, "message": message}


def column(name: str, path: str, kind: str = "string", *, priority: int = 0) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    return column | {"priority": priority} if priority else column


def _celled(pattern: str) -> str:
    r"""A pattern inside a CEL string literal of single quotes."""
    return pattern.replace("\\", "\\\\").replace("'", r"\'")
