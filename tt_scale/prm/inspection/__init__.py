"""Show and check how a PRM reads a solution, for `tt-scale prm-check`.

Imports `prm` and what lies below it.
"""
