"""A search run again from its record, with no model.

Imports `bench.run` and everything below it; nothing imports it but commands.
"""
