# ruff: noqa: ASYNC240 - tests may read small files
"""The audit log: written in batches, rotated, continued after a crash; and every kind of tampering shows."""

import datetime as dt
import errno
from pathlib import Path
from typing import Any

import pytest

from gateway.services import audit
from gateway.services.audit import AuditLog, open_audit
from gateway.wire.audit import START, AuditRecord, Broken, Intact, verify

AT = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)


def record(number: int = 0, **more: Any) -> AuditRecord:
    return AuditRecord(at=AT, action="mcp.call", principal="ada@idp", target="weather", request_id=str(number), **more)


async def written(path: Path, count: int = 5, **options: Any) -> list[bytes]:
    async with open_audit(str(path), **options) as subject:
        for number in range(count):
            subject.record(record(number))
            subject.flush()
    return path.read_bytes().splitlines()


async def test_lines_are_json_and_chained(tmp_path: Path) -> None:
    lines = await written(tmp_path / "audit.jsonl")
    verdict = verify(lines, previous=START)
    assert isinstance(verdict, Intact)
    assert verdict.lines == 5
    assert verdict.head.encode() in lines[-1]
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("tamper", "line", "reason"),
    [
        (lambda lines: [lines[0], lines[1].replace(b"ada@", b"eve@"), *lines[2:]], 2, "changed"),
        (lambda lines: [lines[0], *lines[2:]], 2, "removed"),
        (lambda lines: lines[1:], 1, "removed"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1, "moved"),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 2, "added"),
        (lambda lines: [*lines, b"{}"], 6, "no audit line"),
        (lambda lines: [*lines[:4], lines[4][:-9]], 5, "no audit line"),
    ],
    ids=["changed", "removed", "first removed", "swapped", "repeated", "added", "cut"],
)
async def test_tampering_shows_at_its_line(tmp_path: Path, tamper: Any, line: int, reason: str) -> None:
    verdict = verify(tamper(await written(tmp_path / "audit.jsonl")), previous=START)
    assert isinstance(verdict, Broken)
    assert verdict.line == line
    assert reason in verdict.reason


async def test_cutting_off_the_end_shows_against_a_hash_kept_elsewhere(tmp_path: Path) -> None:
    lines = await written(tmp_path / "audit.jsonl")
    whole, cut = verify(lines), verify(lines[:-1])
    assert isinstance(whole, Intact)
    assert isinstance(cut, Intact)
    assert whole.head != cut.head


async def test_chain_goes_on_over_restarts_and_rotations(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for _ in range(3):
        await written(path, 10, max_bytes=1500)
    rotated = sorted(tmp_path.glob("audit.jsonl.*"), key=lambda each: -int(each.suffix[1:]))
    assert len(rotated) > 2
    lines = [line for each in [*rotated, path] for line in each.read_bytes().splitlines()]
    verdict = verify(lines, previous=START)
    assert isinstance(verdict, Intact)
    assert verdict.lines == 30


async def test_only_so_many_rotated_files_are_kept(tmp_path: Path) -> None:
    await written(tmp_path / "audit.jsonl", 30, max_bytes=100, kept_files=3)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "audit.jsonl",
        "audit.jsonl.1",
        "audit.jsonl.2",
        "audit.jsonl.3",
    ]


async def test_line_torn_by_a_crash_is_cut_off_and_the_chain_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    await written(path)
    with path.open("ab") as file:
        file.write(b'{"record":{"at":"2026')
    lines = await written(path)
    verdict = verify(lines, previous=START)
    assert isinstance(verdict, Intact)
    assert verdict.lines == 10


async def test_lines_wait_for_company_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MANY", 3)
    path = tmp_path / "audit.jsonl"
    async with open_audit(str(path)) as subject:
        subject.record(record(1))
        subject.record(record(2))
        assert path.read_bytes() == b""
        subject.record(record(3))
        assert path.read_bytes().count(b"\n") == 3
        subject.record(record(4))
    assert path.read_bytes().count(b"\n") == 4


async def test_full_disk_loses_lines_loudly_and_breaks_no_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Full:
        def write(self, _: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None: ...

    subject = AuditLog(str(tmp_path / "audit.jsonl"))
    subject._file.close()
    subject._file = Full()  # type: ignore[assignment]
    subject.record(record())
    subject.close()
    assert subject.lost == 1
    assert "No space left" in caplog.text
