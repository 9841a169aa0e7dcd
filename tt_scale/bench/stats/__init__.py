"""Statistics of finished runs: accuracies, intervals, paired tests, verdicts.

Imports `core` and `bench.record`.
"""
