"""What `mcpdeck install` applies: an overlay of the manifests, with what the operator says put in. Asks no cluster."""

import re
from pathlib import Path
from typing import Any, Final

import msgspec

from mcpdeck.install.kustomize import built, merged, strings

type Json = dict[str, Any]

NAMESPACE: Final = "mcpdeck"  # as the manifests have it
GATEWAY: Final = "mcpdeck-gateway"
_ADAPTERS: Final = "mcpdeck-adapters"
_BLANK: Final = re.compile(r"<([A-Z]+)>")


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator says. "" and None leave the overlay's own. blanks: what an overlay leaves open, by name.

    env: more variables of the gateway, such as the issuer's.
    """

    overlay: str = "local"
    namespace: str = NAMESPACE
    image: str = ""
    runner_image: str = ""
    replicas: int | None = None
    blanks: dict[str, str] = {}
    env: dict[str, str] = {}

    @property
    def adapters_namespace(self) -> str:
        return f"{self.namespace}-adapters"


def rendered(wishes: Wishes, *, is_whole: bool = True) -> list[Json]:
    """The objects, in the order in which they are applied. is_whole: nothing may be left open.

    Raises ValueError, with what is missing or not known.
    """
    folder = manifests() / "overlays" / wishes.overlay
    if not (folder / "kustomization.yaml").exists():
        known = ", ".join(sorted(each.name for each in folder.parent.iterdir()))
        raise ValueError(f"there is no overlay {wishes.overlay!r}; there are {known}")
    objects = [_wished(each, wishes) for each in built(folder)]
    objects = [_filled(each, wishes.blanks) for each in objects]
    missing = sorted({name for each in objects for text in strings(each) for name in _BLANK.findall(text)})
    if missing and is_whole:
        wanted = " ".join(f"--set {name}=…" for name in missing)
        raise ValueError(f"the overlay {wishes.overlay!r} leaves these to you: {wanted}")
    return [_moved(each, wishes) for each in objects]


def manifests() -> Path:
    """In the wheel beside this file; in a checkout at its root."""
    shipped = Path(__file__).parent / "manifests"
    return shipped if shipped.is_dir() else Path(__file__).parents[2] / "manifests"


def _wished(told: Json, wishes: Wishes) -> Json:
    name = told["metadata"]["name"]
    if told["kind"] == "Job" and wishes.image:
        container = {"name": "keys", "image": wishes.image}
        return _merged(told, {"spec": {"template": {"spec": {"containers": [container]}}}})
    if told["kind"] != "Deployment" or name != GATEWAY:
        return told
    container = {"name": "gateway"}
    patch: Json = {"spec": {"template": {"spec": {"containers": [container]}}}}
    if wishes.image:
        container["image"] = wishes.image
    env = dict(wishes.env)
    if wishes.runner_image:
        env["MCPDECK_GATEWAY_RUNNER_IMAGE"] = wishes.runner_image
    if env:
        patch["spec"]["template"]["spec"]["containers"][0]["env"] = [
            {"name": key, "value": value} for key, value in sorted(env.items())
        ]
    if wishes.replicas is not None:
        patch["spec"]["replicas"] = wishes.replicas
    return _merged(told, patch)


def _merged(told: Json, patch: Json) -> Json:
    whole: Json = merged(told, patch)
    return whole


def _filled(value: Any, blanks: dict[str, str]) -> Any:
    if isinstance(value, str):
        return _BLANK.sub(lambda found: blanks.get(found[1], found[0]), value)
    if isinstance(value, dict):
        return {key: _filled(each, blanks) for key, each in value.items()}
    return [_filled(each, blanks) for each in value] if isinstance(value, list) else value


def _moved(told: Json, wishes: Wishes) -> Json:
    """To the namespaces that are wished: wherever one is named, and nowhere else."""
    names = {NAMESPACE: wishes.namespace, _ADAPTERS: wishes.adapters_namespace}
    moved: Json = _renamed(told, names)
    if told["kind"] == "Namespace":
        moved["metadata"]["name"] = names[told["metadata"]["name"]]
    return moved


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    if not isinstance(value, dict):
        return value
    told = {key: _renamed(each, names) for key, each in value.items()}
    for key in ("namespace", "kubernetes.io/metadata.name"):
        if isinstance(told.get(key), str):
            told[key] = names.get(told[key], told[key])
    if told.get("name") == "MCPDECK_GATEWAY_CLUSTER_NAMESPACE":
        told["value"] = names.get(told["value"], told["value"])
    return told
