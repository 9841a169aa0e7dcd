"""What a path is, and pure functions over it: records, budgets, segmentation, aggregates, selection, seeds.

Imports `errors` alone.
"""
