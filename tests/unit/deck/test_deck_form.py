"""What the deploy form means, and where its errors stand."""

import re
from typing import Any

import msgspec
import pytest

from gateway.wire.resources import Adapter, AdapterSpec, Isolation, SessionPolicy, Stdio
from mcpdeck.model.form import Entries, Source, by_field, entries_of, spec_of
from mcpdeck.model.yaml_lines import from_yaml, to_yaml, toned
from tests.support.fake_gateway import stored

FULL = Entries(
    name="weather",
    source=Source.COMMAND,
    location="uvx mcp-server-weather --site 'north sea'",
    replicas="2",
    environment='# comment\nREGION=north\nexport KEY="a=b"\n\n',
    roles="dev, ops,",
    description="Forecasts",
)


def test_command_is_split_as_a_shell_would_and_run_by_none() -> None:
    spec, errors = spec_of(FULL)
    assert errors == {}
    assert spec == AdapterSpec(
        name="weather",
        stdio=Stdio(command="uvx", args=["mcp-server-weather", "--site", "north sea"]),
        replica_count=2,
        environment_variables={"REGION": "north", "KEY": "a=b"},
        required_roles=["dev", "ops"],
        description="Forecasts",
    )


@pytest.mark.parametrize(
    ("location", "name", "version"),
    [
        ("ghcr.io/acme/weather:1.4.2", "ghcr.io/acme/weather", "1.4.2"),
        ("localhost:5000/weather", "localhost:5000/weather", "latest"),
        ("weather@sha256:" + "a" * 64, "weather", "sha256:" + "a" * 64),
    ],
)
def test_image_is_repository_and_version(location: str, name: str, version: str) -> None:
    spec, errors = spec_of(Entries(name="weather", source=Source.IMAGE, location=location))
    assert errors == {}
    assert spec is not None
    assert (spec.image_name, spec.image_version) == (name, version)


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"name": "Not A Name"}, "name", "is not a DNS label"),
        ({"location": ""}, "location", "is needed, such as uvx mcp-server-time"),
        ({"location": "uvx 'open"}, "location", "can not be split"),
        ({"source": Source.URL, "location": "ftp://x"}, "location", "is not an http(s) URL"),
        ({"replicas": "many"}, "replicas", "is not a whole number"),
        ({"replicas": "101"}, "replicas", "must be 0 to 100"),
        ({"environment": "NOEQUALS"}, "environment", "line 1 has no '='"),
        ({"environment": "1X=y"}, "environment", "1X is not an environment variable's name"),
    ],
)
def test_error_stands_at_its_field(changes: dict[str, Any], field: str, sentence: str) -> None:
    _, errors = spec_of(msgspec.structs.replace(FULL, **changes))
    assert list(errors) == [field]
    assert sentence in " ".join(errors[field])


def test_error_of_a_field_the_form_has_not_is_told_with_its_name() -> None:
    assert by_field({"timeouts.connect": ["must be more"]}) == {"": ["timeouts.connect: must be more"]}


def test_form_and_specification_mean_the_same() -> None:
    spec, _ = spec_of(FULL)
    assert spec is not None
    entries = entries_of(spec)
    assert entries is not None
    assert spec_of(entries)[0] == spec


def test_form_that_can_not_hold_a_specification_says_so() -> None:
    spec = AdapterSpec(name="x", url="https://example.com/mcp", session=SessionPolicy(max=3))
    assert entries_of(spec) is None


def test_isolation_is_kept() -> None:
    spec, _ = spec_of(msgspec.structs.replace(FULL, isolation=Isolation.SHARED))
    assert spec is not None
    assert spec.session.isolation is Isolation.SHARED


def test_yaml_shows_what_differs_from_the_defaults_name_first() -> None:
    spec, _ = spec_of(FULL)
    assert spec is not None
    text = to_yaml(spec)
    assert text.startswith("name: weather\ndescription: Forecasts\n")
    assert "resources" not in text
    assert from_yaml(text) == spec


def test_program_that_is_an_argument_stands_in_yaml_as_it_was_written() -> None:
    spec = AdapterSpec(name="x", stdio=Stdio(command="python3", args=["-c", "import sys\nprint(1)\n"]))
    assert to_yaml(spec).endswith("  - -c\n  - |\n    import sys\n    print(1)\n")
    assert from_yaml(to_yaml(spec)) == spec


def test_yaml_of_an_adapter_from_the_wire_shows_no_default_either() -> None:
    spec = AdapterSpec(name="x", url="https://example.com/mcp")
    received = msgspec.json.decode(msgspec.json.encode(stored(spec, owner="ada")), type=Adapter)
    assert to_yaml(received) == "name: x\nurl: https://example.com/mcp\n"


def test_yaml_of_what_the_gateway_returned_can_be_given_back() -> None:
    spec, _ = spec_of(FULL)
    assert spec is not None
    text = to_yaml(stored(spec, owner="ada"), returned=True)
    assert "createdBy: ada" in text
    assert from_yaml(text) == spec


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: [", "line 1"),
        ("- a", "begins with `name:`"),
        ("name: x\nreplicas: 3", "unknown field `replicas`"),
        ("name: 3", "Expected `str`"),
    ],
)
def test_yaml_that_is_wrong_says_what_and_where(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        from_yaml(text)


def test_toned_yaml_is_the_same_text() -> None:
    text = "name: x\nargs:\n- a: b\n# why\n  https://x.y/z\n"
    assert "\n".join("".join(cell.text for cell in line) for line in toned(text)) == text.rstrip("\n")
