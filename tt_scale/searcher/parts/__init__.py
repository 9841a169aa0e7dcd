"""Pure functions that several methods share.

Imports `core` alone.
"""
