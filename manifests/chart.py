"""The Helm chart's template, made from the kustomize base: its objects, with values where an operator has a say."""

import re
from pathlib import Path
from typing import Any

import yaml

from mcpdeck.install.kustomize import built, merged, with_component

type Json = dict[str, Any]

# Words that YAML leaves as they are, until they become Helm's
_VALUES = {
    "XNAMESPACEX": "{{ .Release.Namespace }}",
    "XIMAGEX": "{{ .Values.image }}",
    "XRUNNERX": "{{ .Values.runnerImage }}",
    "XREPLICASX": "{{ .Values.replicas }}",
    "XREDISX": "{{ .Values.redisImage }}",
}
# One gateway shares nothing, and who names a Redis of his own gets none of ours
_SHARES = '{{- if and (gt (int .Values.replicas) 1) (not (hasKey .Values.env "MCPDECK_REDIS_URL")) }}'
_REDIS_ENV = re.compile(r"^( *)- name: MCPDECK_REDIS_URL\n(?:\1  .*\n)+", re.MULTILINE)
_ENV = re.compile(r"^( *)- name: XENVX\n", re.MULTILINE)
_RANGE = (
    "{0}{{{{- range $name, $value := .Values.env }}}}\n"
    "{0}- name: {{{{ $name }}}}\n"
    "{0}  value: {{{{ $value | quote }}}}\n"
    "{0}{{{{- end }}}}\n"
)
# A claim, in place of what goes with its pod, is one pod's at a time
_RECORDINGS = re.compile(r"^( *)- name: recordings\n((?:\1  .*\n)*\1  emptyDir:\n(?:\1    .*\n)+)", re.MULTILINE)
_STRATEGY = re.compile(r"^( *)strategy:\n((?:\1  .*\n)*\1  rollingUpdate:\n(?:\1    .*\n)+)", re.MULTILINE)
_CLAIM = "  persistentVolumeClaim:\n    claimName: {{ .Values.recordingsClaim }}\n"
_RECREATE = "  type: Recreate\n"
_HELMS_OWN = ("CustomResourceDefinition",)  # in crds/, which Helm applies first and never removes


def template(base: Path) -> str:
    """Of all objects but the kinds, and the namespace that `--create-namespace` makes."""
    alone = built(base)
    objects = with_component(alone, base.parent / "components" / "replicas")
    objects = [each for each in objects if each["kind"] not in _HELMS_OWN and not _is_own_namespace(each)]
    names = {(each["kind"], each["metadata"]["name"]) for each in alone}
    text = "".join(_document(each, is_shared=(each["kind"], each["metadata"]["name"]) not in names) for each in objects)
    text = _REDIS_ENV.sub(lambda found: f"{found[1]}{_SHARES}\n{found[0]}{found[1]}{{{{- end }}}}\n", text)
    text = _ENV.sub(lambda found: _RANGE.format(found[1]), text)
    text = _RECORDINGS.sub(lambda found: f"{found[1]}- name: recordings\n{_claimed(found[2], _CLAIM, found[1])}", text)
    text = _STRATEGY.sub(lambda found: f"{found[1]}strategy:\n{_claimed(found[2], _RECREATE, found[1])}", text)
    for word, value in _VALUES.items():
        text = text.replace(word, value)
    return text


def _claimed(without: str, with_claim: str, indent: str) -> str:
    """One text where an operator names a claim, the other where not."""
    told = "".join(f"{indent}{line}\n" for line in with_claim.splitlines())
    begin, other, end = (f"{indent}  {{{{- {word} }}}}\n" for word in ("if .Values.recordingsClaim", "else", "end"))
    return f"{begin}{told}{other}{without}{end}"


def _document(told: Json, *, is_shared: bool) -> str:
    """is_shared: only there for more than one gateway."""
    text = "---\n" + yaml.safe_dump(_marked(told), sort_keys=False, width=1000)
    return f"{_SHARES}\n{text}{{{{- end }}}}\n" if is_shared else text


def _is_own_namespace(told: Json) -> bool:
    return told["kind"] == "Namespace" and told["metadata"]["name"] == "mcpdeck"


def _marked(told: Json) -> Json:
    if told["metadata"]["name"] == "mcpdeck-redis" and told["kind"] == "Deployment":
        containers: list[Json] = [{"name": "redis", "image": "XREDISX"}]
        told = merged(told, {"spec": {"template": {"spec": {"containers": containers}}}})
    elif told["kind"] == "Deployment":
        container: Json = {"name": "gateway", "image": "XIMAGEX"}
        env = told["spec"]["template"]["spec"]["containers"][0]["env"]
        runner = {"name": "MCPDECK_GATEWAY_RUNNER_IMAGE", "value": "XRUNNERX"}
        container["env"] = [runner if each["name"] == runner["name"] else each for each in env] + [{"name": "XENVX"}]
        patch = {"spec": {"replicas": "XREPLICASX", "template": {"spec": {"containers": [container]}}}}
        told = merged(told, patch)
    if told["kind"] == "Job":
        containers = [{"name": "keys", "image": "XIMAGEX"}]
        told = merged(told, {"spec": {"template": {"spec": {"containers": containers}}}})
    if told["kind"] == "Namespace":
        told = merged(told, {"metadata": {"name": "XNAMESPACEX-adapters"}})
    moved: Json = _moved(told)
    return moved


def _moved(value: Any) -> Any:
    if isinstance(value, list):
        return [_moved(each) for each in value]
    if not isinstance(value, dict):
        return value
    names = {"mcpdeck": "XNAMESPACEX", "mcpdeck-adapters": "XNAMESPACEX-adapters"}
    told = {key: _moved(each) for key, each in value.items()}
    for key in ("namespace", "kubernetes.io/metadata.name"):
        if told.get(key) in names:
            told[key] = names[told[key]]
    if told.get("name") == "MCPDECK_GATEWAY_CLUSTER_NAMESPACE":
        told["value"] = names[told["value"]]
    return told
