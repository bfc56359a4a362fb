"""Each fault against many sessions: what clients see of it, and how many sessions go on.

    python -m tests.bench.faults_bench [--sessions 1000] [--streams 200]

Real processes: a gateway and a server that fails. Errors are counted per call; "others" are calls beside those struck.
"""

import argparse
import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from tests.support.faults import all_faults, rigged


def told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "-"


async def main(sessions: int, streams: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with rigged(Path(folder), sessions) as rig:
            print("| fault | calls struck | calls beside, or streams | sessions that went on |\n|---|---|---|--:|")
            for fault in all_faults(rig, streams):
                seen = await fault
                went_on = f"{sessions - seen.lost} of {sessions}"
                print(f"| {seen.fault} | {told(seen.struck)} | {told(seen.others)} | {went_on} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=200)
    words = parser.parse_args()
    asyncio.run(main(words.sessions, words.streams))
