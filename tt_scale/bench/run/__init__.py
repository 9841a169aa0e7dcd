"""Run searches over problem sets: plan, session, journal, resume.

Imports `bench.stats` and what lies below `bench`; prints nothing.
"""
