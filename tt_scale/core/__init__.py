"""Records, paths and budgets, and pure functions over them: segmentation, aggregates, selection, seeds.

Imports `errors` alone.
"""
