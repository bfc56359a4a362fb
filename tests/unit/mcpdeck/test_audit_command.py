# ruff: noqa: ASYNC240 - tests may read small files
"""`mcpdeck audit verify` on files as the gateway writes them."""

import datetime as dt
from pathlib import Path

import pytest

from gateway.services.audit import open_audit
from gateway.wire.audit import AuditRecord
from mcpdeck.cli import audit
from mcpdeck.cli.words import Words


def verify(*words: str) -> int:
    parser = Words()
    audit.add_parser(parser.nested())
    parsed = parser.parse_args(["audit", "verify", *words])
    return int(parsed.run(parsed))


@pytest.fixture
async def log(tmp_path: Path) -> Path:
    """Twenty lines in several files, the oldest of them still there."""
    path = tmp_path / "audit.jsonl"
    async with open_audit(str(path), max_bytes=1500) as subject:
        for number in range(20):
            at = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
            subject.record(AuditRecord(at=at, action="adapter.create", request_id=str(number)))
            subject.flush()
    assert len(audit.rotated(path)) > 2
    return path


async def test_log_as_written_is_intact_over_its_rotated_files(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(str(log)) == 0
    said = capsys.readouterr().out
    assert said.startswith("intact: 20 lines, last hash ")
    head = said.split()[-1]
    assert verify(str(log), "--expect", head) == 0


async def test_change_in_a_rotated_file_is_found_with_its_line(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    oldest = audit.rotated(log)[0]
    oldest.write_bytes(oldest.read_bytes().replace(b"adapter.create", b"adapter.delete", 1))
    assert verify(str(log)) == 1
    assert capsys.readouterr().out.startswith("BROKEN at line 1 ")


async def test_missing_file_in_the_middle_is_found(log: Path) -> None:
    audit.rotated(log)[1].unlink()
    assert verify(str(log)) == 1


async def test_end_that_was_cut_off_is_found_by_the_expected_hash(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify(str(log))
    head = capsys.readouterr().out.split()[-1]
    log.unlink()
    newest = audit.rotated(log)[-2]
    newest.rename(log)
    assert verify(str(log)) == 0
    assert verify(str(log), "--expect", head) == 1


async def test_oldest_file_that_rotation_removed_is_not_missed(log: Path) -> None:
    audit.rotated(log)[0].unlink()
    assert verify(str(log)) == 0


async def test_log_without_its_first_line_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    async with open_audit(str(path)) as subject:
        for _ in range(3):
            subject.record(AuditRecord(at=dt.datetime(2026, 11, 24, tzinfo=dt.UTC), action="adapter.create"))
    path.write_bytes(b"\n".join(path.read_bytes().splitlines()[1:]) + b"\n")
    assert verify(str(path)) == 1


def test_absent_file_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(str(tmp_path / "absent")) == 2
    assert "No such file" in capsys.readouterr().err
