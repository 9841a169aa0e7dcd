"""Compare runs: variants, grids, sweeps, subsampled and interleaved comparisons.

Imports `bench.run`, `bench.reader`, `bench.stats` and what lies below `bench`; prints nothing.
"""
