"""Starts the sidecar from wherever its image is mounted: beside this file stands what it needs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "site"))

from sidecar.__main__ import main

raise SystemExit(main())
