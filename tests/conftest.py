"""What every test needs: `tests` on the path, so that worlds can be shared."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
