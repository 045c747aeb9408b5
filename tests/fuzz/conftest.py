"""Fuzzing takes its seeds from what the other tests have: tables of endpoints, cookies, exchanges."""

import sys
from pathlib import Path

for folder in ("fetch", "http"):
    sys.path.append(str(Path(__file__).parents[1] / folder))
