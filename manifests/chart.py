"""The Helm chart's template, made from the kustomize base: its objects, with values where an operator has a say."""

import re
from pathlib import Path
from typing import Any

import yaml

from mcpdeck.install.kustomize import built, merged

type Json = dict[str, Any]

# Words that YAML leaves as they are, until they become Helm's
_VALUES = {
    "XNAMESPACEX": "{{ .Release.Namespace }}",
    "XIMAGEX": "{{ .Values.image }}",
    "XRUNNERX": "{{ .Values.runnerImage }}",
    "XREPLICASX": "{{ .Values.replicas }}",
}
_ENV = re.compile(r"^( *)- name: XENVX\n", re.MULTILINE)
_RANGE = (
    "{0}{{{{- range $name, $value := .Values.env }}}}\n"
    "{0}- name: {{{{ $name }}}}\n"
    "{0}  value: {{{{ $value | quote }}}}\n"
    "{0}{{{{- end }}}}\n"
)
_HELMS_OWN = ("CustomResourceDefinition",)  # in crds/, which Helm applies first and never removes


def template(base: Path) -> str:
    """Of all objects but the kinds, and the namespace that `--create-namespace` makes."""
    objects = [each for each in built(base) if each["kind"] not in _HELMS_OWN and not _is_own_namespace(each)]
    text = yaml.safe_dump_all([_marked(each) for each in objects], sort_keys=False, width=1000)
    text = _ENV.sub(lambda found: _RANGE.format(found[1]), text)
    for word, value in _VALUES.items():
        text = text.replace(word, value)
    return text


def _is_own_namespace(told: Json) -> bool:
    return told["kind"] == "Namespace" and told["metadata"]["name"] == "mcpdeck"


def _marked(told: Json) -> Json:
    if told["kind"] == "Deployment":
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
