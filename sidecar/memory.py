"""Whether the kernel killed a process for want of memory, which an exit by SIGKILL alone does not tell.

Reads what the sidecar's own control group counts, of either version; where that can't be read, nothing is said.
"""

import re
from pathlib import Path
from typing import Final

_GROUPS: Final = Path("/sys/fs/cgroup")
_KILLS: Final = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_MEBIBYTE: Final = 1024 * 1024
_NO_LIMIT: Final = 1 << 50  # version 1 says "none" with a number beyond any machine


def kills(groups: Path = _GROUPS) -> int:
    """How many processes of this group were killed for it so far."""
    found = _KILLS.search(_first_of(groups / "memory.events", groups / "memory" / "memory.oom_control"))
    return int(found[1]) if found else 0


def limit(groups: Path = _GROUPS) -> str:
    """What the group may have, in words; "" where nothing bounds it."""
    said = _first_of(groups / "memory.max", groups / "memory" / "memory.limit_in_bytes").strip()
    return f"{int(said) // _MEBIBYTE} MiB" if said.isdigit() and int(said) < _NO_LIMIT else ""


def _first_of(*files: Path) -> str:
    for file in files:
        try:
            return file.read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
    return ""
