"""What a server's answers to server/discover and initialize say about its era, and what is remembered of silence."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.era import Legacy, Modern, Probe
from sidecar.verdicts import LIFETIME, Verdicts


def result(request_id: int, **result: Any) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "result": result})


def error(request_id: int, code: int, **data: Any) -> bytes:
    body = {"code": code, "message": "m"} | ({"data": data} if data else {})
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "error": body})


FRESH = Legacy(is_fresh=True)


def verdict(*lines: bytes) -> Modern | Legacy | None:
    probe = Probe()
    probe.discover()
    found = [probe.received(line) for line in lines]
    return found[-1]


def test_discover_result_is_modern() -> None:
    found = verdict(result(1, supportedVersions=["2026-07-28"], capabilities={}))
    assert isinstance(found, Modern)
    assert b'"capabilities"' in bytes(found.discovered)


@pytest.mark.parametrize("code", [-32020, -32021])
def test_recognised_modern_errors_are_modern(code: int) -> None:
    assert isinstance(verdict(error(1, code)), Modern)


def test_server_of_a_version_to_come_is_modern() -> None:
    found = verdict(error(1, -32022, supported=["2030-01-01"], requested="2026-07-28"))
    assert isinstance(found, Modern)
    assert b"2030-01-01" in bytes(found.discovered)


@pytest.mark.parametrize(
    "answer",
    [
        *(error(1, code) for code in (-32601, -32602, -32600, -32603, -32000, -32002, 0, 1)),
        result(1),
        result(1, supportedVersions=["2025-11-25"]),
        result(1, supportedVersions="2026-07-28"),
        error(1, -32022, supported=["2025-06-18"], requested="2026-07-28"),
        error(1, -32022),
        b'{"jsonrpc":"2.0","id":1,"error":"text"}',
    ],
)
def test_any_other_answer_is_legacy_whatever_its_code(answer: bytes) -> None:
    assert verdict(answer) == FRESH


@pytest.mark.parametrize("line", [b"hello", b'{"jsonrpc":"2.0","method":"x","id":1}', result(7), b"[]", error(9, 1)])
def test_lines_that_answer_nothing_decide_nothing(line: bytes) -> None:
    assert verdict(line) is None


def test_server_that_answers_initialize_only_is_legacy_and_no_longer_fresh() -> None:
    probe = Probe()
    assert b'"initialize"' in probe.initialize()
    assert probe.received(result(2, protocolVersion="2025-11-25")) == Legacy(is_fresh=False)


def test_slow_modern_server_is_not_taken_for_legacy() -> None:
    probe = Probe()
    probe.initialize()
    assert probe.received(error(2, -32022, supported=["2026-07-28"])) is None
    assert isinstance(probe.received(result(1, supportedVersions=["2026-07-28"])), Modern)


def test_late_refusal_of_discover_leaves_the_word_to_initialize() -> None:
    probe = Probe()
    probe.initialize()
    assert probe.received(error(1, -32601)) is None
    assert probe.received(result(2)) == Legacy(is_fresh=False)


# silence, remembered


def test_silence_is_remembered_for_this_command_and_a_day(tmp_path: Path) -> None:
    verdicts = Verdicts(tmp_path / "eras")
    assert not verdicts.is_silent(["sh", "-c", "x"])
    verdicts.remember(["sh", "-c", "x"], now=1000)
    assert verdicts.is_silent(["sh", "-c", "x"], now=1000 + LIFETIME - 1)
    assert not verdicts.is_silent(["sh", "-c", "x"], now=1000 + LIFETIME)
    assert not verdicts.is_silent(["sh", "-c", "y"], now=1001)


def test_another_executable_at_the_same_place_is_another_command(tmp_path: Path) -> None:
    command = tmp_path / "server"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    verdicts = Verdicts(tmp_path)
    verdicts.remember([str(command)], now=1000)
    assert verdicts.is_silent([str(command)], now=1001)
    os.utime(command, (1, 1))
    assert not verdicts.is_silent([str(command)], now=1001)


def test_damaged_memory_is_no_memory(tmp_path: Path) -> None:
    verdicts = Verdicts(tmp_path)
    verdicts.remember(["sh"], now=1000)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b"{")
    assert not verdicts.is_silent(["sh"], now=1001)
