"""Run code that a model wrote, without letting it out.

Imports `errors` and `core`.
"""
