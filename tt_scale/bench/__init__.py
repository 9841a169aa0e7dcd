"""The run engine: many problems at once, a journal, resume, statistics, comparisons.

Imports `models` and what lies below it; prints nothing.
"""
