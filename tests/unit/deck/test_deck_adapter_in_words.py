"""An adapter in words: why it fails once, what mends it beside that, and no program's source in between."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.wire.resources import Adapter, AdapterStatus, InstanceStatus, Phase, Stdio
from mcpdeck.model.adapters import AdapterRow, describe
from mcpdeck.model.advice import advice

NOW = datetime(2026, 11, 25, tzinfo=UTC)
WHY = "server process exited (code 3)\nconnecting to the ledger\nFATAL: cannot open /etc/ledger.conf"


def adapter(**fields: Any) -> Adapter:
    told: dict[str, Any] = {
        "name": "crm",
        "id": "crm",
        "created_by": "ada",
        "created_at": NOW,
        "last_updated_at": NOW,
        "etag": "1",
    }
    return Adapter(**(told | fields))


def words(adapter: Adapter, reason: str = "CrashLoopBackOff", message: str = WHY, *, told: str = WHY) -> list[str]:
    instance = InstanceStatus(name="crm-0", phase=Phase.FAILED, ready=False, restarts=2, reason=reason, message=told)
    status = AdapterStatus(
        phase=Phase.FAILED, reason=reason, message=message, instances=[instance], ready_replicas=0,
        updated_replicas=0, available_replicas=0, image="", replica_status="",
    )  # fmt: skip
    return ["".join(cell.text for cell in line) for line in describe(AdapterRow(adapter, status, 0), NOW)]


def test_why_it_fails_stands_there_once_and_what_mends_it_below() -> None:
    lines = words(adapter(stdio=Stdio(command="ledger")))
    assert sum("cannot open" in line for line in lines) == 1
    after = lines[lines.index("  FATAL: cannot open /etc/ledger.conf") + 1]
    assert after == "  › its log says more, that of the run before too; then edit its command or environment"


def test_what_another_instance_says_is_one_row() -> None:
    lines = words(adapter(stdio=Stdio(command="ledger")), told="something\nelse")
    assert any(line.endswith("CrashLoopBackOff  something else") for line in lines)


def test_a_program_that_is_an_argument_is_cut() -> None:
    lines = words(adapter(stdio=Stdio(command="python3", args=["-c", "print(1)\n" * 500])))
    assert max(map(len, lines)) < 200


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "OOMKilled", "CreateContainerConfigError", "FailedCreate"])
def test_each_reason_that_clusters_know_has_its_advice(reason: str) -> None:
    assert advice(adapter(image_name="x"), reason)


def test_a_url_is_mended_otherwise_than_a_command() -> None:
    assert "path of its URL" in advice(adapter(url="https://crm.example/mpc"), "HandshakeFailed")
    assert "stdin" in advice(adapter(stdio=Stdio(command="x")), "HandshakeFailed")


def test_what_nobody_knows_has_none() -> None:
    assert advice(adapter(url="https://crm.example"), "Whatever") == ""
