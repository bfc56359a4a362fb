"""The comparer of two runs of the suite, on runs made by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.conformance import Run, differences, read, told


def written(folder: Path, scenario: str, *checks: dict[str, Any]) -> None:
    home = folder / f"server-{scenario}-2026-11-24T16-09-32-392Z"
    home.mkdir(parents=True)
    (home / "checks.json").write_text(json.dumps(list(checks)))


def check(name: str, status: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "status": status, "name": name, "timestamp": "2026-11-24T16:09:32.392Z"} | more


def run(folder: Path) -> Run:
    return Run(0, read(folder), "")


def test_runs_with_the_same_verdicts_do_not_differ_whatever_their_times_and_details(tmp_path: Path) -> None:
    written(tmp_path / "a", "ping", check("ping", "SUCCESS", details={"took": 3}))
    written(tmp_path / "b", "ping", check("ping", "SUCCESS", timestamp="2026-11-24T17:00:00Z", details={"took": 5}))
    assert differences(run(tmp_path / "a"), run(tmp_path / "b")) == []


def test_a_failing_check_is_told_with_both_verdicts_and_its_reason(tmp_path: Path) -> None:
    written(tmp_path / "a", "ping", check("ping", "SUCCESS"), check("wire-schema-valid", "SUCCESS"))
    written(
        tmp_path / "b", "ping", check("ping", "FAILURE", errorMessage="HTTP 502"), check("wire-schema-valid", "SUCCESS")
    )
    found = differences(run(tmp_path / "a"), run(tmp_path / "b"))
    assert told(found, "direct", "through the gateway").splitlines() == [
        "1 checks differ; first line direct, second line through the gateway:",
        "ping / ping",
        "    SUCCESS",
        "    FAILURE HTTP 502",
    ]


def test_a_scenario_that_one_run_lacks_differs(tmp_path: Path) -> None:
    written(tmp_path / "a", "ping", check("ping", "SUCCESS"))
    written(tmp_path / "a", "tools-list", check("tools-list", "SUCCESS"))
    written(tmp_path / "b", "ping", check("ping", "SUCCESS"))
    assert [str(each) for each in differences(run(tmp_path / "b"), run(tmp_path / "a"))] == [
        "tools-list / tools-list\n    was not checked\n    SUCCESS"
    ]


def test_a_check_tried_on_several_cases_differs_when_one_of_them_does(tmp_path: Path) -> None:
    written(tmp_path / "a", "stateless", check("meta", "SUCCESS"), check("meta", "SUCCESS"))
    written(tmp_path / "b", "stateless", check("meta", "SUCCESS"), check("meta", "FAILURE"))
    assert len(differences(run(tmp_path / "a"), run(tmp_path / "b"))) == 1
    written(tmp_path / "c", "stateless", check("meta", "FAILURE"), check("meta", "SUCCESS"))
    assert differences(run(tmp_path / "b"), run(tmp_path / "c")) == []


def test_what_the_suite_only_notes_is_no_verdict(tmp_path: Path) -> None:
    written(tmp_path, "polling", check("incoming-sse-event", "INFO"), check("resumed", "SUCCESS"))
    assert list(run(tmp_path).checks) == [("polling", "resumed")]


def test_failed_scenarios_are_those_with_a_failing_check(tmp_path: Path) -> None:
    written(tmp_path, "ping", check("ping", "SUCCESS"))
    written(tmp_path, "tasks", check("lifecycle", "FAILURE"), check("fields", "WARNING"))
    written(tmp_path, "hints", check("hint", "WARNING"))
    assert run(tmp_path).failed == ["tasks"]
    assert run(tmp_path).scenarios == {"ping", "tasks", "hints"}


def test_a_folder_that_is_not_the_suites_is_refused(tmp_path: Path) -> None:
    (tmp_path / "something").mkdir()
    (tmp_path / "something/checks.json").write_text("[]")
    with pytest.raises(ValueError, match="'something' names no scenario"):
        read(tmp_path)
