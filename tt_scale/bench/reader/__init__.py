"""Runs read back from their folders, typed, also while they are being written.

Imports `bench.run` and what lies below it; comparisons, reports, replays and users read runs through it.
"""
