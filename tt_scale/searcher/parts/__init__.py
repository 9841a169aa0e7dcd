"""Pure functions shared by several methods.

Imports only `core`.
"""
