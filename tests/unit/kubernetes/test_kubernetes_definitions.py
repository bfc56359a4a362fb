"""The custom resources' definitions: current, and of the corpus' mind as far as patterns go."""

import importlib.util
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.wire.resources import AdapterSpec, problems_of
from tests.support.adapter_corpus import RIGHT, WRONG

MANIFESTS = Path(__file__).parents[3] / "manifests"


def test_the_written_definitions_are_current() -> None:
    spec = importlib.util.spec_from_file_location("make", MANIFESTS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    for path, text in make.made().items():
        assert path.read_text(encoding="utf-8") == text, f"{path} is stale: uv run python manifests/make.py"


@pytest.mark.parametrize("fields", RIGHT)
def test_the_corpus_right_ones_have_no_problems(fields: dict[str, Any]) -> None:
    assert problems_of(msgspec.convert({"name": "weather", **fields}, AdapterSpec)) == {}


@pytest.mark.parametrize("fields", WRONG)
def test_the_corpus_wrong_ones_are_refused(fields: dict[str, Any]) -> None:
    try:
        problems = problems_of(msgspec.convert({"name": "weather", **fields}, AdapterSpec))
    except msgspec.ValidationError:
        return
    assert problems
