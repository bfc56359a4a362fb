"""Whether `--workers N` scales: each worker of a real gateway has the same small share of a core, however many there are.

    python -m tests.bench.workers_bench [--share 10] [--rounds 3] [--most 4]

A worker that has 10 % of a core can't lend more from another, so that what N of them serve together says what N cores would,
on a machine that has two and needs the rest of them for stubs and load generator. Needs Linux, root, the binaries of
`../shared/bench/compare` in the system's temporary folder, and nobody else at their ports.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.support.gateways import Gateway, gateway

BINARIES = Path(tempfile.gettempdir()) / "mcp-bench"
PERIOD = 20_000  # microseconds: short, so that who has used its share waits a moment only
CONNECTIONS = 32  # for each worker, as the kernel deals them out
ROOT = Path("/sys/fs/cgroup")


@contextmanager
def rationed(pids: list[int], percent: int) -> Iterator[list[Path]]:
    """Each of these processes, alone, has this much of a core. Their groups."""
    is_v2 = (ROOT / "cgroup.controllers").exists()
    quota = PERIOD * percent // 100
    groups = [(ROOT if is_v2 else ROOT / "cpu") / f"mcpdeck-bench-{pid}" for pid in pids]
    try:
        for pid, group in zip(pids, groups, strict=True):
            group.mkdir()
            if is_v2:
                (group / "cpu.max").write_text(f"{quota} {PERIOD}")
            else:
                (group / "cpu.cfs_period_us").write_text(str(PERIOD))
                (group / "cpu.cfs_quota_us").write_text(str(quota))
            (group / "cgroup.procs").write_text(str(pid))
        yield groups
    finally:
        for pid, group in zip(pids, groups, strict=True):
            if group.exists():
                if psutil.pid_exists(pid):
                    (group.parent / "cgroup.procs").write_text(str(pid))
                group.rmdir()


def throttled(groups: list[Path]) -> list[float]:
    """Of all periods the part, for each group, in which its share was used up."""
    found = []
    for group in groups:
        told = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
        found.append(int(told["nr_throttled"]) / max(1, int(told["nr_periods"])))
    return found


async def loaded(url: str, pids: list[int], seconds: int) -> dict[str, Any]:
    words = ["-mode", "rr", "-c", str(CONNECTIONS * len(pids)), "-d", f"{seconds}s", "-warm", "2s"]
    words += ["-url", url, "-pid", ",".join(map(str, pids))]
    running = await asyncio.create_subprocess_exec(BINARIES / "loadgen", *words, stdout=asyncio.subprocess.PIPE)
    said, _ = await running.communicate()
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


async def measured(count: int, percent: int, seconds: int) -> tuple[dict[str, Any], list[float], list[float]]:
    """What the generator says; of each worker the part of periods that it was held back in, and its CPU seconds."""
    with tempfile.TemporaryDirectory() as data:
        async with gateway(Path(data), "--workers", str(count)) as house:
            url = await house.deploy("stub", url="http://127.0.0.1:9100/mcp")
            pids = workers(house, count)
            with rationed(pids, percent) as groups:
                before = [sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids]
                found = await loaded(url, pids, seconds)
                used = [sum(psutil.Process(pid).cpu_times()[:2]) - was for pid, was in zip(pids, before, strict=True)]
                return found, throttled(groups), used


def workers(house: Gateway, count: int) -> list[int]:
    parent = psutil.Process(house.program.pid)
    return [parent.pid] if count == 1 else [each.pid for each in parent.children()]


async def main(percent: int, rounds: int, most: int, seconds: int) -> None:
    stub = await asyncio.create_subprocess_exec(BINARIES / "upstream", "-l", "127.0.0.1:9100")
    rates: dict[int, list[float]] = {count: [] for count in range(1, most + 1)}
    try:
        for _ in range(rounds):
            for count, each in rates.items():
                found, held, used = await measured(count, percent, seconds)
                each.append(found["rps"])
                shares = " ".join(f"{part:.0%} {cpu:.2f}s" for part, cpu in zip(held, used, strict=True))
                print(
                    f"{count}: {found['rps']:8.0f} calls/s {found['cpu_us']:6.1f} us  errors {found['errors']}  {shares}"
                )
    finally:
        stub.terminate()
        await stub.wait()
    one = statistics.median(rates[1])
    for count, each in rates.items():
        rate = statistics.median(each)
        print(f"{count} workers: {rate:8.0f} calls/s, {rate / one:.2f} x one, {rate / one / count:.2f} per worker")


if __name__ == "__main__":
    if os.geteuid():
        raise SystemExit("only root may say what share of a core a process has")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=int, default=10, help="percent of a core for each worker")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=4)
    words = parser.parse_args()
    asyncio.run(main(words.share, words.rounds, words.most, words.seconds))
