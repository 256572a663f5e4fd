"""Where the measuring data is that is not in the repository: beside it, or where COUNTERFOIL_SHARED_DATA says."""

import os
from pathlib import Path

DATA = Path(os.environ.get("COUNTERFOIL_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
CASES = DATA.parent / "cases" / "input"
