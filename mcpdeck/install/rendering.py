"""What `mcpdeck install` applies: an overlay of the manifests, with what the operator says put in. Asks no cluster."""

import re
from pathlib import Path
from typing import Any, Final

import msgspec

from mcpdeck.install.kustomize import built, merged, strings

type Json = dict[str, Any]

NAMESPACE: Final = "mcpdeck"  # as the manifests have it
GATEWAY: Final = "mcpdeck-gateway"
REDIS: Final = "mcpdeck-redis"
REDIS_URL: Final = "MCPDECK_REDIS_URL"
_ADAPTERS: Final = "mcpdeck-adapters"
_BLANK: Final = re.compile(r"<([A-Z]+)>")
_OF_MANY: Final = ("replicas", "autoscaling")  # components that a single gateway goes without


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator says. "" and None leave the overlay's own. blanks: what an overlay leaves open, by name.

    env: more variables of the gateway, such as the issuer's. With one replica there is no Redis, nor with a
    MCPDECK_REDIS_URL in env.
    """

    overlay: str = "local"
    namespace: str = NAMESPACE
    image: str = ""
    runner_image: str = ""
    redis_image: str = ""
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
    without = _OF_MANY if wishes.replicas is not None and wishes.replicas <= 1 else ()
    objects = [_wished(each, wishes) for each in built(folder, without=without) if _is_wished(each, wishes)]
    objects = [_filled(each, wishes.blanks) for each in objects]
    missing = sorted({name for each in objects for text in strings(each) for name in _BLANK.findall(text)})
    if missing and is_whole:
        wanted = " ".join(f"--set {name}=…" for name in missing)
        raise ValueError(f"the overlay {wishes.overlay!r} leaves these to you: {wanted}")
    return [_moved(each, wishes) for each in objects]


def superfluous(wishes: Wishes) -> list[Json]:
    """What the overlay may hold, and these wishes leave out: an installation that had it loses it."""
    wanted = {_key(each) for each in rendered(wishes, is_whole=False)}
    env = {key: value for key, value in wishes.env.items() if key != REDIS_URL}
    whole = rendered(msgspec.structs.replace(wishes, replicas=None, env=env), is_whole=False)
    return [each for each in whole if _key(each) not in wanted]


def manifests() -> Path:
    """In the wheel beside this file; in a checkout at its root."""
    shipped = Path(__file__).parent / "manifests"
    return shipped if shipped.is_dir() else Path(__file__).parents[2] / "manifests"


def _key(told: Json) -> tuple[str, str, str]:
    return told["kind"], told["metadata"].get("namespace", ""), told["metadata"]["name"]


def _is_wished(told: Json, wishes: Wishes) -> bool:
    """Whoever names a Redis of his own gets none of ours."""
    is_redis = told["metadata"]["name"] in (REDIS, "mcpdeck-gateway-to-redis")
    return not (is_redis and REDIS_URL in wishes.env)


def _wished(told: Json, wishes: Wishes) -> Json:
    match told["kind"], told["metadata"]["name"]:
        case "Job", _:
            return _with_image(told, "keys", wishes.image)
        case "Deployment", name if name == REDIS:
            return _with_image(told, "redis", wishes.redis_image)
        case "Deployment", name if name == GATEWAY:
            return _gateway(_with_image(told, "gateway", wishes.image), wishes)
        case "HorizontalPodAutoscaler", _ if wishes.replicas is not None:
            most = max(wishes.replicas, told["spec"]["maxReplicas"])
            return _merged(told, {"spec": {"minReplicas": wishes.replicas, "maxReplicas": most}})
    return told


def _gateway(told: Json, wishes: Wishes) -> Json:
    env = dict(wishes.env)
    if wishes.runner_image:
        env["MCPDECK_GATEWAY_RUNNER_IMAGE"] = wishes.runner_image
    # A value takes the place of a reference to a Secret too
    wanted = [{"name": key, "value": value, "valueFrom": None} for key, value in sorted(env.items())]
    patch: Json = {"spec": {"template": {"spec": {"containers": [{"name": "gateway"}]}}}}
    if wanted:
        patch["spec"]["template"]["spec"]["containers"][0]["env"] = wanted
    if wishes.replicas is not None and "replicas" in told["spec"]:  # where it is not, an autoscaler says how many
        patch["spec"]["replicas"] = wishes.replicas
    return _merged(told, patch)


def _with_image(told: Json, container: str, image: str) -> Json:
    if not image:
        return told
    return _merged(told, {"spec": {"template": {"spec": {"containers": [{"name": container, "image": image}]}}}})


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
