"""Runs read back from their folders, typed, also while they are being written.

Imports `bench.run`, `bench.compare` and everything below; reports, replays and users read runs through it.
"""
