"""The processes of one data folder, wherever they have gone: each carries a mark in its environment, as do its own.

A child may leave its group, and outlive its parents; what it was started with it keeps. Reads every process of this
user, which takes milliseconds: for starts and ends, not for requests.
"""

import contextlib
import os
from collections.abc import Iterable
from typing import Final

import psutil

MARK: Final = "MCPDECK_INSTANCE"
_ROUNDS: Final = 5  # a process may fork while it is looked for


def mark_of(folder_id: str, uid: str) -> str:
    """The mark's value, for one start of an instance."""
    return f"{folder_id}.{uid}"


def strays_of(folder_id: str) -> dict[str, list[int]]:
    """The pids of all living processes of a folder, by the uid they were started for. Blocks."""
    found: dict[str, list[int]] = {}
    for process in psutil.process_iter():
        folder, _, uid = _mark(process).partition(".")
        if uid and folder == folder_id:
            found.setdefault(uid, []).append(process.pid)
    return found


def kill_strays(folder_id: str, uids: Iterable[str]) -> int:
    """SIGKILL to all that carry one of these marks. How many there were. Blocks."""
    wanted, killed = frozenset(uids), 0
    for _ in range(_ROUNDS):
        found = [pid for uid, pids in strays_of(folder_id).items() if uid in wanted for pid in pids]
        if not found:
            break
        for pid in found:
            with contextlib.suppress(psutil.Error):
                psutil.Process(pid).kill()
        killed += len(found)
    return killed


def is_marked(pid: int, folder_id: str, uid: str, *, began: float) -> bool:
    """Whether a living process is what a record says. began: its start, for systems that hide environments."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        try:
            return process.environ().get(MARK) == mark_of(folder_id, uid)
        except psutil.AccessDenied:
            return abs(process.create_time() - began) < 1
    except psutil.Error:
        return False


def _mark(process: psutil.Process) -> str:
    """ "" for another user's process, a zombie, or one that has gone."""
    try:
        if hasattr(os, "getuid") and process.uids().real != os.getuid():
            return ""
        if process.status() == psutil.STATUS_ZOMBIE:
            return ""
        return process.environ().get(MARK, "")
    except (psutil.Error, OSError):
        return ""
