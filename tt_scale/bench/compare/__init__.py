"""Compare runs: variants, grids, sweeps, subsampled and interleaved comparisons.

Imports `bench.run` and `bench.stats`.
"""
