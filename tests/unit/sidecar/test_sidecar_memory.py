"""What the kernel counts of processes that it killed for want of memory, in control groups of either version."""

import signal
from pathlib import Path

import pytest

from sidecar import memory
from sidecar.child import start
from sidecar.logs import Log

ANSWERS = {
    "memory.events": "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n",
    "memory.max": "134217728\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 70\n",
    "memory/memory.limit_in_bytes": "134217728\n",
}


def groups(folder: Path, *names: str, **said: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(said.get("said", ANSWERS[name]))
    return folder


def test_version_2_counts_in_its_events(tmp_path: Path) -> None:
    found = groups(tmp_path, "memory.events", "memory.max")
    assert (memory.kills(found), memory.limit(found)) == (2, "128 MiB")


def test_version_1_counts_in_its_control(tmp_path: Path) -> None:
    found = groups(tmp_path, "memory/memory.oom_control", "memory/memory.limit_in_bytes")
    assert (memory.kills(found), memory.limit(found)) == (70, "128 MiB")


@pytest.mark.parametrize("said", ["max\n", "9223372036854771712\n", "", "-1"])
def test_no_limit_is_none(tmp_path: Path, said: str) -> None:
    assert memory.limit(groups(tmp_path, "memory.max", said=said)) == ""


def test_where_nothing_can_be_read_nothing_is_said(tmp_path: Path) -> None:
    assert (memory.kills(tmp_path), memory.limit(tmp_path)) == (0, "")


@pytest.mark.parametrize(
    ("counted", "told"),
    [
        ((2, 3), "server process ran out of memory and was killed; its limit is 128 MiB"),
        ((2, 2), "server process exited (signal SIGKILL)"),
    ],
)
async def test_a_killed_server_says_whether_it_was_for_memory(
    monkeypatch: pytest.MonkeyPatch, counted: tuple[int, int], told: str
) -> None:
    kills = iter(counted)
    monkeypatch.setattr(memory, "kills", lambda: next(kills))
    monkeypatch.setattr(memory, "limit", lambda: "128 MiB")
    log = Log()
    child = await start(["sh", "-c", f"kill -{signal.SIGKILL.value} $$"], log)
    await child.ended.wait()
    log.close()
    assert child.reason == told
