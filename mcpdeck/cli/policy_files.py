"""Policies as files have them: one or more, YAML or JSON, looked at before a gateway sees them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gateway.wire.policies import PolicySpec, problems_of_policy
from mcpdeck.cli.exits import USAGE, Failure


def of_file(name: str) -> Iterator[PolicySpec]:
    """name: `-` is stdin. Raises Failure."""
    import yaml

    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        documents = [each for each in yaml.safe_load_all(text) if each is not None]
    except OSError as error:
        raise Failure(USAGE, f"{name}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise Failure(USAGE, f"{name} is no YAML: {error}") from error
    for document in documents:
        try:
            spec = msgspec.convert(document, PolicySpec)
        except msgspec.ValidationError as error:
            raise Failure(USAGE, f"{name}: {error}") from error
        if errors := problems_of_policy(spec):
            lines = "\n".join(f"  {field}: {', '.join(sentences)}" for field, sentences in errors.items())
            raise Failure(USAGE, f"{name}: {spec.name or 'the policy'} is not right:\n{lines}")
        yield spec
