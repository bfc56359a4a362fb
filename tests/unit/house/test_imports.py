"""Who may import whom, and what loads when: the directions of ARCHITECTURE.md, held by tests."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SHARED = ("names", "jsonrpc", "mcp", "sse", "problems", "resources", "audit")
MSGSPEC = ("msgspec", "typing_extensions")  # which msgspec loads where it is there


def loaded_by(statement: str) -> set[str]:
    """The packages, the interpreter's own left out, that a statement loads in a fresh interpreter."""
    listing = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    before, after = (_output(f"{each}\n{listing}") for each in ("", statement))
    found = set(after.split()) - set(before.split()) - sys.stdlib_module_names
    return {name for name in found if "cython" not in name}


def _output(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_imports_go_only_in_the_directions_of_the_architecture() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", SHARED)
def test_the_shared_vocabulary_costs_nothing_but_msgspec(module: str) -> None:
    assert loaded_by(f"import gateway.wire.{module}") <= {"gateway", *MSGSPEC}


def test_the_sidecar_loads_no_framework() -> None:
    found = loaded_by("import sidecar.__main__")
    assert found <= {"sidecar", "gateway", *MSGSPEC, "httptools", "uvloop"}, found


def test_a_gateway_that_is_alone_loads_no_redis() -> None:
    assert "redis" not in loaded_by("import gateway.__main__, gateway.stores.redis_shared")


def test_the_deck_may_draw_soon_after_it_drew() -> None:
    """Textual's own pause between two frames would be most of the time that a key takes."""
    program = (
        "import os; os.environ.pop('TEXTUAL_FPS', '')",
        "import mcpdeck.tui.app",
        "import textual.constants",
        "print(textual.constants.MAX_FPS)",
    )
    assert int(_output("\n".join(program))) >= 240
