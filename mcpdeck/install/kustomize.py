"""Kustomize, as far as our own manifests need it: resources, components, images, patches by merging. Reads files only.

So that `mcpdeck install` and `kubectl apply -k` apply the same, without a kubectl; a test holds both side by side.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml

type Json = dict[str, Any]

_KNOWN = {"apiVersion", "kind", "resources", "components", "images", "patches"}


def built(folder: Path, *, without: Collection[str] = ()) -> list[Json]:
    """The objects of a kustomization, in their order. without: names of its components that are left out.

    Raises ValueError for what is not understood here.
    """
    told = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    if unknown := told.keys() - _KNOWN:
        raise ValueError(f"{folder / 'kustomization.yaml'}: {', '.join(sorted(unknown))} is not known here")
    objects = [each for resource in told.get("resources", []) for each in _resource(folder / resource)]
    for component in (each for each in told.get("components", []) if Path(each).name not in without):
        objects = with_component(objects, folder / component)
    objects = _patched(objects, told, folder)
    for image in told.get("images", []):
        objects = [_renamed(each, image) for each in objects]
    return objects


def merged(base: Any, patch: Any) -> Any:
    """A strategic merge: maps by key, lists of named things by name, null removes, anything else replaces."""
    if isinstance(base, dict) and isinstance(patch, dict):
        whole = {key: value for key, value in base.items() if not (key in patch and patch[key] is None)}
        for key, value in patch.items():
            if value is not None:
                whole[key] = merged(whole[key], value) if key in whole else _without_nulls(value)
        return whole
    if _are_named(base) and _are_named(patch):
        by_name = {each["name"]: each for each in base}
        told = [merged(by_name.pop(each["name"], {}), each) for each in patch]
        return [*told, *by_name.values()]  # in kustomize's order
    return _without_nulls(patch)


def _resource(path: Path) -> list[Json]:
    if path.is_dir():
        return built(path.resolve())
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


def with_component(objects: list[Json], folder: Path) -> list[Json]:
    """Its objects besides, and its patches upon all."""
    told = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    more = [each for resource in told.get("resources", []) for each in _resource(folder / resource)]
    return _patched([*objects, *more], told, folder)


def _patched(objects: list[Json], told: Json, folder: Path) -> list[Json]:
    for patch in (each for entry in told.get("patches", []) for each in _resource(folder / entry["path"])):
        if not any(_key(each) == _key(patch) for each in objects):
            raise ValueError(f"{folder}: nothing to patch is a {' '.join(_key(patch))}")
        objects = [merged(each, patch) if _key(each) == _key(patch) else each for each in objects]
    return objects


def _renamed(value: Any, image: Json) -> Any:
    """With one image under another name and tag, wherever a container names it."""
    if isinstance(value, dict):
        return {
            key: _image(each, image) if key == "image" and isinstance(each, str) else _renamed(each, image)
            for key, each in value.items()
        }
    return [_renamed(each, image) for each in value] if isinstance(value, list) else value


def _image(reference: str, image: Json) -> str:
    name, colon, tag = reference.partition(":")
    if name != image["name"]:
        return reference
    tag = image.get("newTag", tag)
    return f"{image.get('newName', name)}{':' if colon or tag else ''}{tag}"


def _key(told: Json) -> tuple[str, str, str]:
    metadata = told["metadata"]
    return told["kind"], metadata.get("namespace", ""), metadata["name"]


def _are_named(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) and "name" in each for each in value)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def strings(value: Any) -> Iterator[str]:
    """Every string in it, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
