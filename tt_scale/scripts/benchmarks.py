"""`python -m tt_scale.scripts.benchmarks` takes the flags of `tt-scale bench`."""

from __future__ import annotations

import sys

from tt_scale.cli.main import main

if __name__ == "__main__":
    main(["bench", *sys.argv[1:]])
