"""Show and check how a PRM encodes and scores a solution, for `tt-scale prm-check`.

Imports `prm` and what lies below it.
"""
