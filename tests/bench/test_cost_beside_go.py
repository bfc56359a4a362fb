"""What a call costs, in either era, beside Go's reverse proxy, in one run: no commit may lose a third of what was won.

`pytest -m bench`. Never an absolute time: the machine's moods fall on both sides, and the median of the rounds counts.
"""

import json
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPARE = ROOT.parent / "shared" / "bench" / "compare"
ROUNDS = 5
# Go's CPU time over ours. Not that of events: how many a read brings, and so what one costs, is the machine's mood.
STOOD = {"rr32": 2.3, "modern32": 2.3}
KEPT = 0.7


@pytest.mark.bench
@pytest.mark.timeout(240)
def test_go_still_spends_more_than_we_do(tmp_path: Path) -> None:
    if not COMPARE.exists():
        pytest.skip("needs the bench's programs, which stand beside the repository: ../shared/bench")
    if shutil.which("go") is None:
        pytest.skip("needs Go, which builds the stubs and the proxy to compare with")
    results = tmp_path / "results"
    ours = f"ours=http://127.0.0.1:8700/adapters/stub/mcp={sys.executable} -m tests.bench.lane_bench"
    options = ["-r", str(ROUNDS), "-s", ",".join(STOOD), "--json", str(results)]
    subprocess.run([sys.executable, str(COMPARE), *options, "go", ours], cwd=ROOT, check=True)
    ratios = _ratios(results)
    assert ratios.keys() == STOOD.keys()
    lost = {scenario: ratio for scenario, ratio in ratios.items() if ratio < KEPT * STOOD[scenario]}
    assert not lost, f"Go's CPU time over ours was {STOOD} and is {ratios}"


def _ratios(results: Path) -> dict[str, float]:
    """Go's median CPU time over ours, by scenario. An answer that was wrong fails the test."""
    spent: dict[tuple[str, str], list[float]] = defaultdict(list)
    for line in results.read_text().splitlines():
        run = json.loads(line)
        assert run.get("errors") == 0, run
        spent[run["scenario"], run["target"]].append(run.get("cpu_us") or run["cpu_us_ev"])
    medians = {key: statistics.median(values) for key, values in spent.items()}
    return {scenario: medians[scenario, "go"] / medians[scenario, "ours"] for scenario in STOOD}
