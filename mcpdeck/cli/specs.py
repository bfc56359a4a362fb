"""Specifications from the words of a command, or from files. Sends nothing."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from gateway.wire.resources import AdapterSpec, Isolation, SecretReference, SessionPolicy, Stdio, problems_of
from mcpdeck.cli.documents import documents_of, made
from mcpdeck.cli.exits import USAGE, Failure
from mcpdeck.cli.words import pair
from mcpdeck.model.form import Entries, Source, spec_of
from mcpdeck.model.yaml_lines import RETURNED


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", metavar="NAME")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--stdio", action="store_true", help="a stdio server: its command stands behind --")
    source.add_argument("--url", default="", metavar="URL", help="a server hosted elsewhere")
    source.add_argument("--image", default="", metavar="IMAGE", help="REPOSITORY[:TAG] or REPOSITORY@sha256:…")
    source.add_argument("-f", "--file", default="", metavar="FILE", help="all of it from YAML or JSON; - is stdin")
    parser.add_argument("--replicas", type=int, metavar="N", help="1")
    parser.add_argument("--env", action="append", type=pair, default=[], metavar="NAME=VALUE", help="repeat")
    parser.add_argument("--env-file", type=Path, metavar="FILE", help="NAME=VALUE lines")
    parser.add_argument("--secret-env", action="append", type=pair, default=[], metavar="NAME=SECRET/KEY",
                        help="from a secret where the gateway runs; repeat")  # fmt: skip
    parser.add_argument("--header", action="append", type=pair, default=[], metavar="NAME=SECRET/KEY",
                        help="for a URL, from a secret; repeat")  # fmt: skip
    parser.add_argument("--role", action="append", default=[], help="who else may use it; repeat")
    parser.add_argument("--description", default="")
    parser.add_argument("--isolation", choices=list(Isolation), help="a process per session, or one that all share")
    parser.add_argument("--resurrect", action="store_true", help="sessions outlive their instance: another one goes on")
    parser.add_argument("--port", type=int, help="where an image serves; 8000")
    parser.add_argument("--path", help="and under which path; /mcp")


def of_words(words: argparse.Namespace, trailing: list[str] | None) -> AdapterSpec:
    """Raises Failure with everything that is wrong."""
    if words.file:
        return _only(words)
    if not words.name:
        raise Failure(USAGE, "the adapter needs a NAME, or -f FILE")
    if words.stdio and not trailing:
        raise Failure(
            USAGE, "--stdio needs the server's command", hint="mcpdeck adapters create NAME --stdio -- COMMAND"
        )
    if trailing and not (words.stdio or words.image):
        raise Failure(USAGE, f"what is {trailing[0]!r} after --? a command goes with --stdio or --image")
    spec = AdapterSpec(
        name=words.name,
        environment_variables=_environment(words.env_file) | dict(words.env),
        secret_environment={name: secret_of(value) for name, value in words.secret_env},
        headers={name: secret_of(value) for name, value in words.header},
        required_roles=words.role,
        description=words.description,
    )
    given = {"port": words.port, "path": words.path, "replica_count": words.replicas}
    if words.isolation is not None or words.resurrect:
        given["session"] = SessionPolicy(
            isolation=Isolation(words.isolation or Isolation.PROCESS), resurrect=words.resurrect
        )
    chosen = {name: value for name, value in given.items() if value is not None}
    spec = msgspec.structs.replace(spec, **_source(words, trailing or []), **chosen)
    return checked(spec)


def checked(spec: AdapterSpec, where: str = "") -> AdapterSpec:
    """Raises Failure with everything that is wrong, at once."""
    if errors := problems_of(spec):
        told = "\n".join(f"  {field}: {', '.join(sentences)}" for field, sentences in errors.items())
        raise Failure(USAGE, f"{where}{spec.name or 'the adapter'} is not right:\n{told}")
    return spec


def of_files(names: list[str]) -> list[tuple[str, AdapterSpec]]:
    """Every document of every file, with where it stands. Raises Failure."""
    return [(where, spec) for name in names for where, spec in _of_file(name)]


def _of_file(name: str) -> Iterator[tuple[str, AdapterSpec]]:
    documents = documents_of(name)
    if not documents:
        raise Failure(USAGE, f"{name} holds no specification")
    for number, document in enumerate(_unpacked(documents), 1):
        where = f"{name}: " if len(documents) == 1 else f"{name}, document {number}: "
        yield where, _decoded(document, where)


def _unpacked(documents: list[Any]) -> Iterator[Any]:
    """What `adapters list -o json` printed can be applied too."""
    for document in documents:
        if isinstance(document, dict) and "items" in document and "kind" in document:
            yield from document["items"]
        else:
            yield document


def _decoded(document: Any, where: str) -> AdapterSpec:
    if isinstance(document, dict):
        document = {key: value for key, value in document.items() if key not in ("status", *RETURNED)}
    return checked(made(document, AdapterSpec, where=where.removesuffix(": "), wanted="a specification"), where)


def _only(words: argparse.Namespace) -> AdapterSpec:
    found = of_files([words.file])
    if len(found) != 1:
        raise Failure(USAGE, f"{words.file} holds {len(found)} specifications, and create makes one", hint="apply -f")
    (_, spec), name = found[0], words.name
    if name and name != spec.name:
        raise Failure(USAGE, f"{words.file} names it {spec.name!r}, and you {name!r}")
    return spec


def _source(words: argparse.Namespace, trailing: list[str]) -> dict[str, Any]:
    if words.stdio:
        return {"stdio": Stdio(command=trailing[0], args=trailing[1:])}
    if words.url:
        return {"url": words.url}
    if not words.image:
        raise Failure(USAGE, "where is the server? give one of --stdio -- COMMAND, --url URL, --image IMAGE, -f FILE")
    entries = Entries(name="x", source=Source.IMAGE, location=words.image)
    image, _ = spec_of(entries)
    assert image is not None  # noqa: S101  (any text is an image; whether a good one is checked with the rest)
    command = {"command": trailing[:1], "args": trailing[1:]} if trailing else {}
    return {"image_name": image.image_name, "image_version": image.image_version, **command}


def _environment(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(USAGE, f"{path}: {error.strerror}") from error
    spec, errors = spec_of(Entries(name="x", location="x", environment=text))
    if spec is None:
        raise Failure(USAGE, f"{path}: {'; '.join(errors['environment'])}")
    return spec.environment_variables


def secret_of(text: str) -> SecretReference:
    secret, slash, key = text.partition("/")
    if not (slash and secret and key):
        raise Failure(USAGE, f"{text!r}: wanted SECRET/KEY")
    return SecretReference(secret=secret, key=key)
