# ruff: noqa: ASYNC240 - tests may read small files
"""The audit log: written in batches, rotated, continued after a crash; and every kind of tampering shows."""

import asyncio
import datetime as dt
import errno
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import Forbidden
from gateway.services import audit, audit_reading
from gateway.services.audit import AuditLog, open_audit
from gateway.services.audit_reading import Wanted, backwards, chosen, chosen_from_files, newest
from gateway.wire.audit import START, AuditRecord, Broken, Intact, verify
from tests.support.gateway_fakes import ADMIN, EVE

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


async def test_what_is_recorded_is_written_a_moment_later_without_being_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "DELAY", 0.0)
    path = tmp_path / "audit.jsonl"
    async with open_audit(str(path)) as subject:
        for number in range(2):
            subject.record(record(number))
            assert path.read_bytes().count(b"\n") == 2 * number
            subject.record(record(number))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert path.read_bytes().count(b"\n") == 2 * number + 2


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
    assert subject._file is not None
    subject._file.close()
    subject._file = Full()  # type: ignore[assignment]
    subject.record(record())
    subject.close()
    assert subject.lost == 1
    assert "No space left" in caplog.text


# in memory


async def test_log_without_a_file_remembers_the_newest_and_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_audit("") as subject:
        for number in range(audit.REMEMBERED + 5):
            subject.record(record(number))
        found = [each.request_id for each in subject.remembered()]
    assert (len(found), found[0], found[-1]) == (audit.REMEMBERED, str(audit.REMEMBERED + 4), "5")


async def test_record_is_worked_out_when_it_is_wanted(tmp_path: Path) -> None:
    worked_out: list[int] = []

    class Late:
        def record(self) -> AuditRecord:
            worked_out.append(1)
            return record(7)

    async with open_audit("") as memory:
        memory.record(Late())
        assert not worked_out
        assert [each.request_id for each in memory.remembered()] == ["7"]
    async with open_audit(str(tmp_path / "audit.jsonl")) as file:
        file.record(Late())
    assert b'"requestId":"7"' in (tmp_path / "audit.jsonl").read_bytes()


async def test_flood_of_strangers_is_counted_and_only_some_of_it_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "BURST", 3)
    monkeypatch.setattr(audit, "PER_SECOND", 0.0)
    async with open_audit("") as subject:
        for number in range(10):
            subject.record_stranger(record(number, detail="no such token"))
        assert len(list(subject.remembered())) == 3
        subject.record(record(99))
        subject._allowance._left = 1.0
        subject.record_stranger(record(100, detail="no such token"))
        newest = next(subject.remembered())
    assert newest.detail == "no such token; 7 more like it before are not recorded"


# read


async def everything(path: Path, wanted: Wanted | None = None) -> list[str]:
    return [each.request_id for each in chosen_from_files(str(path), wanted or Wanted(limit=1000))]


async def test_newest_come_first_over_rotated_files(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    await written(path, 20, max_bytes=1500)
    assert len(list(tmp_path.iterdir())) > 2
    assert await everything(path) == [str(number) for number in reversed(range(20))]
    assert await everything(path, Wanted(limit=3)) == ["19", "18", "17"]


@pytest.mark.parametrize("block", [1, 7, 100, 64 * 1024])
async def test_lines_are_whole_wherever_a_block_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(audit_reading, "BLOCK", block)
    path = tmp_path / "audit.jsonl"
    lines = await written(path, 4)
    with path.open("ab") as file:
        file.write(b"torn")
    assert list(backwards(str(path))) == lines[::-1]


async def test_line_that_is_none_hides_no_others(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    await written(path, 2)
    with path.open("ab") as file:
        file.write(b"nonsense\n")
    assert await everything(path) == ["1", "0"]
    (tmp_path / "empty").touch()
    assert await everything(tmp_path / "empty") == []
    assert await everything(tmp_path / "absent") == []


def test_text_is_looked_for_in_every_field_whatever_its_case() -> None:
    records = [record(1), record(2, principal_name="Ada Lovelace"), record(3, status=403, name="get_forecast")]
    for text, found in [
        ("LOVELACE", ["2"]),
        ("403", ["3"]),
        ("forecast", ["3"]),
        ("weather", ["1", "2", "3"]),
        ("x", []),
    ]:
        assert [each.request_id for each in chosen(records, Wanted(limit=9, text=text))] == found, text


def test_long_call_that_began_early_hides_none_that_began_later() -> None:
    def at(minute: int, number: int, duration: float = 0.0) -> AuditRecord:
        moment = AT + dt.timedelta(minutes=minute)
        return AuditRecord(at=moment, action="mcp.call", request_id=str(number), duration=duration)

    newest_first = [at(9, 1), at(0, 2, duration=540.0), at(8, 3), at(2, 4), at(7, 5)]
    wanted = Wanted(limit=9, since=AT + dt.timedelta(minutes=5))
    assert [each.request_id for each in chosen(newest_first, wanted)] == ["1", "3"]


async def test_log_is_for_administrators(tmp_path: Path) -> None:
    async with open_audit(str(tmp_path / "audit.jsonl")) as subject:
        subject.record(record(1))
        with pytest.raises(Forbidden, match="the audit log is for"):
            await newest(EVE, subject, Wanted(limit=1))
        assert [each.request_id for each in await newest(ADMIN, subject, Wanted(limit=1))] == ["1"]
