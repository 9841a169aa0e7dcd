"""The run engine: concurrent searches, journals, resume, statistics, comparisons.

Imports `models` and what lies below it; prints nothing.
"""
