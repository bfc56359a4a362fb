"""What tests borrow from Node, installed once from a lock file. See tests/support/npm/package.json."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

FOLDER = Path(__file__).parent / "npm"


class Borrowed(msgspec.Struct, frozen=True):
    """Command lines, each a list to which arguments are added."""

    conformance: list[str]
    server_everything: list[str]


def borrowed() -> Borrowed:
    """Installs what is missing. Skips the test where there is no npm; never in CI."""
    npm = shutil.which("npm")
    if npm is None and not os.environ.get("CI"):
        pytest.skip("npm is not installed: it brings the conformance suite and a stdio server of others")
    assert npm is not None, "CI needs npm"
    modules = FOLDER / "node_modules"
    with FOLDER.joinpath("package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the workers of pytest-xdist come here at once
        if not _is_current(modules):
            command = [npm, "ci", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=FOLDER, check=False, capture_output=True, text=True, timeout=600)
            assert done.returncode == 0, f"npm ci failed:\n{done.stdout}{done.stderr}"
            _mark(modules).write_text(_wanted())
    bundled = modules / ".bin/node"
    node = str(bundled) if bundled.exists() else "node"
    scope = modules / "@modelcontextprotocol"
    return Borrowed(
        conformance=[node, str(scope / "conformance/dist/index.js")],
        server_everything=[node, str(scope / "server-everything/dist/index.js")],
    )


def _is_current(modules: Path) -> bool:
    return _mark(modules).exists() and _mark(modules).read_text() == _wanted()


def _mark(modules: Path) -> Path:
    return modules / ".installed-from"


def _wanted() -> str:
    return (FOLDER / "package-lock.json").read_text()
