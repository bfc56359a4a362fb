"""`uv run --with atheris python -m tests.fuzz TARGET [SECONDS]`: coverage-guided, until something is found or time is up.

New inputs go to a folder of its own beside the system's other temporary files; those of `corpus/TARGET` are read, too.
"""

import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]  # not locked: only who fuzzes needs it

with atheris.instrument_imports(include=["gateway", "sidecar", "mcpdeck.traffic", "mcpdeck.model.filters"]):
    from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


def main(name: str, seconds: str = "60") -> None:
    found = Path(tempfile.gettempdir()) / "mcpdeck-fuzz" / name
    found.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", "-max_len=1024", "-timeout=10", f"-artifact_prefix={found.parent}/{name}-"]
    atheris.Setup([sys.argv[0], *options, str(found), str(CORPUS / name)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3 or sys.argv[1] not in TARGETS:
        raise SystemExit(f"usage: python -m tests.fuzz TARGET [SECONDS]; TARGET is one of {', '.join(TARGETS)}")
    main(*sys.argv[1:])
