"""Pure functions that several methods share.

Imports `core` and `space`.
"""
